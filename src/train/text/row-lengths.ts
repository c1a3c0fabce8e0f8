// How many tokens the rows of a run have: as many as its data needs, in a few lengths.

import type { TrainConfig } from '../../config/schema.ts';

export interface RowLengths {
  /** Tokens of the longest row, at most max_seq_length. */
  readonly most: number;
  /** Rows are as long as a multiple of this, so that few shapes occur. */
  readonly step: number;
}

/** Rows come in so many lengths. */
const LENGTHS = 8;
/** Lengths are multiples of this. */
const WHOLE = 8;

/**
 * `lengths`: tokens of each sequence, none above max_seq_length; `weights`: how often an epoch
 * shows each, by default once. A packed row is as long as all of them together, if that is less
 * than max_seq_length.
 */
export function rowLengths(
  { max_seq_length, packing }: Pick<TrainConfig, 'max_seq_length' | 'packing'>,
  lengths: readonly number[],
  weights?: readonly number[],
): RowLengths {
  const needed = packing
    ? lengths.reduce((sum, length, i) => sum + length * Math.ceil(weights?.[i] ?? 1), 0)
    : lengths.reduce((longest, length) => Math.max(longest, length), 1);
  const most = Math.min(max_seq_length, Math.ceil(needed / WHOLE) * WHOLE);
  return { most, step: Math.ceil(most / LENGTHS) };
}

/** Tokens of a row whose sequences have so many. */
export const rowLength = (tokens: number, { most, step }: RowLengths): number =>
  Math.min(most, Math.ceil(tokens / step) * step);
