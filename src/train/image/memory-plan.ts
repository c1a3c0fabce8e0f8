// How many samples go through the model at once, and what memory that will take.

import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import { activationBytes } from '../loss-program.ts';
import { parameterCount } from '../task.ts';
import type { AdaptedModel } from './adapted-model.ts';
import { bucketCounts, type PictureSet } from './samples.ts';

export interface MemoryPlan {
  /**
   * Samples in one run of the loss graph: the batch size, or less where that needs too much memory.
   */
  readonly microBatch: number;
  /** Expected need of the process. */
  readonly bytes: number;
}

/**
 * Activations of one micro-batch stay below this where they can; the same on every machine, so that
 * results are too.
 */
const activationLimit = 4 * 2 ** 30;
/** What Node and ONNX Runtime hold before any model. */
const processBytes = 250 * 2 ** 20;
/**
 * Bytes held for each byte of live activations: 1.7 to 2.0 were measured (docs/experiments.md),
 * mostly what malloc keeps.
 */
const heldPerLive = 1.8;
/** Weight, gradient and two moments of each trained number. */
const bytesPerParameter = 16;

/** Halves the micro-batch until its activations fit. */
export function memoryPlan(
  adapted: AdaptedModel,
  base: StableDiffusionWeights,
  { config, pictures }: PictureSet,
  tokens: number,
): MemoryPlan {
  const largest = bucketCounts(pictures).reduce((best, next) =>
    next.width * next.height > best.width * best.height ? next : best,
  );
  const factor = latentFactor(base.config.vae);
  const shape = { height: largest.height / factor, width: largest.width / factor, tokens };
  const trainable = [...adapted.weights.keys()];
  const activations = (size: number) =>
    activationBytes(adapted.lossGraph({ ...shape, size }), trainable, base.weights);
  let microBatch = config.batch_size;
  let live = activations(microBatch);
  while (live > activationLimit && microBatch > 1) {
    microBatch = Math.ceil(microBatch / 2);
    live = activations(microBatch);
  }
  const frozen = [...base.weights].reduce(
    (sum, [name, { length }]) => (name.startsWith('vae.') ? sum : sum + length),
    0,
  );
  return {
    microBatch,
    bytes:
      processBytes +
      frozen +
      heldPerLive * live +
      bytesPerParameter * parameterCount(adapted.groups),
  };
}
