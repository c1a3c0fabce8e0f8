// Numbers that are NaN or infinite, counted where they lie: nothing is copied or widened.

import type { Tensor } from './tensor.ts';

/** How many numbers of a tensor are NaN or infinite; whole numbers never are. */
export function countUnsound({ dtype, data }: Pick<Tensor, 'dtype' | 'data'>): number {
  if (data instanceof Float32Array || data instanceof Float64Array) return countInFloats(data);
  // all bits of the exponent set
  if (data instanceof Uint16Array) return countMasked(data, dtype === 'float16' ? 0x7c00 : 0x7f80);
  return 0;
}

function countInFloats(data: Float32Array | Float64Array): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (data[i] - data[i] !== 0) count++; // NaN for both
  return count;
}

function countMasked(data: Uint16Array, mask: number): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if ((data[i] & mask) === mask) count++;
  return count;
}
