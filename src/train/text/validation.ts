// The loss on sequences that are not trained, and on some that are, measured the same way: the mean
// over all their trained tokens.

import type { UserError } from '../../errors.ts';
import type { Sequence } from '../../dataset/text/sequences.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Weights } from '../../tensor/weights.ts';
import { chunks } from '../../util/chunks.ts';
import { evenly } from '../../util/evenly.ts';
import { type PhaseEvent, type ValidationEvent, phase } from '../../events.ts';
import type { MicroBatch } from '../programs.ts';
import type { BothSets } from '../both-sets.ts';
import type { Measuring, SampleLosses } from '../forgetting.ts';
import { unsoundStepError } from '../unsound-step.ts';
import type { AdaptedLanguageModel } from './adapted-model.ts';
import { textMicroBatches, textShapeOf } from './batches.ts';

export interface ValidationOptions {
  readonly adapted: AdaptedLanguageModel;
  readonly model: LanguageModelConfig;
  readonly weights: Weights;
  readonly runtime: Runtime;
  /** For messages. */
  readonly learningRate: number;
  /** Rows in one run. */
  readonly rows: number;
  /** Rows are as long as a multiple of this. */
  readonly lengthStep: number;
  readonly maxSeqLength: number;
}

/**
 * Batches of neighbours in length; each token has the weight 1 / (all trained tokens). The order
 * does not matter to the loss.
 */
function validationBatches(
  sequences: readonly Sequence[],
  {
    model,
    rows,
    lengthStep,
    maxSeqLength,
  }: Pick<ValidationOptions, 'model' | 'rows' | 'lengthStep' | 'maxSeqLength'>,
): MicroBatch[] {
  const byLength = Array.from(sequences.keys()).sort(
    (a, b) => sequences[b].ids.length - sequences[a].ids.length,
  );
  const batches = chunks(byLength, rows).map((part) => ({
    epoch: 0,
    rows: part.map((index) => [index]),
    length: Math.min(
      maxSeqLength,
      Math.ceil(sequences[part[0]].ids.length / lengthStep) * lengthStep,
    ),
  }));
  return textMicroBatches(sequences, batches, { model, microBatch: rows, packed: false });
}

function unsoundLoss(
  batch: MicroBatch,
  step: number,
  loss: number,
  { adapted, weights, learningRate }: ValidationOptions,
): UserError {
  const found = { step, loss, batches: [batch], parameters: adapted.weights };
  return unsoundStepError(found, {
    lossGraph: (key) => adapted.lossGraph(textShapeOf(key)),
    lossName: 'validation loss',
    weights,
    learningRate,
  });
}

/** So few batches take too short a time to be reported. */
const UNTOLD = 8;

/** Sequences that are measured. */
export interface MeasuredSequences {
  readonly heldOut: readonly Sequence[];
  /** As many of those that are trained. */
  readonly trained: readonly Sequence[];
}

/** All that is held out, and as many of what is trained, evenly chosen. */
export const measuredSequences = (
  train: readonly Sequence[],
  heldOut: readonly Sequence[],
): MeasuredSequences => ({
  heldOut,
  trained: evenly(train.length, heldOut.length).map((i) => train[i]),
});

/** The losses after step `step`. Throws UserError for one that is not finite. */
export async function* validate(
  { heldOut, trained }: MeasuredSequences,
  step: number,
  options: ValidationOptions,
): AsyncGenerator<PhaseEvent, ValidationEvent> {
  const losses = yield* lossesOf(validationBatches(heldOut, options), step, options);
  const ofTrained = yield* lossesOf(validationBatches(trained, options), step, options);
  const loss = sum(losses);
  return {
    type: 'validation',
    step,
    loss,
    trainLoss: sum(ofTrained),
    losses: losses.map((part) => part * losses.length),
    perplexity: Math.exp(loss),
    tokens: sum(heldOut.map((sequence) => sum(sequence.trained))),
  };
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/**
 * The loss of each sequence of both sets, the mean over its trained tokens: each alone, so that
 * none depends on its neighbours.
 */
export async function* measureSequences(
  step: number,
  sets: BothSets<Sequence>,
  options: ValidationOptions,
): Measuring {
  const found: { old?: SampleLosses; new?: SampleLosses } = {};
  for (const kind of ['old', 'new'] as const) {
    const all = sets[kind]?.samples ?? [];
    // neighbours in length share a program
    const samples = [...all].sort((a, b) => b.of.ids.length - a.of.ids.length);
    const batches = samples.flatMap(({ of }) => validationBatches([of], { ...options, rows: 1 }));
    const losses = yield* lossesOf(batches, step, options, `measuring ${kind} sequences`);
    found[kind] = samples.map(({ number }, i) => ({ number, loss: losses[i] }));
  }
  return found;
}

/**
 * The part of each batch in the mean over all trained tokens. One session at a time, for batches of
 * one shape; no gradients, no dropout.
 */
async function* lossesOf(
  batches: readonly MicroBatch[],
  step: number,
  options: ValidationOptions,
  name = 'validating',
): AsyncGenerator<PhaseEvent, number[]> {
  const { adapted, weights, runtime } = options;
  const programs = runtime.programs(1);
  const losses: number[] = [];
  try {
    for (const batch of batches) {
      const open = () =>
        runtime.compile(adapted.lossGraph(textShapeOf(batch.shapeKey)), { weights });
      const program = await programs.get(batch.shapeKey, open);
      if (batches.length > UNTOLD) yield phase(name, losses.length, batches.length);
      const inputs = { ...batch.inputs, ...Object.fromEntries(adapted.weights) };
      const loss = Number((await program.run(inputs)).loss.data[0]);
      if (!Number.isFinite(loss)) throw unsoundLoss(batch, step, loss, options);
      losses.push(loss);
    }
  } finally {
    await programs.release();
  }
  return losses;
}
