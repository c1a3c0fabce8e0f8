// What computes: a backend is a value that says how graphs are lowered for it, how it keeps frozen
// weights, and how programs are opened. Nothing outside this folder asks which one runs.

import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import type { Emissions } from './emission.ts';
import type { OnnxGraph, OnnxNode } from './onnx-model.ts';
import type { Need, Room } from './room.ts';
import type { Held, WeightToHold, WeightPlan } from './weight-plan.ts';

/** A rewrite of a graph before its composites are lowered; results are the same numbers. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph) => Graph;
}

/** A graph, and the weights that it reads, by name. */
export interface BoundGraph {
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
  readonly weightParts: (graph: Graph, weights: Weights) => BoundGraph;
}

export interface Limits {
  /** Bytes of the largest tensor; Infinity where memory is the only limit. */
  readonly largestTensor: number;
  /** Whether it computes with float16. */
  readonly halfPrecision: boolean;
  /**
   * Whether tensors lie in memory of its own, not in the process's: what a run takes and gives then
   * crosses a bus.
   */
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
  plan(bound: BoundGraph, workload?: Workload): WeightPlan;
  /** Bytes of memory that a byte of live activations takes, with what the allocator keeps. */
  bytesPerLiveByte(graph: Graph): number;
  /** Whether a run has room where it computes. */
  room(need: Need): Room;
  /**
   * Takes weights out of their files, for as long as programs read them; see `WeightStore`. All or
   * none. Throws SystemError where they do not fit.
   */
  hold(weights: readonly WeightToHold[]): Promise<Held[]>;
  /**
   * Makes a graph executable; `held` are inputs that the session feeds itself, by name. Throws
   * SystemError as the session's runs do.
   */
  open(graph: OnnxGraph, held: HeldWeights, options: SessionOptions): Promise<Session>;
  /** Lets the device go; sessions and weights must be released before. */
  release(): Promise<void>;
}

export type HeldWeights = ReadonlyMap<string, Held>;

/** What a program's runs are like, where memory may be spent on their speed. */
export interface Workload {
  /**
   * How many are to come, each of many rows; `short`: each of so few rows that reading a weight
   * costs as much as multiplying with it.
   */
  readonly runs: number | 'short';
  /** Bytes that copies of frozen weights may take, where the backend gains by them. */
  readonly spare: number;
}

export interface SessionOptions {
  /** How the frozen weights are kept. */
  readonly plan: WeightPlan;
  /** Threads of one operator. */
  readonly threads: number;
  /** Prefix of a profile to write when the session is released. */
  readonly profile?: string;
  /** Whether memory that a run frees stays for the next one, which is faster. Default false. */
  readonly keepsMemory?: boolean;
}

export interface Session {
  /**
   * Gives the outputs that are asked for, in the process's memory. Throws SystemError where there
   * is too little memory, or where the device was lost.
   */
  run(
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}
