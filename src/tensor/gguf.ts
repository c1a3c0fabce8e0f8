// The GGUF format, version 3 (and 2, which reads the same): metadata, tensor infos, then aligned
// tensor data. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { failCheckpoint as fail } from '../errors.ts';
import {
  ggmlBytes,
  ggmlTypeById,
  ggmlTypes,
  type GgmlType,
  type GgmlTypeName,
} from './ggml-types.ts';
import type { ByteReader } from './safetensors.ts';
import { sizeOf, type Shape, type Tensor } from './tensor.ts';

const valueTypes = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const;

export type GgufScalarType = Exclude<(typeof valueTypes)[number], 'array'>;

type Scalar = number | bigint | boolean | string;

/** A value of the metadata; uint64 and int64 are bigint. */
export type GgufValue =
  | { readonly type: GgufScalarType; readonly value: Scalar }
  | {
      readonly type: 'array';
      readonly of: GgufScalarType | 'array';
      readonly values: readonly (Scalar | GgufValue)[];
    };

export interface GgufTensor {
  readonly type: GgmlTypeName;
  /** Row-major as everywhere here; the file lists the sizes backwards. */
  readonly shape: Shape;
  /** Absolute path or the name that the caller gave. */
  readonly path: string;
  /** First byte in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface GgufFile {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

export const gguf = {
  text: (value: string): GgufValue => ({ type: 'string', value }),
  uint32: (value: number): GgufValue => ({ type: 'uint32', value }),
  float32: (value: number): GgufValue => ({ type: 'float32', value }),
  bool: (value: boolean): GgufValue => ({ type: 'bool', value }),
  array: (of: GgufScalarType, values: readonly Scalar[]): GgufValue => ({
    type: 'array',
    of,
    values,
  }),
} as const;

/**
 * Reads the metadata and the places of the tensors; their bytes stay where they are. Throws
 * CheckpointError: not GGUF, another version or byte order, truncated, an unknown element type.
 */
export function parseGguf(reader: ByteReader, path: string): GgufFile {
  for (let size = Math.min(firstRead, reader.size); ; size = Math.min(size * 4, reader.size)) {
    const file = tryParse(reader.read(0, size), reader.size, path);
    if (file !== undefined) return file;
  }
}

/**
 * A tensor's bytes, of any type that is read, as float32. Throws CheckpointError for the others.
 */
export function decodeGguf(
  { type, shape, path }: GgufTensor,
  bytes: Uint8Array,
): Tensor<'float32'> {
  const { decode }: GgmlType = ggmlTypes[type];
  if (decode === undefined)
    return fail(
      path,
      `tensors of type ${type} are not supported`,
      'Look for the same model as f16, bf16, q8_0, q6_K, q4_K, q4_1 or q4_0.',
    );
  return { dtype: 'float32', shape, data: decode(bytes, sizeOf(shape)) };
}

/** What a writer says of a tensor. */
export interface GgufEntry {
  readonly name: string;
  readonly type: GgmlTypeName;
  /** Row-major. */
  readonly shape: Shape;
}

export interface GgufLayout {
  /** Everything before the first tensor, padded. */
  readonly head: Uint8Array;
  /** Of each tensor, in order: its bytes, and the zeros to write after them. */
  readonly sizes: readonly { readonly bytes: number; readonly padding: number }[];
}

/**
 * The beginning of a file of version 3, little-endian, aligned to 32; the tensors' bytes follow in
 * this order.
 */
export function layoutGguf(
  metadata: ReadonlyMap<string, GgufValue>,
  entries: readonly GgufEntry[],
): GgufLayout {
  const out = new Output();
  out.bytes(new TextEncoder().encode('GGUF'));
  out.scalar('uint32', 3);
  out.scalar('uint64', BigInt(entries.length));
  out.scalar('uint64', BigInt(metadata.size));
  for (const [key, value] of metadata) out.entry(key, value);
  const sizes: { bytes: number; padding: number }[] = [];
  let offset = 0;
  for (const { name, type, shape } of entries) {
    const bytes = ggmlBytes(type, sizeOf(shape));
    out.scalar('string', name);
    out.scalar('uint32', shape.length);
    for (const dim of shape.toReversed()) out.scalar('uint64', BigInt(dim));
    out.scalar('uint32', ggmlTypes[type].id);
    out.scalar('uint64', BigInt(offset));
    sizes.push({ bytes, padding: paddingAfter(bytes, defaultAlignment) });
    offset += bytes + paddingAfter(bytes, defaultAlignment);
  }
  out.bytes(new Uint8Array(paddingAfter(out.length, defaultAlignment)));
  return { head: out.take(), sizes };
}

const firstRead = 1 << 16;
const defaultAlignment = 32;

function paddingAfter(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

/** The bytes given ended in the middle. */
class Ended extends Error {}

/** The file, or nothing when more than `bytes` must be read. */
function tryParse(bytes: Uint8Array, size: number, path: string): GgufFile | undefined {
  try {
    return parse(new Input(bytes, path), size, path);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    if (bytes.length < size) return undefined;
    return fail(path, `the file is truncated: its header does not end within its ${size} bytes`);
  }
}

function parse(input: Input, size: number, path: string): GgufFile {
  if (size < 24) fail(path, `the file is too short to be GGUF (${size} bytes)`);
  if (new TextDecoder().decode(input.take(4)) !== 'GGUF')
    fail(path, 'this is not a GGUF file: it does not begin with "GGUF"', 'Name a .gguf file.');
  const version = input.number('uint32');
  if (version === 0x03000000 || version === 0x02000000)
    fail(
      path,
      'this GGUF file is big-endian, which is not supported',
      'Look for the little-endian file of the same model.',
    );
  if (version !== 2 && version !== 3)
    fail(
      path,
      `GGUF version ${version} is not supported (only 2 and 3)`,
      'Convert the model again with a current llama.cpp.',
    );
  const tensorCount = input.number('uint64');
  const metadata = parseMetadata(input, input.number('uint64'));
  const infos = parseInfos(input, tensorCount, path);
  const alignment = Number(scalarOf(metadata, 'general.alignment') ?? defaultAlignment);
  if (!(alignment >= 1)) fail(path, `general.alignment ${alignment} is not a number of bytes`);
  const start = input.at + paddingAfter(input.at, alignment);
  const tensors = new Map(
    Array.from(infos, ([name, info]) => [name, { ...info, offset: start + info.offset }]),
  );
  for (const [name, { offset, length }] of tensors) {
    if (offset + length > size)
      fail(
        path,
        `the file is truncated: it has ${size} bytes, but ${name} ends at ${offset + length}`,
      );
  }
  return { version, metadata, tensors };
}

/** The scalar under a key, if there is one. */
export function scalarOf(
  metadata: ReadonlyMap<string, GgufValue>,
  key: string,
): Scalar | undefined {
  const found = metadata.get(key);
  return found === undefined || found.type === 'array' ? undefined : found.value;
}

function parseMetadata(input: Input, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) metadata.set(input.text(), input.value(input.type()));
  return metadata;
}

function parseInfos(input: Input, count: number, path: string): Map<string, GgufTensor> {
  const infos = new Map<string, GgufTensor>();
  for (let i = 0; i < count; i++) {
    const name = input.text();
    const dims = input.number('uint32');
    if (dims > 8) fail(path, `${name} has ${dims} dimensions; expected at most 8`);
    const shape = Array.from({ length: dims }, () => input.number('uint64')).reverse();
    const id = input.number('uint32');
    const type = ggmlTypeById.get(id);
    if (type === undefined)
      return fail(
        path,
        `${name}: element type ${id} is not known`,
        'Look for the same model as f16, bf16, q8_0, q6_K, q4_K, q4_1 or q4_0.',
      );
    if ((shape.at(-1) ?? 1) % ggmlTypes[type].block !== 0)
      fail(path, `${name}: rows of ${shape.at(-1)} are not whole blocks of ${type}`);
    infos.set(name, {
      type,
      shape,
      path,
      offset: input.number('uint64'),
      length: ggmlBytes(type, sizeOf(shape)),
    });
  }
  return infos;
}

/** Little-endian values one after another. */
class Input {
  at = 0;
  private readonly view: DataView;
  private readonly source: Uint8Array;
  private readonly path: string;
  private readonly decoder = new TextDecoder();

