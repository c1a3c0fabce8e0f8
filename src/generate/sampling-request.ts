// The part of a request that says how noise becomes a picture: sampler, schedule, noise, and a
// picture to begin with.

import type { Problem } from '../errors.ts';
import { latentFactor, type StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { countUnsound } from '../tensor/finite.ts';
import { suggest } from '../util/suggest.ts';
import { noiseSources, type NoiseSourceName } from './noise/noise-sources.ts';
import { samplerNamed, scheduleNamed } from './samplers/names.ts';
import { samplers, type SamplerName } from './samplers/samplers.ts';
import { schedules, type ScheduleChoice } from './samplers/schedules.ts';
import { stepsOf, type Depth } from './samplers/way.ts';

export interface SamplingRequest {
  /** By default 20. */
  readonly steps?: number;
  /**
   * Our name or that of WebUI, ComfyUI or kohya, also with a schedule at its end: "DPM++ 2M
   * Karras". By default dpmpp_2m.
   */
  readonly sampler?: string;
  /**
   * By default `automatic`, the one the sampler is usually taken with. One in the sampler's name
   * comes first.
   */
  readonly schedule?: string;
  /**
   * How much of the noise is fresh at each step, 0 … 1; by default what WebUI takes for the
   * sampler.
   */
  readonly eta?: number;
  /**
   * The noise; the same number gives the same noise in WebUI with the same source. By default 0.
   */
  readonly seed?: number;
  /** `nv`, the default: as a graphics card of NVIDIA draws; `cpu`: as PyTorch on the processor. */
  readonly noiseSource?: NoiseSourceName;
  /** WebUI's "Eta noise seed delta": added to the seed for the noise on the way. By default 0. */
  readonly seedDelta?: number;
  /** WebUI's variation seed, and the part, 0 … 1, that it has in the noise to begin with. */
  readonly variation?: { readonly seed: number; readonly strength: number };
  /**
   * Pixels of the picture whose composition at this seed is to be kept: WebUI's "Resize seed from".
   */
  readonly resizedFrom?: { readonly width: number; readonly height: number };
  /** A picture to begin with instead of noise alone. */
  readonly initial?: InitialPicture;
  /**
   * Standard normal numbers [latent channels, height / factor, width / factor] instead of those of
   * the seed.
   */
  readonly noise?: Float32Array;
}

export interface InitialPicture extends Depth {
  /** [latent channels, height / factor, width / factor], scaled as the UNet has them. */
  readonly latents: Float32Array;
  /**
   * As long as the latents: 1 where it is to be drawn anew, 0 where it is to stay. By default 1
   * everywhere.
   */
  readonly mask?: Float32Array;
}

type Optional = 'noise' | 'variation' | 'resizedFrom' | 'eta' | 'initial';

/** With everything said, and names as the tables have them. */
export interface CompleteSampling
  extends
    Required<Omit<SamplingRequest, Optional | 'sampler' | 'schedule'>>,
    Pick<SamplingRequest, Optional> {
  readonly sampler: SamplerName;
  readonly schedule: ScheduleChoice;
}

export const usualSampling = {
  steps: 20,
  sampler: 'dpmpp_2m',
  schedule: 'automatic',
  seed: 0,
  noiseSource: 'nv',
  seedDelta: 0,
} as const satisfies SamplingRequest;

/** The names of a request as the tables have them; unknown ones are left to `samplingProblems`. */
export function namedSampling({
  sampler = usualSampling.sampler,
  schedule = usualSampling.schedule,
}: SamplingRequest): Pick<CompleteSampling, 'sampler' | 'schedule'> {
  const named = samplerNamed(sampler) ?? usualSampling;
  const said = scheduleNamed(schedule) ?? 'automatic';
  return { ...named, schedule: named.schedule === 'automatic' ? said : named.schedule };
}

/** Every impossible name and number of a request but those of its own size. */
export function samplingProblems(
  request: SamplingRequest,
  complete: CompleteSampling & { readonly width: number; readonly height: number },
  config: StableDiffusionConfig,
): Problem[] {
  return [
    ...nameProblems(request),
    ...numberProblems(complete),
    ...stepProblems(complete, config.scheduler.num_train_timesteps),
    ...latentProblems(complete, config),
  ];
}

function nameProblems({ sampler, schedule, noiseSource }: SamplingRequest): Problem[] {
  const known = (where: string, name: string | undefined, found: unknown, names: string[]) =>
    name === undefined || found !== undefined ? [] : [unknownName(where, name, names)];
  const source = noiseSource !== undefined && Object.hasOwn(noiseSources, noiseSource);
  return [
    ...known('sampler', sampler, samplerNamed(sampler ?? ''), Object.keys(samplers)),
    ...known('schedule', schedule, scheduleNamed(schedule ?? ''), [
      'automatic',
      ...Object.keys(schedules),
    ]),
    ...known('noiseSource', noiseSource, source || undefined, Object.keys(noiseSources)),
  ];
}

function unknownName(where: string, name: string, names: string[]): Problem {
  const near = suggest(name.toLowerCase(), names);
  const meant = near === undefined ? '' : `Did you mean ${near}? `;
  return {
    where,
    what: `there is no ${where === 'noiseSource' ? 'source of noise' : where} ${name}`,
    fix: `${meant}Choose one of ${names.join(', ')}.`,
  };
}

const isSeed = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isPart = (value: number): boolean => value >= 0 && value <= 1;

function numberProblems(complete: CompleteSampling): Problem[] {
  const { seed, seedDelta, variation, eta, initial } = complete;
  const seeds = [
    ['seed', seed],
    ['seedDelta', seedDelta],
    ['variation.seed', variation?.seed ?? 0],
  ] as const;
  const parts = [
    ['variation.strength', variation?.strength ?? 0],
    ['eta', eta ?? 0],
    ['initial.strength', initial?.strength ?? 0],
  ] as const;
  return [
    ...seeds.flatMap(([where, value]) => (isSeed(value) ? [] : [notASeed(where, value)])),
    ...parts.flatMap(([where, value]) => (isPart(value) ? [] : [notAPart(where, value)])),
  ];
}

const notASeed = (where: string, value: number): Problem => ({
  where,
  what: `${value} is not a seed`,
  fix: `Give a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`,
});

const notAPart = (where: string, value: number): Problem => ({
  where,
  what: `${value} is not a part of one`,
  fix: 'Give a number from 0 to 1.',
});

function stepProblems({ steps, sampler, initial }: CompleteSampling, most: number): Problem[] {
  const isCount = Number.isInteger(steps) && steps >= 1;
  const { all, encoded } = stepsOf(isCount ? steps : 1, initial);
  const { leastSteps, label } = samplers[sampler];
  const taken = initial === undefined ? all : leastSteps === 1 ? encoded + 1 : encoded;
  const range = `Give a whole number from ${leastSteps} to ${most}.`;
  if (!isCount || (initial === undefined && all > most))
    return [{ where: 'steps', what: `${steps} steps are not possible`, fix: range }];
  if (all > most) return [tooWeak(steps, all, most)];
  if (taken >= leastSteps) return [];
  const what = `${label} makes no picture in ${taken} ${taken === 1 ? 'step' : 'steps'}`;
  const fix =
    initial === undefined
      ? range
      : `Take more steps, a strength above ${initial.strength}, or Euler.`;
  return [{ where: 'steps', what, fix }];
}

const tooWeak = (steps: number, all: number, most: number): Problem => ({
  where: 'initial.strength',
  what: `${steps} steps are the last of ${all} at this strength, and the model knows ${most}`,
  fix: 'Give a larger strength or fewer steps.',
});

function latentProblems(
  complete: CompleteSampling & { readonly width: number; readonly height: number },
  { vae }: StableDiffusionConfig,
): Problem[] {
  const { noise, initial, width, height } = complete;
  const size = (vae.latent_channels * width * height) / latentFactor(vae) ** 2;
  const given = [
    ['noise', noise],
    ['initial.latents', initial?.latents],
    ['initial.mask', initial?.mask],
  ] as const;
  return given.flatMap(([where, values]) =>
    values === undefined ? [] : valueProblems(where, values, size),
  );
}

function valueProblems(where: string, values: Float32Array, size: number): Problem[] {
  const unsound = countUnsound({ dtype: 'float32', data: values });
  const fix = 'Give one finite number for each place of the latents.';
  if (unsound > 0)
    return [{ where, what: `${unsound} of its ${values.length} numbers are NaN or infinite`, fix }];
  if (values.length === size) return [];
  return [{ where, what: `${values.length} numbers where the picture has ${size}`, fix }];
}
