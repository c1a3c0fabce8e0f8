// The loss on pictures that are not trained, and on some that are, measured the same way: the same
// noise and the same timesteps at every look, so that looks can be compared with one another.

import { scaled, sumOf, type Duration } from '../../account/duration.ts';
import type { UserError } from '../../errors.ts';
import type { ImageLosses, ValidationEvent } from '../../events.ts';
import { type PhaseEvent, phase } from '../../events.ts';
import { minSnrWeight, type NoiseSchedule } from '../../models/noise-schedule.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Weights } from '../../tensor/weights.ts';
import { chunks } from '../../util/chunks.ts';
import { evenly } from '../../util/evenly.ts';
import { plausibleInputs, triedProgram, type TriedProgram } from '../tried-program.ts';
import type { BothSets } from '../both-sets.ts';
import type { Measuring, SampleLosses } from '../forgetting.ts';
import { unsoundStepError } from '../unsound-step.ts';
import type { MicroBatch } from '../programs.ts';
import type { AdaptedModel } from './adapted-model.ts';
import { shapeKey, shapeOf, textInputs, type EncodedPictures } from './batches.ts';
import { drawMeasured, noisyInputs, type DrawOptions, type LatentMoments } from './noisy-batch.ts';

/** Timesteps of each picture. */
export const TIMESTEPS = 8;
/** So many pictures of each kind are measured at most: evenly chosen. */
const MOST_PICTURES = 32;

export interface MeasureOptions extends DrawOptions {
  readonly schedule: NoiseSchedule;
  readonly min_snr_gamma: number;
  readonly adapted: AdaptedModel;
  readonly weights: Weights;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** The most samples in one run. */
  readonly microBatch: number;
  /** For messages. */
  readonly learningRate: number;
}

/** Which pictures are measured, by their positions among those that are encoded. */
export interface Measured {
  readonly heldOut: readonly number[];
  /** As many of those that are trained. */
  readonly trained: readonly number[];
}

/** The first `trained` of the encoded pictures are trained, the rest is held out. */
export function measuredPictures(trained: number, heldOut: number): Measured {
  const most = Math.min(heldOut, MOST_PICTURES);
  return {
    heldOut: evenly(heldOut, most).map((i) => trained + i),
    trained: evenly(trained, most),
  };
}

/** Runs of one sample through the model at each look. */
export const measuredSamples = ({ heldOut, trained }: Measured): number =>
  TIMESTEPS * (heldOut.length + trained.length);

/**
 * The middles of as many equal parts of the schedule: of 1000 timesteps 62, 187, 312, 437, 562,
 * 687, 812 and 937.
 */
const measuredTimesteps = (total: number): number[] =>
  Array.from({ length: TIMESTEPS }, (_, i) => Math.floor(((i + 0.5) * total) / TIMESTEPS));

/** One sample of a look. */
interface Sample {
  /** Position of its picture among the encoded ones. */
  readonly picture: number;
  /** Number of its noise: held out or trained, the first pictures have the same, and so on. */
  readonly noise: number;
  readonly timestep: number;
}

const samplesOf = (pictures: readonly number[], timesteps: readonly number[]): Sample[] =>
  pictures.flatMap((picture, i) =>
    timesteps.map((timestep, k) => ({ picture, noise: i * timesteps.length + k, timestep })),
  );

/**
 * The losses after step `step`: weighted as in training, no gradients. One program at a time, for
 * samples of one shape. Undefined where the signal is aborted. Throws UserError for a loss that is
 * not finite.
 */
export async function* measure(
  step: number,
  measured: Measured,
  encoded: EncodedPictures,
  options: MeasureOptions,
): AsyncGenerator<PhaseEvent, ValidationEvent | undefined> {
  const timesteps = measuredTimesteps(options.timesteps);
  const samples = [measured.heldOut, measured.trained].flatMap((list) =>
    samplesOf(list, timesteps),
  );
  const losses = yield* lossesOf(step, samples, encoded, options);
  if (losses.length < samples.length) return undefined;
  const count = measured.heldOut.length * timesteps.length;
  const [heldOut, trained] = [losses.slice(0, count), losses.slice(count)];
  const bands: ImageLosses['bands'] = timesteps.map((timestep, k) => ({
    timestep,
    loss: mean(heldOut.filter((_, i) => i % timesteps.length === k)),
  }));
  return {
    type: 'validation',
    step,
    loss: mean(heldOut),
    trainLoss: mean(trained),
    losses: heldOut,
    pictures: { count: measured.heldOut.length, bands },
  };
}

/**
 * The loss of each picture of both sets, the mean over its timesteps. Undefined where the signal is
 * aborted. `positionOf` gives the place of a picture among the encoded ones.
 */
