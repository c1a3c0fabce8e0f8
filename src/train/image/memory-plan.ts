// How many samples go through the model at once, and what memory that will take.

import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import type { Graph } from '../../graph/graph.ts';
import { drawingNeed } from '../../generate/drawing-room.ts';
import { encoderGraph, textEncoderGraph } from '../../models/graphs.ts';
import { largestOf, roomForAll, type Activations, type WorkNeed } from '../../runtime/room.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { lossActivations } from '../loss-program.ts';
import { besidesBytes, fittingMicroBatch, GARBAGE, trainedBytes } from '../micro-batch.ts';
import type { TaskContext } from '../task.ts';
import { sizeInBytes, type Weights } from '../../tensor/weights.ts';
import type { AdaptedModel } from './adapted-model.ts';
import { decided } from './decisions.ts';
import { bucketCounts, type PictureSet } from './samples.ts';
import { sheetBytes } from './sheet-memory.ts';
import type { SizedConfig } from './sizes.ts';

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
  const sizes = bucketCounts(pictures)
    .map(({ width, height, count }) => ({
      width,
      height,
      size: Math.min(count, config.batch_size),
    }))
    .sort(byArea);
  return sizes.filter(({ size }, i) => sizes.slice(0, i).every((other) => other.size < size));
}

/** Bytes of the weights' files that the steps read. */
const readInSteps = ({ weights }: StableDiffusionWeights): number =>
  [...weights].reduce(
    (sum, [name, { length }]) => (name.startsWith('vae.') ? sum : sum + length),
    0,
  );

/**
 * CLIP's vocabulary and merges (45 MiB), libvips, and what encoding and the tried drawing leave
 * behind: fitted to the picture example, batches of one and four.
 */
const PICTURES_BYTES = 105 * 2 ** 20;

/**
 * Of the training's memory, what drawing does not use again. Measured with the embedded base: 581
 * MiB at the peak for batches of four, 524 MiB for batches of one.
 */
const KEPT = 0.55;

/** Programs of the steps: whole batches and what is left over of each bucket, two at a time. */
function programsAlive({ config, pictures }: PictureSet): number {
  const shapes = bucketCounts(pictures).reduce(
    (sum, { count }) =>
      sum + (count % config.batch_size === 0 || count < config.batch_size ? 1 : 2),
    0,
  );
  return Math.min(2, shapes);
}

/** After the training, and between its steps: with the adapter alone. */
function drawingPhases(runtime: Runtime, base: StableDiffusionWeights, config: SizedConfig) {
  const sheet = sheetBytes(runtime, base, config);
  return {
    after: sheet === 0 ? 0 : sheet + GARBAGE,
    between: Math.max(GARBAGE, config.sample_every > 0 ? sheet / 2 : 0),
    kept: KEPT,
  };
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
  const activationsOf = (size: number): Activations[] =>
    batches
      .map((batch) => graphOf(batch, Math.min(batch.size, size)))
      .map((graph) => lossActivations(runtime, graph, trainable, base.weights));
  const held = runtime.weightBytes(graphOf(batches[0], 1), base.weights);
  const frozen = readInSteps(base);
  const trained = trainedBytes(adapted.groups) + PICTURES_BYTES;
  const drawing = drawingPhases(runtime, base, set.config);
  const programs = programsAlive(set);
  const most = Math.max(...batches.map(({ size }) => size));
  const needOf = (size: number) => {
    const activations = largestOf(activationsOf(size));
    const own = trained + besidesBytes({ activations, programs, ...drawing });
    return { activations, working: activations.taken + held, frozen, own };
  };
  const size = { most, recorded: decided(recorded)?.microBatch };
  const { microBatch, room } = fittingMicroBatch(runtime, size, needOf);
  const others = [
    ...encodingNeeds(runtime, base, set, tokens),
    ...drawingNeeds(runtime, base, set),
    ...validationNeeds(runtime, adapted, base, set, { microBatch, tokens }),
  ];
  const all = sizeInBytes(base.weights);
  const rooms = others.map((need) => runtime.room({ ...need, frozen: all, own: trained }));
  const { bytes, lacking } = roomForAll([room, ...rooms]);
  return { microBatch, bytes, lacking };
}

/** The autoencoder takes one picture at a time, the text encoder one caption. */
function encodingNeeds(
  runtime: Runtime,
  { config: { vae, textEncoder }, weights }: StableDiffusionWeights,
  { pictures, heldOut, config }: PictureSet,
  tokens: number,
): WorkNeed[] {
  const [{ width, height }] = bucketCounts([...pictures, ...heldOut]).sort(byArea);
  const graphs = [
    encoderGraph(vae, [1, 3, height, width]),
    textEncoderGraph(textEncoder, [1, tokens], config.clip_skip),
  ];
  return graphs.map((graph) => needOfRun(runtime, graph, weights));
}

const byArea = (a: Pick<LargestBatch, 'width' | 'height'>, b: typeof a): number =>
  b.width * b.height - a.width * a.height;

/** The contact sheet has each prompt with two seeds, without the adapter and with it. */
function drawingNeeds(
  runtime: Runtime,
  checkpoint: StableDiffusionWeights,
  { config: { sample_prompts, sample_cfg, clip_skip } }: PictureSet,
): WorkNeed[] {
  if (sample_prompts.length === 0) return [];
  const pictures = 2 * sample_prompts.length;
  return [
    drawingNeed(runtime, { checkpoint, clipSkip: clip_skip, pictures, guidance: sample_cfg }),
  ];
}

/** What is held back may be larger than what is trained. */
function validationNeeds(
  runtime: Runtime,
  adapted: AdaptedModel,
  { config, weights }: StableDiffusionWeights,
  { heldOut }: PictureSet,
  { microBatch: size, tokens }: { readonly microBatch: number; readonly tokens: number },
): WorkNeed[] {
  if (heldOut.length === 0) return [];
  const [{ width, height }] = bucketCounts(heldOut).sort(byArea);
  const factor = latentFactor(config.vae);
  const shape = { size, height: height / factor, width: width / factor, tokens };
  return [needOfRun(runtime, adapted.errorGraph(shape), weights)];
}

function needOfRun(runtime: Runtime, graph: Graph, weights: Weights): WorkNeed {
  const activations = runtime.activations(graph, weights);
  return { activations, working: activations.taken + runtime.weightBytes(graph, weights) };
}
