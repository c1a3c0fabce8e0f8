// What one asks the generator for, checked before anything is computed.

import { ConfigError, type Problem } from '../errors.ts';
import {
  nativeSide,
  pictureUnit,
  type StableDiffusionConfig,
} from '../models/stable-diffusion-config.ts';
import { mixProblems, type Mix } from './mix.ts';
import { emphases, type Emphasis } from './prompt/emphasis.ts';
import {
  namedSampling,
  samplingProblems,
  usualSampling,
  type CompleteSampling,
  type SamplingRequest,
} from './sampling-request.ts';

export interface PictureRequest extends SamplingRequest {
  /** In WebUI's language, without adapters: `parsePrompt` takes those out. */
  readonly prompt: string;
  /** What the picture should not look like; by default ''. */
  readonly negativePrompt?: string;
  /**
   * How much further than without the prompt; 1 leaves the negative prompt out and takes half the
   * time. By default 7.
   */
  readonly guidance?: number;
  /** Pixels, multiples of the model's latent factor; by default the size it was trained at. */
  readonly width?: number;
  readonly height?: number;
  /** Adapters at their strengths; by default the generator's own. */
  readonly mix?: Mix;
  /** What (word:1.2) does; by default `original`. */
  readonly emphasis?: Emphasis;
}

/** A request with everything said. */
export type CompleteRequest = CompleteSampling &
  Required<Omit<PictureRequest, 'mix' | keyof SamplingRequest>> &
  Pick<PictureRequest, 'mix'>;

/** Fills in what is not said. Throws ConfigError with every impossible number. */
export function completeRequests(
  requests: readonly PictureRequest[],
  config: StableDiffusionConfig,
): CompleteRequest[] {
  const side = nativeSide(config);
  const complete = requests.map((request): CompleteRequest => ({
    negativePrompt: '',
    guidance: 7,
    width: side,
    height: side,
    emphasis: 'original',
    ...usualSampling,
    ...definedOnly(request),
    ...namedSampling(request),
  }));
  const problems = complete.flatMap((picture, i) =>
    [...samplingProblems(requests[i], picture, config), ...problemsOf(picture, config)].map(
      (problem) => ({
        ...problem,
        where: `picture ${i + 1} ${problem.where}`,
      }),
    ),
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
}

type Limited = 'guidance' | 'width' | 'height' | 'emphasis';

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
  guidance: finite(7),
  width: side('wide'),
  height: side('high'),
  emphasis: (name) =>
    emphases.includes(name)
      ? undefined
      : { what: `there is no emphasis ${name}`, fix: `Choose one of ${emphases.join(', ')}.` },
};

function problemsOf(request: CompleteRequest, config: StableDiffusionConfig): Problem[] {
  const limits = { unit: pictureUnit(config) };
  const problemOf = <K extends Limited>(where: K): Problem[] => {
    const found = checks[where](request[where], limits);
    return found === undefined ? [] : [{ where, ...found }];
  };
  // Object.keys forgets that they are the table's keys.
  const named = (Object.keys(checks) as Limited[]).flatMap((key) => problemOf(key));
  return [...named, ...mixProblems(request.mix)];
}
