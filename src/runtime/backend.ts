// What computes: a backend is a value that says how graphs are lowered for it and how they are
// opened. Nothing outside this folder asks which one runs.

import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Emissions } from './emission.ts';
import type { OnnxGraph, OnnxNode } from './onnx-model.ts';

/** A rewrite of a graph before its composites are lowered; results are the same numbers. */
export interface Pass {
  readonly name: string;
  readonly apply: (graph: Graph) => Graph;
}

/** How a graph becomes nodes of ONNX. */
export interface Lowering {
  /** What becomes of each operator. */
  readonly emissions: Emissions;
  /** In the order in which they are applied. */
  readonly passes: readonly Pass[];
}

export interface Backend extends Lowering {
  /** As a run's record names it. */
  readonly name: string;
  /** The order to write nodes in so that they are executed in the order given. */
  order(nodes: readonly OnnxNode[]): OnnxNode[];
  /** What computes, for people: `cpu, 2 threads`. */
  describe(threads: number): string;
  /** Makes a graph executable. */
  open(graph: OnnxGraph, options: SessionOptions): Promise<Session>;
}

export interface SessionOptions {
  /** Threads of one operator; by default the machine's cores. */
  readonly threads?: number;
  /** Prefix of a profile to write when the session is released. */
  readonly profile?: string;
  /** Keep freed tensors for later ones, in one growing region. */
  readonly arena?: boolean;
  /**
   * Copy each constant float32 matrix into the order in which its products read it, for each
   * direction, where the backend gains by it; its file is left then.
   */
  readonly packWeights?: boolean;
}

export interface Session {
  run(
    inputs: Readonly<Record<string, Tensor>>,
    outputs: readonly string[],
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}
