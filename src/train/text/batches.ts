// The micro-batches of each step: a pure function of the sequences, the configuration and the step.

import {
  NO_LABEL,
  textTensors,
  type TextBatch,
  type TextBatchPlan,
  type TextTensors,
} from '../../dataset/text/batches.ts';
import type { Sequence } from '../../dataset/text/sequences.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { float32, int32, type Tensor } from '../../tensor/tensor.ts';
import { evenChunks } from '../../util/chunks.ts';
import type { MicroBatch } from '../programs.ts';
import type { TextShape } from './language-loss.ts';
import { ownRotations } from './own-rotations.ts';

/** Room for trained tokens comes in so many parts of all tokens, so that few shapes occur. */
const ROOM_PARTS = 4;

/**
 * The batches that an optimiser step accumulates; the last step of an epoch has fewer where they do
 * not divide.
 */
export function batchesOfStep(
  plan: TextBatchPlan,
  accumulation: number,
  step: number,
): TextBatch[] {
  const perEpoch = stepsPerEpoch(plan, accumulation);
  const [epoch, inEpoch] = [Math.floor(step / perEpoch), step % perEpoch];
  const first = inEpoch * accumulation;
  return Array.from({ length: Math.min(accumulation, plan.stepsPerEpoch - first) }, (_, i) =>
    plan.batchAt(epoch * plan.stepsPerEpoch + first + i),
  );
}

export const stepsPerEpoch = (plan: TextBatchPlan, accumulation: number): number =>
  Math.ceil(plan.stepsPerEpoch / accumulation);

export interface MicroBatchOptions {
  readonly model: LanguageModelConfig;
  /** The most rows in one run of the loss graph. */
  readonly microBatch: number;
  readonly packed: boolean;
}

/**
 * Rows of the batches in runs of at most `microBatch`, each token weighted by 1 / (trained tokens
 * of all of them).
 */
export function textMicroBatches(
  sequences: readonly Sequence[],
  batches: readonly TextBatch[],
  { model, microBatch, packed }: MicroBatchOptions,
): MicroBatch[] {
  const parts = batches.flatMap((batch) =>
    evenChunks(batch.rows, microBatch).map((rows) => ({ ...batch, rows })),
  );
  const tensors = parts.map((part) => textTensors(sequences, part));
  return weighted(tensors, model, packed).map((micro, i) => ({
    ...micro,
    samples: parts[i].rows.flat().map((index) => sequences[index].sample.where),
  }));
}

export function weighted(
  parts: readonly TextTensors[],
  model: LanguageModelConfig,
  packed: boolean,
): MicroBatch[] {
  const weight = 1 / parts.reduce((sum, { targetCount }) => sum + targetCount, 0);
  return parts.map((part) => textMicroBatch(part, { weight, model, packed }));
}

/** One run of `languageLoss`. */
function textMicroBatch(
  tensors: TextTensors,
  { weight, model, packed }: { weight: number; model: LanguageModelConfig; packed: boolean },
): MicroBatch {
  const { rows, length, ids, targets, positions, segments, targetCount } = tensors;
  const shape: TextShape = { rows, length, trained: roomFor(targetCount, rows * length), packed };
  const places = Array.from(targets.keys()).filter((i) => targets[i] !== NO_LABEL);
  const fixed = (values: ArrayLike<number>) => int32([rows, length], values);
  const inputs: Record<string, Tensor> = {
    input_ids: fixed(ids),
    trained: int32([shape.trained], filled(places, shape.trained)),
    labels: int32(
      [shape.trained],
      filled(
        places.map((i) => targets[i]),
        shape.trained,
      ),
    ),
    label_weights: float32(
      [shape.trained],
      filled(
        places.map(() => 1),
        shape.trained,
      ).map((one) => one * weight),
    ),
    ...ownRotations(model, tensors),
    ...(packed && { position_ids: fixed(positions), segments: fixed(segments) }),
  };
  return { shapeKey: textShapeKey(shape), inputs };
}

/** At least one. */
function roomFor(count: number, tokens: number): number {
  const part = Math.ceil(tokens / ROOM_PARTS);
  return Math.max(1, Math.min(tokens, Math.ceil(count / part) * part));
}

const filled = (values: ArrayLike<number>, size: number): number[] =>
  Array.from({ length: size }, (_, i) => values[i] ?? 0);

const textShapeKey = (shape: TextShape): string => JSON.stringify(shape);
// Written by the function above.
export const textShapeOf = (key: string): TextShape => JSON.parse(key) as TextShape;
