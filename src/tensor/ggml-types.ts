// The element types of GGUF tensors: sizes, and the conversion of those that are read or written,
// to and from float32. Layouts: ggml-common.h and gguf-py's quants.py of llama.cpp (gguf 0.19).

import { InternalError } from '../errors.ts';
import { bytesOf } from '../util/bytes-of.ts';
import {
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  bfloat16ToFloat32,
} from './half.ts';
import { lossOf, type Loss } from './narrow.ts';

export interface GgmlType {
  /** The number in the file. */
  readonly id: number;
  /** Elements that are stored together. */
  readonly block: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Bytes of whole blocks → float32; absent: the type is known, but not read. */
  readonly decode?: (bytes: Uint8Array, count: number) => Float32Array;
  /** float32 of whole blocks → bytes; absent: the type is not written. */
  readonly encode?: (values: Float32Array) => Uint8Array;
}

const plain = (id: number, bytes: number): GgmlType => ({ id, block: 1, bytes });

export const ggmlTypes = {
  f32: { ...plain(0, 4), decode: (bytes) => new Float32Array(copyOf(bytes)), encode: bytesOf },
  f16: {
    ...plain(1, 2),
    decode: (bytes) => float16ToFloat32(new Uint16Array(copyOf(bytes))),
    encode: (values) => bytesOf(float32ToFloat16(values)),
  },
  q4_0: { id: 2, block: 32, bytes: 18, decode: decoder(18, 32, decodeQ4_0) },
  q4_1: { id: 3, block: 32, bytes: 20, decode: decoder(20, 32, decodeQ4_1) },
  q5_0: { id: 6, block: 32, bytes: 22 },
  q5_1: { id: 7, block: 32, bytes: 24 },
  q8_0: { id: 8, block: 32, bytes: 34, decode: decoder(34, 32, decodeQ8_0), encode: encodeQ8_0 },
  q2_K: { id: 10, block: 256, bytes: 84 },
  q3_K: { id: 11, block: 256, bytes: 110 },
  q4_K: { id: 12, block: 256, bytes: 144, decode: decoder(144, 256, decodeQ4_K) },
  q5_K: { id: 13, block: 256, bytes: 176 },
  q6_K: { id: 14, block: 256, bytes: 210, decode: decoder(210, 256, decodeQ6_K) },
  i8: plain(24, 1),
  i16: plain(25, 2),
  i32: plain(26, 4),
  i64: plain(27, 8),
  f64: plain(28, 8),
  bf16: {
    ...plain(30, 2),
    decode: (bytes) => bfloat16ToFloat32(new Uint16Array(copyOf(bytes))),
    encode: (values) => bytesOf(float32ToBfloat16(values)),
  },
} as const satisfies Readonly<Record<string, GgmlType>>;

export type GgmlTypeName = keyof typeof ggmlTypes;

/** The types that we write. */
export type GgmlWritable = 'f32' | 'f16' | 'bf16' | 'q8_0';

export const ggmlTypeById: ReadonlyMap<number, GgmlTypeName> = new Map(
  // Object.entries forgets that the keys are names of types.
  Object.entries(ggmlTypes).map(([name, { id }]) => [id, name as GgmlTypeName]),
);

/** Bytes of `count` elements; the rows of a quantized tensor are whole blocks. */
export function ggmlBytes(type: GgmlTypeName, count: number): number {
  return (count / ggmlTypes[type].block) * ggmlTypes[type].bytes;
}

/** float32 values as the bytes of a type; `values` must be whole blocks (32 for q8_0). */
export function encodeGgml(type: GgmlWritable, values: Float32Array): Uint8Array {
  if (values.length % ggmlTypes[type].block !== 0)
    throw new InternalError(`${values.length} values are not whole blocks of ${type}`);
  return ggmlTypes[type].encode(values);
}

/** What `encodeGgml` loses. Of a quantized type it is the scales that are narrow numbers. */
export function ggmlLoss(type: GgmlWritable, values: Float32Array): Loss {
  return type === 'q8_0'
    ? lossOf(q8Scales(values), 'float16')
    : lossOf(values, ({ f32: 'float32', f16: 'float16', bf16: 'bfloat16' } as const)[type]);
}