  constructor(source: Uint8Array, path: string) {
    this.source = source;
    this.path = path;
    this.view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.source.length) throw new Ended();
    this.at += length;
    return this.source.subarray(this.at - length, this.at);
  }

  text(): string {
    return this.decoder.decode(this.take(this.number('uint64')));
  }

  type(): (typeof valueTypes)[number] {
    const id = this.number('uint32');
    return (
      valueTypes[id] ??
      fail(this.path, `a value of the metadata has the unknown type ${id}: the file is damaged`)
    );
  }

  value(type: (typeof valueTypes)[number]): GgufValue {
    if (type !== 'array') return { type, value: this.scalar(type) };
    const of = this.type();
    const count = this.number('uint64');
    const values: (Scalar | GgufValue)[] = [];
    for (let i = 0; i < count; i++) values.push(of === 'array' ? this.value(of) : this.scalar(of));
    return { type, of, values };
  }

  number(type: 'uint32' | 'uint64'): number {
    return Number(this.scalar(type));
  }

  private scalar(type: GgufScalarType): Scalar {
    if (type === 'string') return this.text();
    const { bytes, get } = scalars[type];
    if (this.at + bytes > this.source.length) throw new Ended();
    this.at += bytes;
    return get(this.view, this.at - bytes);
  }
}

