// What computes: a backend is a value that says how graphs are lowered for it, how it keeps frozen
// weights, and how programs are opened. Nothing outside this folder asks which one runs.

import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import type { Emissions } from './emission.ts';
import type { OnnxGraph, OnnxNode } from './onnx-model.ts';
import type { Held, StoredWeight, WeightPlan } from './weight-plan.ts';

/** A rewrite of a graph before its composites are lowered; results are the same numbers. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph) => Graph;
}

/** A graph, and the weights that it reads, by name. */
export interface Placed {
  readonly graph: Graph;
  readonly weights: Weights;
}

/** How a graph becomes nodes of ONNX. */
export interface Lowering {
  /** What becomes of each operator. */
  readonly emissions: Emissions;
  /** In the order in which they are applied. */
  readonly passes: readonly Pass[];
  /** After them: parts of weights that become weights of their own. */
  readonly place: (graph: Graph, weights: Weights) => Placed;
}

export interface Limits {
  /** Bytes of the largest tensor; Infinity where memory is the only limit. */
  readonly largestTensor: number;
  /** Whether tensors lie in memory of its own, not in the process's. */
  readonly ownsMemory: boolean;
  /** Bytes of that memory, where they are known. */
  readonly memory?: number;
}

/** A backend that was opened. */
export interface Backend extends Lowering {
  /** As a run's record names it. */
  readonly name: string;
  /** What computes, for people, where it has a name: `NVIDIA GeForce RTX 4090`. */
  readonly adapter?: string;
  readonly limits: Limits;
  /** The order to write nodes in so that they are executed in the order given. */
  order(nodes: readonly OnnxNode[]): OnnxNode[];
  /** What computes, for people: `cpu, 2 threads`. */
  describe(threads: number): string;
  /** How each frozen weight that a graph reads is kept. */
  plan(placed: Placed, options: WeightOptions): WeightPlan;
  /** Takes weights out of their files, for as long as programs read them; see `WeightStore`. */
  hold(weights: readonly StoredWeight[]): Promise<Held[]>;
  /** Makes a graph executable; `held` are inputs that the session feeds itself, by name. */
  open(graph: OnnxGraph, held: HeldWeights, options: SessionOptions): Promise<Session>;
  /** Lets the device go; sessions and weights must be released before. */
  release(): Promise<void>;
}

export type HeldWeights = ReadonlyMap<string, Held>;

/** How weights may be kept. */
export interface WeightOptions {
  /**
   * Copy each constant float32 matrix into the order in which its products read it, for each
   * direction, where the backend gains by it; its file is left then.
   */
  readonly packWeights?: boolean;
  /**
   * Weights of products in half precision are kept as float32 besides, where they would be cast in
   * every run and all take at most so many bytes. Default 0.
   */
  readonly float32Copies?: number;
}

export interface SessionOptions extends WeightOptions {
  /** Threads of one operator; by default the machine's cores. */
  readonly threads?: number;
  /** Prefix of a profile to write when the session is released. */
  readonly profile?: string;
  /** Keep freed tensors for later ones, in one growing region. */
  readonly arena?: boolean;
}

export interface Session {
  run(
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}
