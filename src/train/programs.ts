// The loss programs of a run: one for each shape of its batches, few of them alive, because each
// holds a session.

import type { Graph, Node } from '../graph/graph.ts';
import type { CompileOptions } from '../runtime/program.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { BatchInputs } from './loop.ts';
import { compileLoss, type LossAndGradients, type LossProgram } from './loss-program.ts';

/** One run of the loss graph. */
export interface MicroBatch {
  /** Batches with the same key have the same graph. */
  readonly shapeKey: string;
  readonly inputs: BatchInputs;
  /** What messages call the samples in it. */
  readonly samples?: readonly string[];
}

export interface ProgramsOptions extends Omit<CompileOptions, 'packWeights'> {
  readonly lossGraph: (shapeKey: string) => Graph;
  readonly trainable: readonly string[];
  /** As `differentiate` takes it: what is computed a second time in the backward pass. */
  readonly segmentOf?: (node: Node) => string | undefined;
  /**
   * Batches with this key have a program that packs its weights, as a session does it, and stays
   * alive.
   */
  readonly packWeightsOf?: string;
  /**
   * Programs kept; default 2: the present shape and the one before, as batches of one shape come in
   * runs.
   */
  readonly alive?: number;
}

export class LossPrograms {
  /** Least recently used first. */
  readonly #programs = new Map<string, LossProgram>();

  constructor(readonly options: ProgramsOptions) {}

  async run(
    { shapeKey, inputs }: MicroBatch,
    parameters: ReadonlyMap<string, Tensor>,
  ): Promise<LossAndGradients> {
    const program = await this.#programFor(shapeKey);
    return program.run(inputs, parameters);
  }

  async release(): Promise<void> {
    for (const program of this.#programs.values()) await program.release();
    this.#programs.clear();
  }

  async #programFor(key: string): Promise<LossProgram> {
    const known = this.#programs.get(key);
    this.#programs.delete(key);
    const program = known ?? (await this.#open(key));
    this.#programs.set(key, program);
    return program;
  }

  async #open(key: string): Promise<LossProgram> {
    const { lossGraph, trainable, segmentOf, alive = 2, packWeightsOf, ...rest } = this.options;
    const options = { ...rest, packWeights: key === packWeightsOf };
    for (const [oldest, program] of this.#programs) {
      if (this.#programs.size < alive) break;
      if (oldest === packWeightsOf) continue;
      this.#programs.delete(oldest);
      await program.release();
    }
    return compileLoss(lossGraph(key), trainable, options, segmentOf);
  }
}
