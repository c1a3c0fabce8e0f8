// The random streams: who draws from which part of a seed's generator. Nobody draws from elsewhere.

import type { Seed } from './philox.ts';

/** Streams `first` … `first + count - 1`; a purpose that needs more begins anew at the first. */
interface Streams {
  readonly first: number;
  readonly count: number;
}

/**
 * The streams of `random`, `uniforms`, `sequence` and `permutation`; no two purposes share one
 * (streams.test.ts).
 */
export const streams = {
  /** The interval and the chance of a comparison; under a seed of its own, always the same. */
  statistics: { first: 0x0065_766c, count: 1 },
  /** A of each adapter, by the number of its layer. */
  adapters: { first: 0x10a0_0000, count: 0x0010_0000 },
  /** The order of pictures: 1024 for each epoch, one for its runs and one for each bucket. */
  pictureOrder: { first: 0x4000_0000, count: 0x1000_0000 },
  /** The order of sequences: 4 for each epoch. */
  textOrder: { first: 0x5000_0000, count: 0x1000_0000 },
  /** Which samples or pictures are held back for validation. */
  heldOut: { first: 0x6000_0000, count: 1 },
  /** Which samples of an earlier run are trained again. */
  rehearsed: { first: 0x6000_0001, count: 1 },
  /** The tokens of answers, by position. */
  answers: { first: 0x6100_0000, count: 1 },
  /** What adapters do not see: 2 for each micro-batch. */
  dropout: { first: 0x7000_0000, count: 0x1000_0000 },
} as const satisfies Readonly<Record<string, Streams>>;

/** Stream number `index` of a purpose. */
export function streamOf(purpose: keyof typeof streams, index = 0): number {
  const { first, count } = streams[purpose];
  return first + (index % count);
}

/**
 * Purposes that have a generator of their own: the upper half of a seed whose lower half is the
 * configuration's. Their draws are counted by sample.
 */
export const seedHalves = {
  latents: 1,
  noise: 2,
  noiseOffset: 3,
  timestep: 4,
  /** Of what is only measured: the same at every look. */
  measuredLatents: 5,
  measuredNoise: 6,
  measuredNoiseOffset: 7,
} as const;

export const seedFor = (purpose: keyof typeof seedHalves, seed: number): Seed => ({
  lo: seed,
  hi: seedHalves[purpose],
});

/** The one stream of a generator that serves a single purpose (`seedFor`). */
export const ONLY_STREAM = 0;

/**
 * The stream of one weight of a model that is made from nothing: FNV-1a of the name's code units,
 * 32 bits. It may be any stream at all; such a model is trained under a seed that no run of
 * adapters is told.
 */
export function streamOfName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
