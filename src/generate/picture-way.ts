// The way of pictures that are drawn together, and what goes with it: noise of each one's seed, the
// pictures to begin with, masks.

import type { NoiseScheduleConfig } from '../models/stable-diffusion-config.ts';
import { joined } from '../util/joined.ts';
import { noiseStream, type StreamedPicture } from './noise/noise-stream.ts';
import type { LatentShape } from './noise/picture-noise.ts';
import { modelLevels } from './samplers/levels.ts';
import { samplers } from './samplers/samplers.ts';
import type { Journey, Way } from './samplers/way.ts';
import type { CompleteSampling } from './sampling-request.ts';

/** Whatever must be alike in pictures that take one way. */
export function sharedWay({ steps, sampler, schedule, eta, initial }: CompleteSampling): string {
  const depth = initial && [initial.strength, initial.allSteps, initial.mask !== undefined];
  return [steps, sampler, schedule, eta, ...(depth ?? [])].join(' ');
}

/** Without a picture to begin with it has as many steps as were asked for, or one more or less. */
export const wayOf = (
  [{ sampler, schedule, steps, initial }]: readonly CompleteSampling[],
  scheduler: NoiseScheduleConfig,
): Way =>
  samplers[sampler].way({ levels: modelLevels(scheduler), schedule, steps, depth: initial });

/** Calls of the model that WebUI counts for prompts that change, from a picture or not. */
export const callsOf = ({ sampler, steps }: CompleteSampling): number =>
  steps * samplers[sampler].callsPerStep;

/** All but the model. `factor`: pixels along one side of a latent. */
export function journeyOf(
  pictures: readonly CompleteSampling[],
  shape: LatentShape,
  factor: number,
): Omit<Journey, 'predict'> {
  const [{ eta, initial }] = pictures;
  const parts = pictures.flatMap((picture) => picture.initial ?? []);
  const masks = parts.flatMap(({ mask }) => mask ?? []);
  return {
    noise: noiseStream(
      pictures.map((picture) => streamed(picture, factor)),
      shape,
    ),
    ...(eta !== undefined && { eta }),
    ...(initial !== undefined && { picture: joined(parts.map(({ latents }) => latents)) }),
    ...(masks.length > 0 && { mask: joined(masks) }),
  };
}

function streamed(picture: CompleteSampling, factor: number): StreamedPicture {
  const { seed, noiseSource: source, seedDelta, variation, resizedFrom, noise: start } = picture;
  const latents = resizedFrom && {
    height: Math.floor(resizedFrom.height / factor),
    width: Math.floor(resizedFrom.width / factor),
  };
  return { seed, source, seedDelta, variation, resizedFrom: latents, start };
}
