// The micro-batches of each step: a pure function of the pictures, the seed and the step.

import { batchPlan, type BatchPlan } from '../../dataset/batches.ts';
import type { NoiseSchedule } from '../../models/noise-schedule.ts';
import { int32, type Shape, type Tensor } from '../../tensor/tensor.ts';
import { evenChunks } from '../../util/chunks.ts';
import type { BatchInputs } from '../loop.ts';
import type { MicroBatch } from '../programs.ts';
import type { BatchShape } from './adapted-model.ts';
import {
  drawSample,
  noisyInputs,
  stack,
  type DrawOptions,
  type LatentMoments,
  type NoisySample,
} from './noisy-batch.ts';
import type { TrainingPicture } from './training-picture.ts';
import type { SizedConfig } from './sizes.ts';

/** What is known of each picture once it is encoded, by its position. */
export interface EncodedPictures {
  readonly moments: readonly LatentMoments[];
  /** Ids of each caption, all of one length. */
  readonly ids: readonly Int32Array[];
  /** States of each caption [tokens, width], where the text encoder is frozen. */
  readonly states?: readonly Float32Array[];
  /** For messages. */
  readonly names: readonly string[];
}

export interface StepPlan {
  readonly batchesPerEpoch: number;
  readonly stepsPerEpoch: number;
  /**
   * The batches that step `step` accumulates: positions of pictures, at most `batch_size` each, one
   * bucket each.
   */
  batchesOf(step: number): readonly (readonly number[])[];
}

/**
 * Groups batches into optimiser steps; the last step of an epoch accumulates fewer when they do not
 * divide.
 */
export function stepPlan(config: SizedConfig, pictures: readonly TrainingPicture[]): StepPlan {
  const { batch_size: batchSize, gradient_accumulation_steps: accumulation, seed } = config;
  const plan: BatchPlan = batchPlan({ samples: pictures, batchSize, seed });
  const stepsPerEpoch = Math.ceil(plan.stepsPerEpoch / accumulation);
  const batchesOf = (step: number) => {
    const [epoch, inEpoch] = [Math.floor(step / stepsPerEpoch), step % stepsPerEpoch];
    const first = inEpoch * accumulation;
    const count = Math.min(accumulation, plan.stepsPerEpoch - first);
    return Array.from(
      { length: count },
      (_, i) => plan.batchAt(epoch * plan.stepsPerEpoch + first + i).indices,
    );
  };
  return { batchesPerEpoch: plan.stepsPerEpoch, stepsPerEpoch, batchesOf };
}

export interface MicroBatchOptions extends DrawOptions {
  readonly schedule: NoiseSchedule;
  readonly min_snr_gamma: number;
  /** The most samples in one run of the loss graph. */
  readonly microBatch: number;
  /** Samples that a whole step has at most: the distance of their numbers from step to step. */
  readonly samplesPerStep: number;
}

/**
 * The micro-batches of one step, with all that chance adds; each as large as it has samples, as one
 * sample costs more than a session of its own (docs/decisions/0014).
 */
export function microBatches(
  step: number,
  batches: readonly (readonly number[])[],
  encoded: EncodedPictures,
  options: MicroBatchOptions,
): MicroBatch[] {
  const weight = 1 / batches.reduce((sum, indices) => sum + indices.length, 0);
  let slot = step * options.samplesPerStep;
  return batches.flatMap((indices) => {
    const samples = indices.map((index) => ({
      index,
      noisy: drawSample(encoded.moments[index], slot++, options),
    }));
    return evenChunks(samples, options.microBatch).map((part) =>
      microBatch(part, encoded, weight, options),
    );
  });
}

/** The shapes of the micro-batches of one step. */
export function shapeKeys(
  batches: readonly (readonly number[])[],
  pictures: readonly TrainingPicture[],
  { microBatch, factor, tokens }: { microBatch: number; factor: number; tokens: number },
): string[] {
  return batches.flatMap((indices) => {
    const [width, height] = pictures[indices[0]].bucket;
    return evenChunks(indices, microBatch).map(({ length: size }) =>
      shapeKey({ size, height: height / factor, width: width / factor, tokens }),
    );
  });
}

interface Drawn {
  readonly index: number;
  readonly noisy: NoisySample;
}

function microBatch(
  part: readonly Drawn[],
  encoded: EncodedPictures,
  weight: number,
  { schedule, min_snr_gamma }: MicroBatchOptions,
): MicroBatch {
  const { shape } = encoded.moments[part[0].index];
  const tokens = encoded.ids[0].length;
  const noisy = part.map((drawn) => drawn.noisy);
  return {
    shapeKey: shapeKey({ size: part.length, height: shape[1], width: shape[2], tokens }),
    samples: part.map(({ index }) => encoded.names[index]),
    inputs: {
      ...noisyInputs(noisy, shape, { schedule, weight, min_snr_gamma }),
      ...textInputs(
        part.map(({ index }) => index),
        encoded,
      ),
    },
  };
}

export function textInputs(
  indices: readonly number[],
  { ids, states }: EncodedPictures,
): BatchInputs {
  const tokens = ids[0].length;
  if (states !== undefined)
    return {
      text_states: stack(
        indices.map((i) => states[i]),
        [tokens, states[0].length / tokens],
      ),
    };
  return {
    input_ids: stackIds(
      indices.map((i) => ids[i]),
      [indices.length, tokens],
    ),
  };
}

const stackIds = (ids: readonly Int32Array[], shape: Shape): Tensor =>
  int32(
    shape,
    ids.flatMap((row) => [...row]),
  );

export const shapeKey = ({ size, height, width, tokens }: BatchShape): string =>
  [size, height, width, tokens].join('x');

export function shapeOf(key: string): BatchShape {
  const [size, height, width, tokens] = key.split('x').map(Number);
  return { size, height, width, tokens };
}