function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

type DecodeBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

function decoder(
  blockBytes: number,
  block: number,
  decode: DecodeBlock,
): (bytes: Uint8Array, count: number) => Float32Array {
  return (bytes, count) => {
    const out = new Float32Array(count);
    for (let i = 0; i < count / block; i++) decode(bytes, i * blockBytes, out, i * block);
    return out;
  };
}

function halfAt(bytes: Uint8Array, at: number): number {
  return float16ToFloat32(Uint16Array.of(bytes[at] | (bytes[at + 1] << 8)))[0];
}

// x = d (q - 8): the low nibbles are the first half of a block
function decodeQ4_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  for (let j = 0; j < 16; j++) {
    const q = bytes[at + 2 + j];
    out[to + j] = d * ((q & 15) - 8);
    out[to + 16 + j] = d * ((q >> 4) - 8);
  }
}

// x = d q + m
function decodeQ4_1(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const m = halfAt(bytes, at + 2);
  for (let j = 0; j < 16; j++) {
    const q = bytes[at + 4 + j];
    out[to + j] = Math.fround(d * (q & 15)) + m;
    out[to + 16 + j] = Math.fround(d * (q >> 4)) + m;
  }
}

function decodeQ8_0(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  for (let j = 0; j < 32; j++) out[to + j] = d * ((bytes[at + 2 + j] << 24) >> 24);
}

// x = d sc q - dmin m: eight groups of 32, each with a scale and a minimum of 6 bits
function decodeQ4_K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at);
  const dmin = halfAt(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const [scale, min] = scaleAndMin(bytes, at + 4, group);
    const sc = Math.fround(d * scale);
    const m = Math.fround(dmin * min);
    const from = at + 16 + (group >> 1) * 32;
    const shift = (group & 1) * 4;
    for (let j = 0; j < 32; j++)
      out[to + group * 32 + j] = Math.fround(sc * ((bytes[from + j] >> shift) & 15)) - m;
  }
}

function scaleAndMin(bytes: Uint8Array, at: number, group: number): readonly [number, number] {
  if (group < 4) return [bytes[at + group] & 63, bytes[at + 4 + group] & 63];
  const rest = bytes[at + 4 + group];
  return [
    (rest & 15) | ((bytes[at + group - 4] >> 6) << 4),
    (rest >> 4) | ((bytes[at + group] >> 6) << 4),
  ];
}

// x = d sc (q - 32): 4 low bits, 2 high bits, sixteen signed scales
function decodeQ6_K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = halfAt(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const half = i >> 7;
    const within = i & 127;
    const low = (bytes[at + half * 64 + (within & 63)] >> ((within >> 6) << 2)) & 15;
    const high = (bytes[at + 128 + half * 32 + (within & 31)] >> ((within >> 5) << 1)) & 3;
    const scale = (bytes[at + 192 + (i >> 4)] << 24) >> 24;
    out[to + i] = Math.fround(d * scale) * ((low | (high << 4)) - 32);
  }
}

/** The scale of each block, float32, before it is stored in float16. */
function q8Scales(values: Float32Array): Float32Array {
  return Float32Array.from({ length: values.length / 32 }, (_, block) => {
    let largest = 0;
    for (let j = 0; j < 32; j++) largest = Math.max(largest, Math.abs(values[block * 32 + j]));
    return largest / 127;
  });
}

// d = max |x| / 127, q = round(x / d), halves away from zero; in float32 at every step
function encodeQ8_0(values: Float32Array): Uint8Array {
  const out = new Uint8Array((values.length / 32) * 34);
  for (const [block, d] of q8Scales(values).entries()) {
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    const [half] = float32ToFloat16(Float32Array.of(d));
    out[block * 34] = half & 255;
    out[block * 34 + 1] = half >> 8;
    for (let j = 0; j < 32; j++) {
      const x = Math.fround(values[block * 32 + j] * inverse);
      out[block * 34 + 2 + j] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
    }
  }
  return out;
}