export async function* measureSets<T>(
  step: number,
  { sets, positionOf }: { readonly sets: BothSets<T>; readonly positionOf: (picture: T) => number },
  encoded: EncodedPictures,
  options: MeasureOptions,
): Measuring {
  const timesteps = measuredTimesteps(options.timesteps);
  const found: { old?: SampleLosses; new?: SampleLosses } = {};
  for (const kind of ['old', 'new'] as const) {
    const { samples = [] } = sets[kind] ?? {};
    const parts = samples.flatMap(({ number, of }) =>
      timesteps.map((timestep, k) => ({
        ...{ picture: positionOf(of), timestep },
        noise: number * timesteps.length + k,
      })),
    );
    const losses = yield* lossesOf(step, parts, encoded, options, `measuring ${kind} pictures`);
    if (losses.length < parts.length) return undefined;
    const each = chunks(losses, timesteps.length);
    found[kind] = samples.map(({ number }, i) => ({ number, loss: mean(each[i]) }));
  }
  return found;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Shapes that are tried, those of most runs first. */
const TRIED = 2;

/**
 * How long a look takes, tried with numbers of no meaning. `sides`: of the latents of each encoded
 * picture, height and width.
 */
export async function triedLook(
  { heldOut, trained }: Measured,
  sides: readonly (readonly [number, number])[],
  options: Pick<MeasureOptions, 'adapted' | 'weights' | 'runtime' | 'microBatch'> & {
    readonly tokens: number;
  },
): Promise<Duration> {
  const samples = [heldOut, trained].flatMap((list) =>
    list.flatMap((i) => Array<number>(TIMESTEPS).fill(i)),
  );
  const runs = new Map<string, number>();
  for (const part of chunksOfShape(samples, (i) => sides[i].join('x'), options.microBatch)) {
    const [height, width] = sides[samples[part[0]]];
    const key = shapeKey({ size: part.length, height, width, tokens: options.tokens });
    runs.set(key, (runs.get(key) ?? 0) + 1);
  }
  const tried = [...runs].sort(([, a], [, b]) => b - a).slice(0, TRIED);
  const found: Duration[] = [];
  for (const [key, count] of tried) {
    const { opening, run } = await triedMeasure(key, options);
    found.push(sumOf([opening, scaled(run, count)]));
  }
  const counted = tried.reduce((sum, [, count]) => sum + count, 0);
  const all = [...runs.values()].reduce((sum, count) => sum + count, 0);
  return scaled(sumOf(found), all / counted);
}

async function triedMeasure(
  key: string,
  { adapted, weights, runtime }: Pick<MeasureOptions, 'adapted' | 'weights' | 'runtime'>,
): Promise<TriedProgram> {
  const programs = runtime.programs(1);
  const graph = adapted.errorGraph(shapeOf(key));
  const inputs = { ...plausibleInputs(graph), ...Object.fromEntries(adapted.weights) };
  try {
    return await triedProgram(async () => {
      const program = await programs.get(key, () => runtime.compile(graph, { weights }));
      await program.run(inputs);
    });
  } finally {
    await programs.release();
  }
}

/** The loss of each sample, in order. */
async function* lossesOf(
  step: number,
  samples: readonly Sample[],
  encoded: EncodedPictures,
  options: MeasureOptions,
  name = 'validating',
): AsyncGenerator<PhaseEvent, number[]> {
  const { adapted, weights, runtime } = options;
  const losses: number[] = [];
  const programs = runtime.programs(1);
  try {
    let done = 0;
    yield phase(name, 0, samples.length);
    for (const part of partsOf(samples, encoded, options.microBatch)) {
      if (options.signal.aborted) return [];
      const batch = batchOf(
        part.map((i) => samples[i]),
        encoded,
        options,
      );
      const open = () => runtime.compile(adapted.errorGraph(shapeOf(batch.shapeKey)), { weights });
      const program = await programs.get(batch.shapeKey, open);
      const { errors } = await program.run({
        ...batch.inputs,
        ...Object.fromEntries(adapted.weights),
      });
      part.forEach((sample, i) => {
        const loss = Number(errors.data[i]) * weightOf(samples[sample], options);
        if (!Number.isFinite(loss)) throw unsoundLoss(batch, step, loss, options);
        losses[sample] = loss;
      });
      done += part.length;
      yield phase(name, done, samples.length);
    }
  } finally {
    await programs.release();
  }
  return losses;
}

/** Numbers of samples that run together: those of one shape. */
const partsOf = (
  samples: readonly Sample[],
  { moments }: EncodedPictures,
  most: number,
): number[][] => chunksOfShape(samples, ({ picture }) => moments[picture].shape.join('x'), most);

function chunksOfShape<T>(
  samples: readonly T[],
  shapeOfSample: (sample: T) => string,
  most: number,
): number[][] {
  const byShape = new Map<string, number[]>();
  samples.forEach((sample, i) => {
    const shape = shapeOfSample(sample);
    byShape.set(shape, [...(byShape.get(shape) ?? []), i]);
  });
  return [...byShape.values()].flatMap((list) => chunks(list, most));
}

const weightOf = (
  { timestep }: Sample,
  { schedule, min_snr_gamma: gamma }: MeasureOptions,
): number => (gamma > 0 ? minSnrWeight(schedule, timestep, gamma) : 1);

function batchOf(
  part: readonly Sample[],
  encoded: EncodedPictures,
  options: MeasureOptions,
): MicroBatch {
  const { moments, ids, names } = encoded;
  const { shape }: LatentMoments = moments[part[0].picture];
  const noisy = part.map(({ picture, noise, timestep }) =>
    drawMeasured(moments[picture], noise, timestep, options),
  );
  const pictures = part.map(({ picture }) => picture);
  const { sample_weights: _, ...inputs } = noisyInputs(noisy, shape, { ...options, weight: 1 });
  return {
    shapeKey: shapeKey({
      size: part.length,
      height: shape[1],
      width: shape[2],
      tokens: ids[0].length,
    }),
    samples: [...new Set(pictures.map((picture) => names[picture]))],
    inputs: { ...inputs, ...textInputs(pictures, encoded) },
  };
}

function unsoundLoss(
  batch: MicroBatch,
  step: number,
  loss: number,
  { adapted, weights, learningRate }: MeasureOptions,
): UserError {
  const found = { step, loss, batches: [batch], parameters: adapted.weights };
  return unsoundStepError(found, {
    lossGraph: (key) => adapted.errorGraph(shapeOf(key)),
    lossName: 'validation loss',
    weights,
    learningRate,
  });
}
