// Numbers in a narrower type: how many of them it cannot hold.

import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from './half.ts';
import type { FloatDType } from './half.ts';

/** What becomes of the numbers of a tensor in a narrower type. */
export interface Loss {
  /** Numbers other than 0. */
  readonly nonZero: number;
  /** Of these, those that become 0, or another number by more than an eighth of themselves. */
  readonly lost: number;
  /** Finite numbers that become infinite. */
  readonly infinite: number;
  /** Numbers that are infinite or NaN before. */
  readonly unsound: number;
}

export const noLoss: Loss = { nonZero: 0, lost: 0, infinite: 0, unsound: 0 };

/** A type is too narrow for a tensor when it loses more than this share of its non-zero numbers. */
const LOST_SHARE = 0.01;

export const isTooNarrow = ({ nonZero, lost, infinite }: Loss): boolean =>
  infinite > 0 || lost > LOST_SHARE * nonZero;

export const addLoss = (a: Loss, b: Loss): Loss => ({
  nonZero: a.nonZero + b.nonZero,
  lost: a.lost + b.lost,
  infinite: a.infinite + b.infinite,
  unsound: a.unsound + b.unsound,
});

/**
 * `narrow`: the numbers as a reader of the type has them. Numbers of a size from `least` on and
 * below `end` are never lost: their steps in the type are small enough.
 */
interface Narrowness {
  readonly narrow: (values: Float32Array) => Float32Array;
  readonly least: number;
  readonly end: number;
}

const types: Readonly<Record<FloatDType, Narrowness>> = {
  float16: {
    narrow: (values) => float16ToFloat32(float32ToFloat16(values)),
    least: 2 ** -22, // steps of 2^-24
    end: 65520,
  },
  bfloat16: {
    narrow: (values) => bfloat16ToFloat32(float32ToBfloat16(values)),
    least: 2 ** -131, // steps of 2^-133
    end: 2 ** 128 - 2 ** 119,
  },
  float32: {
    narrow: (values) => values,
    least: 2 ** -147, // steps of 2^-149
    end: 2 ** 128 - 2 ** 103,
  },
};

export function lossOf(values: Float32Array | Float64Array, dtype: FloatDType): Loss {
  const { narrow, least, end } = types[dtype];
  let zeros = 0;
  const doubtful: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    if (size >= least && size < end) continue; // false for NaN
    if (size === 0) zeros++;
    else doubtful.push(values[i]);
  }
  const narrowed = narrow(Float32Array.from(doubtful));
  const count = (holds: (value: number, i: number) => boolean) => doubtful.filter(holds).length;
  return {
    nonZero: values.length - zeros,
    lost: count((value, i) => Math.abs(value - narrowed[i]) > Math.abs(value) / 8),
    infinite: count((value, i) => Number.isFinite(value) && !Number.isFinite(narrowed[i])),
    unsound: count((value) => !Number.isFinite(value)),
  };
}
