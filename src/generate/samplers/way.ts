// The way of a sampler from noise, or from a picture with noise on it, to a picture: which levels
// or timesteps it goes through, as WebUI 1.10 takes them (modules/sd_samplers_kdiffusion.py,
// sd_samplers_timesteps.py).

import { InternalError } from '../../errors.ts';
import { blended, noiseFinder, pictureDenoiser, type Denoising, type Masked } from './denoisers.ts';
import type { Levels, ModelLevels } from './levels.ts';
import {
  combine,
  type NoiseStream,
  type Predict,
  type SamplerStep,
  type SigmaSampler,
  type TimestepSampler,
} from './sampler.ts';
import { schedules, type ScheduleChoice, type ScheduleName } from './schedules.ts';

/** How far back towards noise a picture is taken. */
export interface Depth {
  /** WebUI's "Denoising strength", 0 … 1: the part of the steps that is taken. */
  readonly strength: number;
  /** All steps are taken whatever the strength, as in the second pass of an enlarged picture. */
  readonly allSteps: boolean;
}

export interface WayOptions {
  readonly levels: ModelLevels;
  readonly schedule: ScheduleChoice;
  readonly steps: number;
  /** Where it starts from a picture. */
  readonly depth?: Depth;
}

export interface Journey {
  readonly predict: Predict;
  readonly noise: NoiseStream;
  /** By default the sampler's own. */
  readonly eta?: number;
  /** Latents of the picture that it starts from; needed where the way has a depth. */
  readonly picture?: Float32Array;
  /** What of it is to change; by default everything. */
  readonly mask?: Float32Array;
}

export interface Way {
  /** So many steps will be yielded. */
  readonly steps: number;
  readonly run: (journey: Journey) => AsyncGenerator<SamplerStep>;
}

export interface SamplerKind {
  /** WebUI's "Sampling method". */
  readonly label: string;
  /**
   * The schedule that `automatic` means; undefined: it has timesteps of its own, and a schedule
   * changes nothing.
   */
  readonly automatic: ScheduleName | undefined;
  /** Fewer steps than this make no picture. */
  readonly leastSteps: number;
  /** Calls of the model a step: WebUI's prompts that change count them. */
  readonly callsPerStep: 1 | 2;
  /** What WebUI takes for eta. */
  readonly eta: number;
  /** Whether there is fresh noise on the way, so that the seed delta of eta matters. */
  readonly usesSeedDelta: boolean;
  readonly way: (options: WayOptions) => Way;
}

interface Common {
  readonly label: string;
  readonly leastSteps?: number;
  readonly usesSeedDelta?: boolean;
}

export interface SigmaKind extends Common {
  readonly sample: SigmaSampler;
  readonly automatic: ScheduleName;
  readonly callsPerStep?: 1 | 2;
  /** By default all that the model was trained at. */
  readonly levels?: (levels: ModelLevels) => Levels;
  readonly denoiser?: (
    denoising: Denoising,
  ) => (x: Float32Array, sigma: number) => Promise<Float32Array>;
}

/** A sampler of k-diffusion. */
export function alongSigmas(kind: SigmaKind): SamplerKind {
  const {
    label,
    sample,
    automatic,
    leastSteps = 1,
    callsPerStep = 1,
    usesSeedDelta = false,
  } = kind;
  const { levels: levelsOf = (all: ModelLevels): Levels => all, denoiser = pictureDenoiser } = kind;
  const eta = 1;
  const way = ({ levels, schedule, steps, depth }: WayOptions): Way => {
    const { all, begins } = stepsOf(steps, depth);
    const { sigmas: rule } = schedules[schedule === 'automatic' ? automatic : schedule];
    const whole = rule(levelsOf(levels), all);
    const sigmas = whole.subarray(begins);
    const range = [Math.min(...whole.filter((sigma) => sigma > 0)), Math.max(...whole)] as const;
    const run = (journey: Journey): AsyncGenerator<SamplerStep> => {
      const denoise = denoiser({ levels, predict: journey.predict, masked: maskedOf(journey) });
      const x = combine(sigmas[0], journey.noise.first(), 1, pictureOf(journey, depth));
      return restored(sample({ eta, ...journey, x, sigmas, range, denoise }), journey);
    };
    return { steps: sigmas.length - 1, run };
  };
  return { label, automatic, leastSteps, callsPerStep, eta, usesSeedDelta, way };
}

