// How many samples go through the model at once, and what memory that will take.

import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { activationBytes } from '../loss-program.ts';
import { parameterCount } from '../task.ts';
import type { AdaptedModel } from './adapted-model.ts';
import { bucketCounts, type PictureSet } from './samples.ts';

export interface MemoryPlan {
  /**
   * The most samples in one run of the loss graph: those of the largest batch, or less where that
   * needs too much memory.
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
const bytesPerLiveByte = 1.8;
/** Weight, gradient and two moments of each trained number. */
const bytesPerParameter = 16;

/** A bucket with the most samples that one of its batches has. */
interface LargestBatch {
  readonly width: number;
  readonly height: number;
  readonly size: number;
}

/** Those that may need the most memory: no other is as large in both pixels and samples. */
function largestBatches({ config, pictures }: PictureSet): LargestBatch[] {
  const byArea = bucketCounts(pictures)
    .map(({ width, height, count }) => ({
      width,
      height,
      size: Math.min(count, config.batch_size),
    }))
    .sort((a, b) => b.width * b.height - a.width * a.height);
  return byArea.filter(({ size }, i) => byArea.slice(0, i).every((other) => other.size < size));
}

/** Halves the micro-batch until its activations fit. */
export function memoryPlan(
  runtime: Runtime,
  adapted: AdaptedModel,
  base: StableDiffusionWeights,
  set: PictureSet,
  tokens: number,
): MemoryPlan {
  const batches = largestBatches(set);
  const factor = latentFactor(base.config.vae);
  const trainable = [...adapted.weights.keys()];
  const activations = ({ width, height }: LargestBatch, size: number): number => {
    const shape = { size, height: height / factor, width: width / factor, tokens };
    return activationBytes(runtime, adapted.lossGraph(shape), trainable, base.weights);
  };
  const most = (limit: number): number =>
    Math.max(...batches.map((batch) => activations(batch, Math.min(batch.size, limit))));
  let microBatch = Math.max(...batches.map(({ size }) => size));
  let live = most(microBatch);
  while (live > activationLimit && microBatch > 1) {
    microBatch = Math.ceil(microBatch / 2);
    live = most(microBatch);
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
      bytesPerLiveByte * live +
      bytesPerParameter * parameterCount(adapted.groups),
  };
}
