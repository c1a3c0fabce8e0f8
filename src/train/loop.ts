// The training loop: batches in, one update a step, what happened out. It knows of no model and no
// file.

import type { Tensor } from '../tensor/tensor.ts';
import type { LossAndGradients } from './loss-program.ts';
import type { Optimiser, Update } from './optimiser.ts';

/**
 * What one micro-batch feeds to the loss graph. Its loss is already divided for the whole
 * accumulated batch.
 */
export type BatchInputs = Readonly<Record<string, Tensor>>;

export interface LoopOptions<Batch> {
  readonly optimiser: Optimiser;
  /** The micro-batches of a step (0 for the first): a pure function of the step. */
  readonly batchesAt: (step: number) => readonly Batch[] | Promise<readonly Batch[]>;
  readonly lossOf: (
    batch: Batch,
    parameters: ReadonlyMap<string, Tensor>,
  ) => Promise<LossAndGradients>;
  /** The error of a loss or a gradient that is not finite; no weight is changed then. */
  readonly unsound: (found: UnsoundStep<Batch>) => Error;
  /**
   * How many such steps in a row are skipped before one ends the loop; those whose error is
   * `hopeless` are not. Default: none.
   */
  readonly tolerated?: number;
  readonly hopeless?: (error: Error) => boolean;
  /** Asked for after each step: true ends the loop. */
  readonly stop?: () => boolean;
}

/** A step in which a loss or the gradient's norm is NaN or infinite. */
export interface UnsoundStep<Batch> {
  /** 1 for the first. */
  readonly step: number;
  readonly loss: number;
  /** Absent where it is a loss that is not finite. */
  readonly gradNorm?: number;
  /** The micro-batches that it may be due to. */
  readonly batches: readonly Batch[];
  readonly parameters: ReadonlyMap<string, Tensor>;
}

export interface StepResult extends Update {
  /** 1 after the first step. */
  readonly step: number;
  /** Sum over the micro-batches. */
  readonly loss: number;
  /** Why no weight was changed in this step. */
  readonly skipped?: Error;
}

/** Runs from the optimiser's step to its last one, yielding after each. */
export async function* trainingSteps<Batch>(
  options: LoopOptions<Batch>,
): AsyncGenerator<StepResult> {
  const { optimiser, stop } = options;
  while (optimiser.step < optimiser.totalSteps) {
    const result = await oneStep(options);
    if (result.skipped !== undefined) optimiser.skip();
    yield result;
    if (stop?.() === true) return;
  }
}

/** Computes one step and applies it, unless it is not sound. */
async function oneStep<Batch>(options: LoopOptions<Batch>): Promise<StepResult> {
  const { optimiser, batchesAt, lossOf } = options;
  const { parameters, learningRates } = optimiser;
  const batches = await batchesAt(optimiser.step);
  const step = optimiser.step + 1;
  const outcome = await accumulate(batches, (batch) => lossOf(batch, parameters));
  const { loss } = outcome;
  if ('unsound' in outcome) {
    const found = { step, loss, batches: [outcome.unsound], parameters };
    return { step, loss, gradNorm: NaN, learningRates, skipped: skippable(found, options) };
  }
  const update = optimiser.update(outcome.gradients);
  if (Number.isFinite(update.gradNorm)) return { step, loss, ...update };
  const found = { step, loss, gradNorm: update.gradNorm, batches, parameters };
  return { step, loss, ...update, skipped: skippable(found, options) };
}

/** The error of a step that can be skipped; throws that of another. */
function skippable<Batch>(found: UnsoundStep<Batch>, options: LoopOptions<Batch>): Error {
  const { optimiser, unsound, tolerated = 0, hopeless } = options;
  const error = unsound(found);
  if (optimiser.skipped >= tolerated || hopeless?.(error) === true) throw error;
  return error;
}

interface UnsoundBatch<Batch> {
  readonly loss: number;
  readonly unsound: Batch;
}

/** The sum over micro-batches, or the first whose loss is not finite. */
async function accumulate<Batch>(
  batches: readonly Batch[],
  lossOf: (batch: Batch) => Promise<LossAndGradients>,
): Promise<LossAndGradients | UnsoundBatch<Batch>> {
  let total: LossAndGradients | undefined;
  for (const batch of batches) {
    const part = await lossOf(batch);
    if (!Number.isFinite(part.loss)) return { loss: part.loss, unsound: batch };
    total =
      total === undefined
        ? part
        : { loss: total.loss + part.loss, gradients: addInto(total.gradients, part.gradients) };
  }
  return total ?? { loss: 0, gradients: new Map() };
}

function addInto(
  sum: Map<string, Float32Array>,
  part: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  for (const [name, values] of part) {
    const target = sum.get(name);
    if (target === undefined) sum.set(name, values);
    else for (let i = 0; i < values.length; i++) target[i] += values[i];
  }
  return sum;
}
