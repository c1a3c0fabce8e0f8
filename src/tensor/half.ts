// Half-precision numbers as bits: float16 (IEEE 754 binary16) and bfloat16, to and from float32.

import type { DType } from './dtype.ts';
import { InternalError } from '../errors.ts';
import type { Tensor } from './tensor.ts';

/** The float32 value of each of the 65,536 float16 bit patterns; made at the first use. */
let float16Values: Float32Array | undefined;

export function float16ToFloat32(bits: Uint16Array): Float32Array {
  const values = (float16Values ??= makeFloat16Values());
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]];
  return out;
}

export function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}

/** Rounds to nearest, ties to even; beyond 65,504 becomes infinite, as everywhere. */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = float16Bits(bits[i]);
  return out;
}

/** Rounds to nearest, ties to even. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const u = bits[i];
    const isNaN = (u & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (u >>> 16) | 0x40 : (u + 0x7fff + ((u >>> 16) & 1)) >>> 16;
  }
  return out;
}

export type FloatDType = 'float32' | 'float16' | 'bfloat16';

/** Any floating tensor as float32. A float32 tensor is returned as it is, not copied. */
export function toFloat32(tensor: Tensor): Tensor<'float32'> {
  return { dtype: 'float32', shape: tensor.shape, data: float32Data(tensor.dtype, tensor.data) };
}

/** A float32 tensor in another floating type, rounded to nearest even. */
export function fromFloat32({ shape, data }: Tensor<'float32'>, dtype: FloatDType): Tensor {
  if (dtype === 'float32') return { dtype, shape, data };
  return {
    dtype,
    shape,
    data: dtype === 'float16' ? float32ToFloat16(data) : float32ToBfloat16(data),
  };
}

function float32Data(dtype: DType, data: Tensor['data']): Float32Array {
  if (dtype === 'float32' && data instanceof Float32Array) return data;
  if (dtype === 'float16' && data instanceof Uint16Array) return float16ToFloat32(data);
  if (dtype === 'bfloat16' && data instanceof Uint16Array) return bfloat16ToFloat32(data);
  if (dtype === 'float64' && data instanceof Float64Array) return Float32Array.from(data);
  throw new InternalError(`${dtype} is not a floating type`);
}

function float16Bits(u: number): number {
  const sign = (u >>> 16) & 0x8000;
  const a = u & 0x7fffffff;
  if (a >= 0x47800000) return sign | (a > 0x7f800000 ? 0x7e00 : 0x7c00); // NaN; 65,536 and more
  // normal: the exponent's bias falls from 127 to 15
  if (a >= 0x38800000) return sign | roundShift(a - 0x38000000, 13);
  if (a < 0x33000000) return sign; // below half of the smallest, 2^-25
  return sign | roundShift((a & 0x7fffff) | 0x800000, 126 - (a >>> 23)); // multiples of 2^-24
}

/** a / 2^shift, rounded to nearest even. */
function roundShift(a: number, shift: number): number {
  const q = a >>> shift;
  const rest = a & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (q & 1) === 1) ? q + 1 : q;
}

function makeFloat16Values(): Float32Array {
  const out = new Float32Array(65536);
  for (let u = 0; u < 65536; u++) {
    const exponent = (u >>> 10) & 31;
    const mantissa = u & 1023;
    const size = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
    const special = mantissa === 0 ? Infinity : NaN;
    out[u] = (u & 0x8000 ? -1 : 1) * (exponent === 31 ? special : size);
  }
  return out;
}
