// The loss programs of a run: one for each shape of its batches, few of them alive, because each
// holds a session.

import type { Graph, Node } from '../graph/graph.ts';
import type { Workload } from '../runtime/backend.ts';
import type { CompileOptions } from '../runtime/program.ts';
import type { Programs } from '../runtime/program-cache.ts';
import type { Runtime } from '../runtime/runtime.ts';
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

/** The shape of most batches. */
export interface MainShape {
  readonly shapeKey: string;
  readonly workload: Workload;
}

export interface ProgramsOptions extends Omit<CompileOptions, 'workload'> {
  readonly runtime: Runtime;
  readonly lossGraph: (shapeKey: string) => Graph;
  readonly trainable: readonly string[];
  /** As `differentiate` takes it: what is computed a second time in the backward pass. */
  readonly segmentOf?: (node: Node) => string | undefined;
  /** Its program may spend memory on speed, and stays alive. */
  readonly main?: MainShape;
  /**
   * Programs kept; default 2: the present shape and the one before, as batches of one shape come in
   * runs.
   */
  readonly alive?: number;
}

export class LossPrograms {
  readonly #programs: Programs<LossProgram>;

  constructor(readonly options: ProgramsOptions) {
    this.#programs = options.runtime.programs(options.alive ?? 2);
  }

  async run(
    { shapeKey, inputs }: MicroBatch,
    parameters: ReadonlyMap<string, Tensor>,
  ): Promise<LossAndGradients> {
    const pinned = shapeKey === this.options.main?.shapeKey;
    const program = await this.#programs.get(shapeKey, () => this.#open(shapeKey), { pinned });
    return program.run(inputs, parameters);
  }

  release(): Promise<void> {
    return this.#programs.release();
  }

  #open(key: string): Promise<LossProgram> {
    const { runtime, lossGraph, trainable, segmentOf, main, ...rest } = this.options;
    const options = { ...rest, workload: key === main?.shapeKey ? main.workload : undefined };
    return compileLoss(runtime, lossGraph(key), trainable, options, segmentOf);
  }
}
