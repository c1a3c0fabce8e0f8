// How the weights of tokens change the text states, as WebUI has it.

import { InternalError } from '../../errors.ts';

/**
 * What `(a:1.2)` does: `original` multiplies the states by the weight and restores their mean,
 * `no_norm` leaves the mean, `ignore` takes the brackets away and no more, `none` leaves them as
 * text (and BREAK, too).
 */
export const emphases = ['original', 'no_norm', 'ignore', 'none'] as const;
export type Emphasis = (typeof emphases)[number];

/** States [tokens, width] of one chunk, and the weights of its tokens. */
export interface WeightedStates {
  readonly states: Float32Array;
  readonly weights: readonly number[];
}

/**
 * The states of chunks that WebUI encodes together: z · w · (mean before / mean after), means over
 * all of them. Weights of 1 leave the states as they are, to the bit. The result may hold numbers
 * that are not finite.
 */
export function emphasize(chunks: readonly WeightedStates[], emphasis: Emphasis): Float32Array[] {
  const unchanged = emphasis === 'ignore' || emphasis === 'none';
  if (unchanged || chunks.every(({ weights }) => weights.every((weight) => weight === 1)))
    return chunks.map(({ states }) => states);
  const weighted = chunks.map(multiplied);
  if (emphasis === 'no_norm') return weighted;
  const scale = meanOf(chunks.map(({ states }) => states)) / meanOf(weighted);
  return weighted.map((states) => states.map((z) => z * scale));
}

function multiplied({ states, weights }: WeightedStates): Float32Array {
  const width = states.length / weights.length;
  if (!Number.isInteger(width))
    throw new InternalError(`${states.length} states for ${weights.length} tokens`);
  return states.map((z, i) => z * weights[Math.floor(i / width)]);
}

function meanOf(parts: readonly Float32Array[]): number {
  let sum = 0;
  for (const part of parts) for (const z of part) sum += z;
  return sum / parts.reduce((count, { length }) => count + length, 0);
}
