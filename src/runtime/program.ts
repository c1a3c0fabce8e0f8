// A graph made executable: tensors in by name, tensors out by name.

import { InternalError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { lower, fileOrder, type Lowered, type Weights } from './lowering.ts';
import type { OnnxGraph, OnnxValue } from './onnx-model.ts';
import { createSession, type Session, type SessionOptions } from './ort-session.ts';

export interface CompileOptions extends SessionOptions {
  /** Frozen parameters by name; those that stay in their file are mapped, never read. The others become inputs of every run. */
  readonly weights: Weights;
}

export interface Program {
  /** The graph's inputs and its parameters that are not bound. */
  readonly inputNames: readonly string[];
  /** Throws InternalError naming inputs that are missing, unknown or of another type. Blocks the thread while it computes. */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** Lowers, encodes and loads a graph. The same inputs give the same bits at one number of threads. */
export async function compile(graph: Graph, options: CompileOptions): Promise<Program> {
  const lowered = lower(graph, options.weights);
  return programOf(lowered, await createSession(toOnnx(lowered), options));
}

/** The ONNX graph to encode: equal constants once, nodes in file order. */
export function toOnnx(lowered: Lowered): OnnxGraph {
  const { name, inputs, outputs, weights } = lowered;
  const { constants, renamed } = shareConstants(lowered.constants);
  const nodes = fileOrder(lowered.nodes).map((node) => ({ ...node, inputs: node.inputs.map((input) => renamed.get(input) ?? input) }));
  return { name, inputs, outputs, nodes, initializers: [...weights, ...constants] };
}

/** Constants with the same type and bytes become one. */
export function shareConstants(constants: ReadonlyMap<string, Tensor>) {
  const first = new Map<string, string>();
  const renamed = new Map<string, string>();
  const kept: { name: string; tensor: Tensor }[] = [];
  for (const [name, tensor] of constants) {
    const key = contentKey(tensor);
    const known = key === undefined ? undefined : first.get(key);
    if (known !== undefined) renamed.set(name, known);
    else {
      if (key !== undefined) first.set(key, name);
      kept.push({ name, tensor });
    }
  }
  return { constants: kept, renamed };
}

/** Only small constants are compared: the large ones are masks and pictures, each its own. */
function contentKey({ dtype, shape, data }: Tensor): string | undefined {
  if (data.byteLength > 4096) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return `${dtype} ${shape} ${bytes.toString('base64')}`;
}

function programOf(lowered: Lowered, session: Session): Program {
  const fetched = lowered.outputs.map(({ name }) => name);
  return {
    inputNames: lowered.inputs.map(({ name }) => name),
    async run(inputs) {
      checkInputs(lowered.name, lowered.inputs, inputs);
      const results = await session.run(inputs, fetched);
      return Object.fromEntries([...lowered.outputNames].map(([name, value]) => [name, results[value]]));
    },
    release: () => session.release(),
  };
}

function checkInputs(graph: string, wanted: readonly OnnxValue[], inputs: Readonly<Record<string, Tensor>>): void {
  const names = new Set(wanted.map(({ name }) => name));
  const unknown = Object.keys(inputs).filter((name) => !names.has(name));
  const wrong = wanted.flatMap((value) => fault(value, inputs[value.name]));
  const faults = [...wrong, ...unknown.map((name) => `${name} is not an input`)];
  if (faults.length > 0) throw new InternalError(`${graph}: ${faults.join('; ')}`);
}

function fault({ name, dtype, shape = [] }: OnnxValue, given: Tensor | undefined): string[] {
  if (given === undefined) return [`${name} is missing`];
  const fits = given.dtype === dtype && given.shape.length === shape.length && sameShape(given.shape, shape.map((dim, i) => (typeof dim === 'number' ? dim : given.shape[i])));
  return fits ? [] : [`${name} is ${given.dtype} [${given.shape}], not ${dtype} [${shape}]`];
}
