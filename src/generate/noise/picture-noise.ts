// The noise of one picture by its seed, as WebUI draws it (modules/rng.py): the start, with
// variation and other sizes, and the fresh noise on the way.

import { noiseSources, type NoiseSourceName } from './noise-sources.ts';

export interface PictureNoise {
  readonly seed: number;
  readonly source: NoiseSourceName;
  /** WebUI's "Eta noise seed delta": added to the seed for all noise but the first. */
  readonly seedDelta: number;
  /** The part that another seed has in the start. */
  readonly variation?: { readonly seed: number; readonly strength: number };
  /** WebUI's "Resize seed from": pixels' latents of the picture whose composition is to be kept. */
  readonly resizedFrom?: { readonly height: number; readonly width: number };
}

/** [channels, height, width] of one picture's latents. */
export type LatentShape = readonly [channels: number, height: number, width: number];

/** What a picture starts from. */
export function firstNoise(noise: PictureNoise, shape: LatentShape): Float32Array {
  const { resizedFrom, variation, source } = noise;
  const [channels, height, width] = shape;
  const small: LatentShape =
    resizedFrom === undefined ? shape : [channels, resizedFrom.height, resizedFrom.width];
  const drawn = (seed: number, of: LatentShape): Float32Array =>
    noiseSources[source].generator(seed)(new Float32Array(sizeOf(of)));
  const plain = drawn(noise.seed, small);
  const varied =
    variation === undefined || variation.strength === 0
      ? plain
      : slerp(plain, drawn(variation.seed, small), variation.strength, small);
  return small[1] === height && small[2] === width
    ? varied
    : laid(varied, small, drawn(noise.seed, shape), shape);
}

/** Fresh noise on the way: each call the next draw. */
export function freshNoise(
  { seed, source, seedDelta }: PictureNoise,
  shape: LatentShape,
): () => Float32Array {
  const generator = noiseSources[source].generator(seed + seedDelta);
  const next = () => generator(new Float32Array(sizeOf(shape)));
  if (seedDelta === 0) next(); // the start was the first of the same stream
  return next;
}

export const sizeOf = ([channels, height, width]: LatentShape): number => channels * height * width;

/** Numbers so parallel, on average, are mixed straight. */
const PARALLEL = 0.9995;

/**
 * Spherical interpolation, each column of a channel as a vector: sin((1 - s) ω) / sin ω · a + sin(s
 * ω) / sin ω · b.
 */
function slerp(
  a: Float32Array,
  b: Float32Array,
  strength: number,
  [channels, height, width]: LatentShape,
): Float32Array {
  const columns = Array.from({ length: channels * width }, (_, k) => {
    const start = Math.floor(k / width) * height * width + (k % width);
    return Array.from({ length: height }, (__, y) => start + y * width);
  });
  const dots = columns.map((column) => cosine(a, b, column));
  const straight = dots.reduce((sum, dot) => sum + dot, 0) / dots.length > PARALLEL;
  const out = new Float32Array(a.length);
  columns.forEach((column, k) => {
    const angle = Math.acos(dots[k]);
    const [ofA, ofB] = straight
      ? [strength, 1 - strength]
      : [1 - strength, strength].map((part) => Math.sin(part * angle) / Math.sin(angle));
    for (const i of column) out[i] = ofA * a[i] + ofB * b[i];
  });
  return out;
}

function cosine(a: Float32Array, b: Float32Array, column: readonly number[]): number {
  const product = (x: Float32Array, y: Float32Array): number =>
    column.reduce((sum, i) => sum + x[i] * y[i], 0);
  return product(a, b) / Math.sqrt(product(a, a) * product(b, b));
}

/** The noise of one size in the middle of that of another. */
function laid(
  from: Float32Array,
  [channels, fromHeight, fromWidth]: LatentShape,
  onto: Float32Array,
  [, height, width]: LatentShape,
): Float32Array {
  const [rows, columns] = [middle(fromHeight, height), middle(fromWidth, width)];
  for (let c = 0; c < channels; c++)
    for (let y = 0; y < rows.count; y++)
      for (let x = 0; x < columns.count; x++)
        onto[(c * height + rows.to + y) * width + columns.to + x] =
          from[(c * fromHeight + rows.from + y) * fromWidth + columns.from + x];
  return onto;
}

/**
 * Where the overlap of two centred lengths begins in each; halves are rounded down, as Python does.
 */
function middle(from: number, to: number): { from: number; to: number; count: number } {
  const shift = Math.floor((to - from) / 2);
  return {
    from: Math.max(-shift, 0),
    to: Math.max(shift, 0),
    count: shift >= 0 ? from : from + 2 * shift,
  };
}