/** Bytes that grow. */
class Output {
  length = 0;
  private buffer = new Uint8Array(1 << 12);

  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length); // may replace the buffer
    this.buffer.set(bytes, at);
  }

  scalar(type: GgufScalarType, value: Scalar): void {
    if (type === 'string') {
      const text = new TextEncoder().encode(String(value));
      this.scalar('uint64', BigInt(text.length));
      return this.bytes(text);
    }
    const { bytes, set } = scalars[type];
    const at = this.reserve(bytes);
    set(new DataView(this.buffer.buffer), at, value);
  }

  entry(key: string, value: GgufValue): void {
    this.scalar('string', key);
    this.scalar('uint32', valueTypes.indexOf(value.type));
    this.value(value);
  }

  take(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private value(value: GgufValue): void {
    if (value.type !== 'array') return this.scalar(value.type, value.value);
    this.scalar('uint32', valueTypes.indexOf(value.of));
    this.scalar('uint64', BigInt(value.values.length));
    for (const item of value.values) {
      if (typeof item === 'object') this.value(item);
      else if (value.of !== 'array') this.scalar(value.of, item);
    }
  }

  private reserve(count: number): number {
    if (this.length + count > this.buffer.length) {
      const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + count));
      larger.set(this.buffer);
      this.buffer = larger;
    }
    this.length += count;
    return this.length - count;
  }
}

interface ScalarCodec {
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => Scalar;
  readonly set: (view: DataView, at: number, value: Scalar) => void;
}

const scalars: { readonly [T in Exclude<GgufScalarType, 'string'>]: ScalarCodec } = {
  uint8: { bytes: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, Number(x)) },
  int8: { bytes: 1, get: (v, at) => v.getInt8(at), set: (v, at, x) => v.setInt8(at, Number(x)) },
  uint16: {
    bytes: 2,
    get: (v, at) => v.getUint16(at, true),
    set: (v, at, x) => v.setUint16(at, Number(x), true),
  },
  int16: {
    bytes: 2,
    get: (v, at) => v.getInt16(at, true),
    set: (v, at, x) => v.setInt16(at, Number(x), true),
  },
  uint32: {
    bytes: 4,
    get: (v, at) => v.getUint32(at, true),
    set: (v, at, x) => v.setUint32(at, Number(x), true),
  },
  int32: {
    bytes: 4,
    get: (v, at) => v.getInt32(at, true),
    set: (v, at, x) => v.setInt32(at, Number(x), true),
  },
  float32: {
    bytes: 4,
    get: (v, at) => v.getFloat32(at, true),
    set: (v, at, x) => v.setFloat32(at, Number(x), true),
  },
  bool: {
    bytes: 1,
    get: (v, at) => v.getUint8(at) !== 0,
    set: (v, at, x) => v.setUint8(at, x ? 1 : 0),
  },
  uint64: {
    bytes: 8,
    get: (v, at) => v.getBigUint64(at, true),
    set: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
  },
  int64: {
    bytes: 8,
    get: (v, at) => v.getBigInt64(at, true),
    set: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
  },
  float64: {
    bytes: 8,
    get: (v, at) => v.getFloat64(at, true),
    set: (v, at, x) => v.setFloat64(at, Number(x), true),
  },
};
