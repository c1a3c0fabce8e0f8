// How many samples go through the model at once, and what memory that will take.

import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Activations } from '../../runtime/room.ts';
import { lossActivations } from '../loss-program.ts';
import { fittingMicroBatch, trainedBytes } from '../micro-batch.ts';
import type { TaskContext } from '../task.ts';
import type { AdaptedModel } from './adapted-model.ts';
import { decided } from './decisions.ts';
import { bucketCounts, type PictureSet } from './samples.ts';

export interface MemoryPlan {
  /**
   * The most samples in one run of the loss graph: those of the largest batch, or less where that
   * needs too much memory.
   */
  readonly microBatch: number;
  /** Predicted need, as `Room` has it. */
  readonly bytes: number;
  /** Why there is no room for the run; undefined where there is. */
  readonly lacking?: string;
}

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
  { runtime, recorded }: Pick<TaskContext, 'runtime' | 'recorded'>,
  adapted: AdaptedModel,
  base: StableDiffusionWeights,
  set: PictureSet,
  tokens: number,
): MemoryPlan {
  const batches = largestBatches(set);
  const factor = latentFactor(base.config.vae);
  const trainable = [...adapted.weights.keys()];
  const graphOf = ({ width, height }: LargestBatch, size: number): Graph =>
    adapted.lossGraph({ size, height: height / factor, width: width / factor, tokens });
  const largest = (size: number): Activations =>
    batches
      .map((batch) => graphOf(batch, Math.min(batch.size, size)))
      .map((graph) => lossActivations(runtime, graph, trainable, base.weights))
      .reduce((most, each) => ({
        live: Math.max(most.live, each.live),
        largest: Math.max(most.largest, each.largest),
        taken: Math.max(most.taken, each.taken),
      }));
  const held = runtime.weightBytes(graphOf(batches[0], 1), base.weights);
  const frozen = [...base.weights].reduce(
    (sum, [name, { length }]) => (name.startsWith('vae.') ? sum : sum + length),
    0,
  );
  const own = trainedBytes(adapted.groups);
  const most = Math.max(...batches.map(({ size }) => size));
  const needOf = (size: number) => {
    const activations = largest(size);
    return { activations, working: activations.taken + held, frozen, own };
  };
  const size = { most, recorded: decided(recorded)?.microBatch };
  const { microBatch, room } = fittingMicroBatch(runtime, size, needOf);
  return { microBatch, bytes: room.bytes, lacking: room.lacking };
}
