// A graph made executable: tensors in by name, tensors out by name.

import { InternalError } from '../errors.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import { needed } from '../util/needed.ts';
import type { Backend, BoundGraph, Session, SessionOptions, Workload } from './backend.ts';
import { bind, emit, type Lowered } from './lowering.ts';
import { merge } from './merge.ts';
import { isHeld, type WeightPlan } from './weight-plan.ts';
import type { WeightStore } from './weight-store.ts';

export interface CompileOptions extends Omit<SessionOptions, 'threads' | 'plan'> {
  /**
   * Frozen parameters by name, kept as the backend's plan says. The others become inputs of every
   * run.
   */
  readonly weights: Weights;
  /** Where memory may be spent on speed; by default none is. */
  readonly workload?: Workload;
}

/** A backend, and the weights that its programs share. */
export interface Opened {
  readonly backend: Backend;
  readonly store: WeightStore;
}

export interface Program {
  /** The graph's inputs and its parameters that are not bound. */
  readonly inputNames: readonly string[];
  /**
   * Throws InternalError naming inputs that are missing, unknown or of another type; SystemError
   * where there is too little memory, or where the device was lost. Blocks the thread while it
   * computes.
   */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/**
 * One program for graphs that differ in their shapes alone, as those of several buckets do: it maps
 * the weights once, and each run takes the graph that its inputs fit. Results are those of separate
 * programs. Throws InternalError naming the node where the graphs are not of one structure; a size
 * of 1 beside others may be enough for that, since nothing is broadcast there.
 */
export async function compileFor(
  { backend, store }: Opened,
  graphs: readonly Graph[],
  { weights, workload, ...options }: CompileOptions & Pick<SessionOptions, 'threads'>,
): Promise<Program> {
  const bound = graphs.map((graph) => bind(graph, weights, backend));
  const plan = backend.plan(bound[0], workload);
  const { held, release } = await hold(bound[0], store, plan);
  try {
    const lowered = bound.map((each) => emit(each, held, backend.emissions));
    const { onnx, fed } = merge(lowered, (nodes) => backend.order(nodes));
    const session = await backend.open(onnx, lowered[0].held, { ...options, plan });
    return programOf(lowered, fed, { session, release });
  } catch (error) {
    await release();
    throw error;
  }
}

/** Takes out of their files what is to be held, by name. */
async function hold({ weights }: BoundGraph, store: WeightStore, plan: WeightPlan) {
  const wanted = [...plan].filter(([, kept]) => isHeld(kept));
  const names = wanted.map(([name]) => name);
  const { weights: all, release } = await store.hold(
    wanted.map(([name, kept]) => ({ tensor: needed(weights, name, 'weight'), kept })),
  );
  return { held: new Map(names.map((name, i) => [name, all[i]])), release };
}

interface Executable {
  readonly session: Session;
  /** Of the weights that it is fed. */
  readonly release: () => Promise<void>;
}

function programOf(
  variants: readonly Lowered[],
  fed: readonly Readonly<Record<string, Tensor>>[],
  { session, release }: Executable,
): Program {
  const [{ inputs: wanted, outputs, outputNames }] = variants;
  const fetched = outputs.map(({ name }) => name);
  return {
    inputNames: wanted.map(({ name }) => name),
    async run(inputs) {
      const results = await session.run({ ...inputs, ...fed[fitting(variants, inputs)] }, fetched);
      return Object.fromEntries([...outputNames].map(([name, value]) => [name, results[value]]));
    },
    async release() {
      try {
        await session.release();
      } finally {
        await release();
      }
    },
  };
}

/** Index of the variant that takes these inputs. */
function fitting(variants: readonly Lowered[], inputs: Readonly<Record<string, Tensor>>): number {
  const faults = variants.map((variant) => faultsOf(variant.inputs, inputs));
  const index = faults.findIndex(({ length }) => length === 0);
  if (index >= 0) return index;
  const nearest = faults.reduce((least, list) => (list.length < least.length ? list : least));
  throw new InternalError(`${variants[0].name}: ${nearest.join('; ')}`);
}

function faultsOf(wanted: readonly Value[], inputs: Readonly<Record<string, Tensor>>): string[] {
  const names = new Set(wanted.map(({ name }) => name));
  const unknown = Object.keys(inputs).filter((name) => !names.has(name));
  return [
    ...wanted.flatMap((value) => fault(value, inputs[value.name])),
    ...unknown.map((name) => `${name} is not an input`),
  ];
}

function fault({ name, dtype, shape }: Value, given: Tensor | undefined): string[] {
  if (given === undefined) return [`${name} is missing`];
  if (given.dtype === dtype && sameShape(given.shape, shape)) return [];
  return [`${name} is ${given.dtype} [${given.shape}], not ${dtype} [${shape}]`];
}
