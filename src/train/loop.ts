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
  /** The error to throw where a loss or a gradient is not finite; no weight is changed then. */
  readonly unsound: (found: UnsoundStep<Batch>) => Error;
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
}

/** Runs from the optimiser's step to its last one, yielding after each update. */
export async function* trainingSteps<Batch>({
  optimiser,
  batchesAt,
  lossOf,
  unsound,
  stop,
}: LoopOptions<Batch>): AsyncGenerator<StepResult> {
  const parameters = optimiser.parameters;
  while (optimiser.step < optimiser.options.totalSteps) {
    const batches = await batchesAt(optimiser.step);
    const step = optimiser.step + 1;
    const { loss, gradients } = await accumulate(batches, async (batch) => {
      const part = await lossOf(batch, parameters);
      if (Number.isFinite(part.loss)) return part;
      throw unsound({ step, loss: part.loss, batches: [batch], parameters });
    });
    const update = optimiser.update(gradients);
    if (!Number.isFinite(update.gradNorm))
      throw unsound({ step, loss, gradNorm: update.gradNorm, batches, parameters });
    yield { step, loss, ...update };
    if (stop?.()) return;
  }
}

async function accumulate<Batch>(
  batches: readonly Batch[],
  lossOf: (batch: Batch) => Promise<LossAndGradients>,
): Promise<LossAndGradients> {
  let total: LossAndGradients | undefined;
  for (const batch of batches) {
    const part = await lossOf(batch);
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
