// What one asks the generator for, checked before anything is computed.

import { ConfigError, type Problem } from '../errors.ts';
import {
  nativeSide,
  pictureUnit,
  type StableDiffusionConfig,
} from '../models/stable-diffusion-config.ts';
import { countUnsound } from '../tensor/finite.ts';
import type { AdapterWeights } from './adapter.ts';
import { emphases, type Emphasis } from './prompt/emphasis.ts';
import { samplers, type SamplerName } from './samplers/samplers.ts';

export interface PictureRequest {
  /** In WebUI's language, without adapters: `parsePrompt` takes those out. */
  readonly prompt: string;
  /** What the picture should not look like; by default ''. */
  readonly negativePrompt?: string;
  /**
   * The noise to begin with; the same number gives the same noise in WebUI with its NV source. By
   * default 0.
   */
  readonly seed?: number;
  /** By default 20. */
  readonly steps?: number;
  /**
   * How much further than without the prompt; 1 leaves the negative prompt out and takes half the
   * time. By default 7.
   */
  readonly guidance?: number;
  /** Pixels, multiples of the model's latent factor; by default the size it was trained at. */
  readonly width?: number;
  readonly height?: number;
  /** By default dpmpp_2m_karras. */
  readonly sampler?: SamplerName;
  /** By default the generator's own `loraWeights`. */
  readonly loraWeights?: AdapterWeights;
  /** Strength of the adapter; 0 is without. By default 1. */
  readonly multiplier?: number;
  /** What (word:1.2) does; by default `original`. */
  readonly emphasis?: Emphasis;
  /**
   * Standard normal numbers [latent channels, height / factor, width / factor] instead of those of
   * the seed.
   */
  readonly noise?: Float32Array;
}

/** A request with everything said. */
export type CompleteRequest = Required<Omit<PictureRequest, 'loraWeights' | 'noise'>> &
  Pick<PictureRequest, 'loraWeights' | 'noise'>;

/** Fills in what is not said. Throws ConfigError with every impossible number. */
export function completeRequests(
  requests: readonly PictureRequest[],
  config: StableDiffusionConfig,
): CompleteRequest[] {
  const side = nativeSide(config);
  const complete = requests.map((request): CompleteRequest => ({
    negativePrompt: '',
    seed: 0,
    steps: 20,
    guidance: 7,
    width: side,
    height: side,
    sampler: 'dpmpp_2m_karras',
    multiplier: 1,
    emphasis: 'original',
    ...definedOnly(request),
  }));
  const problems = complete.flatMap((picture, i) =>
    problemsOf(picture, config).map((problem) => ({
      ...problem,
      where: `picture ${i + 1} ${problem.where}`,
    })),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return complete;
}

/** So that a key with the value undefined counts as not said. */
function definedOnly(request: PictureRequest): PictureRequest {
  // Only keys whose value is undefined are gone, and prompt is a string.
  return Object.fromEntries(
    Object.entries(request).filter(([, value]) => value !== undefined),
  ) as unknown as PictureRequest;
}

/** What a picture's numbers must keep within. */
interface Limits {
  /** Sides are multiples of it. */
  readonly unit: number;
  readonly mostSteps: number;
}

type Limited =
  'seed' | 'steps' | 'guidance' | 'multiplier' | 'width' | 'height' | 'sampler' | 'emphasis';

/** What is wrong with a value, and what to do; undefined when it is possible. */
type Check<T> = (value: T, limits: Limits) => Omit<Problem, 'where'> | undefined;

const finite =
  (example: number): Check<number> =>
  (value) =>
    Number.isFinite(value)
      ? undefined
      : { what: `${value} is not a number`, fix: `Give a number, such as ${example}.` };

const side =
  (direction: string): Check<number> =>
  (value, { unit }) =>
    Number.isInteger(value) && value > 0 && value % unit === 0
      ? undefined
      : {
          what: `this model cannot draw pictures ${value} pixels ${direction}`,
          fix: `Use a multiple of ${unit}.`,
        };

const checks: { readonly [K in Limited]: Check<CompleteRequest[K]> } = {
  seed: (seed) =>
    Number.isSafeInteger(seed) && seed >= 0
      ? undefined
      : {
          what: `${seed} is not a seed`,
          fix: `Give a whole number from 0 to ${Number.MAX_SAFE_INTEGER}.`,
        },
  steps: (steps, { mostSteps }) =>
    Number.isInteger(steps) && steps >= 1 && steps <= mostSteps
      ? undefined
      : {
          what: `${steps} steps are not possible`,
          fix: `Give a whole number from 1 to ${mostSteps}.`,
        },
  guidance: finite(7),
  multiplier: finite(1),
  width: side('wide'),
  height: side('high'),
  sampler: (name) =>
    Object.hasOwn(samplers, name)
      ? undefined
      : {
          what: `there is no sampler ${name}`,
          fix: `Choose one of ${Object.keys(samplers).join(', ')}.`,
        },
  emphasis: (name) =>
    emphases.includes(name)
      ? undefined
      : { what: `there is no emphasis ${name}`, fix: `Choose one of ${emphases.join(', ')}.` },
};

function problemsOf(request: CompleteRequest, config: StableDiffusionConfig): Problem[] {
  const limits = { unit: pictureUnit(config), mostSteps: config.scheduler.num_train_timesteps };
  const problemOf = <K extends Limited>(where: K): Problem[] => {
    const found = checks[where](request[where], limits);
    return found === undefined ? [] : [{ where, ...found }];
  };
  // Object.keys forgets that they are the table's keys.
  const named = (Object.keys(checks) as Limited[]).flatMap((key) => problemOf(key));
  return [...named, ...noiseProblems(request)];
}

function noiseProblems({ noise }: CompleteRequest): Problem[] {
  const count = noise === undefined ? 0 : countUnsound({ dtype: 'float32', data: noise });
  const what = `${count} of its ${noise?.length} numbers are NaN or infinite`;
  return count === 0 ? [] : [{ where: 'noise', what, fix: 'Give standard normal numbers.' }];
}
