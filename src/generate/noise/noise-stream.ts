// The noise of pictures that are drawn together, each by its own seed: a picture does not change
// with those beside it.

import { joined } from '../../util/joined.ts';
import type { Brownian, NoiseStream } from '../samplers/sampler.ts';
import { BrownianMotion } from './brownian-motion.ts';
import { noiseSources } from './noise-sources.ts';
import {
  firstNoise,
  freshNoise,
  sizeOf,
  type LatentShape,
  type PictureNoise,
} from './picture-noise.ts';

export interface StreamedPicture extends PictureNoise {
  /** Instead of what the seed gives to begin with. */
  readonly start?: Float32Array;
}

export function noiseStream(pictures: readonly StreamedPicture[], shape: LatentShape): NoiseStream {
  const first = joined(pictures.map((picture) => picture.start ?? firstNoise(picture, shape)));
  const fresh = pictures.map((picture) => freshNoise(picture, shape));
  return {
    first: () => first,
    fresh: () => joined(fresh.map((next) => next())),
    brownian: (lowest, highest) => brownian(pictures, sizeOf(shape), lowest, highest),
  };
}

/** Over √(σ - σ′), and negative where time is: σ falls. */
function brownian(
  pictures: readonly PictureNoise[],
  size: number,
  from: number,
  to: number,
): Brownian {
  const motions = pictures.map(({ seed, source }) => {
    const { generator } = noiseSources[source];
    return new BrownianMotion({ seed, from, to, size, generator });
  });
  return (sigma, next) => {
    const root = Math.fround(Math.sqrt(Math.fround(sigma - next)));
    return joined(motions.map((motion) => motion.between(next, sigma))).map((w) => -w / root);
  };
}
