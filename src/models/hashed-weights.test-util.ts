// Weights and inputs that tests make instead of shipping: a hash of name and index.
// reference/hashed_weights.py makes the same bits.
//
//   h = FNV-1a of the name (32 bits); x = (h + i · 0x9e3779b9) mod 2^32, mixed ("lowbias32" of C.
//   Wellons); u = (x >>> 8) / 2^23 - 1, in [-1, 1)
//   weights: float32(u · float32(sqrt(3 / fan in))), so that their variance is 1 / fan in; norms: 1
//   + 0.1 u; biases: 0.1 u

import { sizeOf, type Shape } from '../tensor/tensor.ts';

/** u of element `i` of each of `count` numbers named `name`; exact in float32. */
export function hashedUniforms(name: string, count: number): Float32Array {
  const out = new Float32Array(count);
  const start = fnv1a(name);
  for (let i = 0; i < count; i++)
    out[i] = (mix((start + Math.imul(i, 0x9e3779b9)) | 0) >>> 8) * 2 ** -23 - 1;
  return out;
}

/** Numbers of the weight called `name`, e.g. `unet.conv_in.weight`. */
export function hashedWeight(name: string, shape: Shape): Float32Array {
  const out = hashedUniforms(name, sizeOf(shape));
  const tenth = Math.fround(0.1);
  if (name.endsWith('.bias')) return scaled(out, tenth, 0);
  if (shape.length === 1) return scaled(out, tenth, 1);
  return scaled(out, Math.fround(Math.sqrt(3 / sizeOf(shape.slice(1)))), 0);
}

/** float32(shift + float32(factor · u)). */
function scaled(out: Float32Array, factor: number, shift: number): Float32Array {
  for (let i = 0; i < out.length; i++) out[i] = shift + Math.fround(factor * out[i]);
  return out;
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}

function fnv1a(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash | 0;
}
