// Where standard normal numbers come from: the sources that WebUI calls "Random number generator
// source".

import { mersenneTwister } from '../../util/mersenne-twister.ts';
import { normals } from '../../util/philox.ts';

/** One stream: each call fills an array with its next draw. */
export type NoiseGenerator = (out: Float32Array) => Float32Array;

export interface NoiseSource {
  /** The name in WebUI's settings and in its pictures' parameters. */
  readonly label: string;
  readonly generator: (seed: number) => NoiseGenerator;
}

export const noiseSources = {
  /** As a graphics card of NVIDIA draws in PyTorch: Philox. */
  nv: { label: 'NV', generator: philoxGenerator },
  /** As PyTorch draws on the processor: the Mersenne Twister. */
  cpu: { label: 'CPU', generator: torchGenerator },
} as const satisfies Readonly<Record<string, NoiseSource>>;

export type NoiseSourceName = keyof typeof noiseSources;

function philoxGenerator(seed: number): NoiseGenerator {
  let offset = 0;
  return (out) => normals(seed, offset++, out);
}

/** Below it PyTorch draws one by one, from it on in blocks of as many. */
const BLOCK = 16;

function torchGenerator(seed: number): NoiseGenerator {
  const word = mersenneTwister(seed);
  const single = singleNormals(word);
  return (out) => (out.length < BLOCK ? out.map(single) : fillBlocks(out, word));
}

/**
 * Uniform numbers, then Box-Muller from the halves of each block; the last block is drawn again
 * where it is not whole.
 */
function fillBlocks(out: Float32Array, word: () => number): Float32Array {
  const uniform = (): number => (word() & 0xffffff) / 2 ** 24;
  for (let i = 0; i < out.length; i++) out[i] = uniform();
  for (let at = 0; at + BLOCK <= out.length; at += BLOCK) boxMuller(out.subarray(at, at + BLOCK));
  if (out.length % BLOCK === 0) return out;
  const last = out.subarray(out.length - BLOCK);
  for (let i = 0; i < BLOCK; i++) last[i] = uniform();
  boxMuller(last);
  return out;
}

function boxMuller(block: Float32Array): void {
  const half = BLOCK / 2;
  for (let i = 0; i < half; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - block[i]));
    const angle = 2 * Math.PI * block[i + half];
    block[i] = radius * Math.cos(angle);
    block[i + half] = radius * Math.sin(angle);
  }
}

/** In float64, the second of each pair kept for the next call. */
function singleNormals(word: () => number): () => number {
  let kept: number | undefined;
  return () => {
    if (kept !== undefined) {
      const value = kept;
      kept = undefined;
      return value;
    }
    const angle = 2 * Math.PI * uniform53(word);
    const radius = Math.sqrt(-2 * Math.log1p(-uniform53(word)));
    kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/** The lower 53 of 64 bits, the first word above. */
function uniform53(word: () => number): number {
  const [high, low] = [word(), word()];
  return ((high & 0x1fffff) * 2 ** 32 + low) / 2 ** 53;
}