export interface TimestepKind extends Common {
  readonly sample: TimestepSampler;
  readonly leastSteps: number;
  /** Steps of a way through so many timesteps. */
  readonly steps: (timesteps: number) => number;
}

/** A sampler that has timesteps of its own. */
export function alongTimesteps(kind: TimestepKind): SamplerKind {
  const { label, sample, leastSteps, steps: stepsThrough, usesSeedDelta = false } = kind;
  const eta = 0;
  const way = ({ levels, steps, depth }: WayOptions): Way => {
    const { alphasCumprod } = levels;
    const { all, encoded } = stepsOf(steps, depth);
    const whole = stridesOf(alphasCumprod.length, all);
    const timesteps = depth === undefined ? whole : whole.slice(0, encoded);
    const run = (journey: Journey): AsyncGenerator<SamplerStep> => {
      const { predict, noise } = journey;
      const alpha = depth === undefined ? 0 : alphasCumprod[whole[encoded]];
      const picture = pictureOf(journey, depth);
      const x = combine(Math.sqrt(1 - alpha), noise.first(), Math.sqrt(alpha), picture);
      const predictNoise = noiseFinder({ levels, predict, masked: maskedOf(journey) });
      const fromPicture = depth !== undefined;
      const through = { eta, ...journey, x, timesteps, alphasCumprod, fromPicture, predictNoise };
      return restored(sample(through), journey);
    };
    return { steps: stepsThrough(timesteps.length), run };
  };
  return { label, automatic: undefined, leastSteps, callsPerStep: 1, eta, usesSeedDelta, way };
}

/** WebUI counts a strength of 1 as a little less, so that there is a first step. */
const MOST_STRENGTH = 0.999;

/** Of `all` steps, the last `encoded` + 1 are taken, from `begins` on. */
export function stepsOf(steps: number, depth: Depth | undefined) {
  if (depth === undefined) return { all: steps, encoded: steps - 1, begins: 0 };
  const strength = Math.min(depth.strength, MOST_STRENGTH);
  const all = depth.allSteps ? Math.trunc(steps / strength) : steps;
  const encoded = depth.allSteps ? steps - 1 : Math.trunc(strength * steps);
  return { all, encoded, begins: all - encoded - 1 };
}

/** 1 and every ⌊count / steps⌋-th after it: `steps` or a few more. */
function stridesOf(count: number, steps: number): number[] {
  const stride = Math.floor(count / steps);
  return Array.from({ length: Math.ceil(count / stride) }, (_, i) =>
    Math.min(i * stride + 1, count - 1),
  );
}

const maskedOf = ({ picture, mask }: Journey): Masked | undefined =>
  picture === undefined || mask === undefined ? undefined : { original: picture, mask };

function pictureOf({ picture, noise }: Journey, depth: Depth | undefined): Float32Array {
  if (depth === undefined) return new Float32Array(noise.first().length);
  if (picture === undefined) throw new InternalError('a way from a picture needs the picture');
  return picture;
}

/** At the end, what is kept is the original to the bit. */
async function* restored(
  steps: AsyncGenerator<SamplerStep>,
  journey: Journey,
): AsyncGenerator<SamplerStep> {
  const masked = maskedOf(journey);
  let held: SamplerStep | undefined;
  for await (const step of steps) {
    if (held !== undefined) yield held;
    held = step;
  }
  if (held !== undefined) yield { ...held, x: blended(held.x, masked) };
}
