import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { dtypes } from './dtype.ts';
import { float32ToBfloat16, float32ToFloat16, toFloat32, fromFloat32 } from './half.ts';
import { deserialize, parseHeader, serialize } from './safetensors.ts';
import { float32, int32, type Tensor } from './tensor.ts';

// Written by reference/safetensors_format.py.
const golden = new Uint8Array(readFileSync('reference/golden/safetensors_format.safetensors'));

function get(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  assert.ok(found, name);
  return found;
}

test("reads from a Node Buffer, whose slice() is no copy (every tensor was once the file's first bytes)", () => {
  assert.deepEqual(deserialize(Buffer.from(golden)), deserialize(golden));
});

test('reads what the Python writer wrote, every element type', () => {
  const { metadata, tensors } = deserialize(golden);
  assert.equal(metadata.note, 'a "quoted" 中文 text');
  assert.deepEqual(
    new Set(Array.from(tensors.values(), (t) => t.dtype)),
    new Set(Object.keys(dtypes)),
  );
  assert.deepEqual(get(tensors, 'i16').data, Int16Array.of(-300, 300));
  assert.deepEqual(get(tensors, 'z.i64').data, BigInt64Array.of(-1n, 2n ** 40n));
  assert.deepEqual(get(tensors, 'scalar').shape, []);
  assert.deepEqual(get(tensors, 'empty').shape, [0, 4]);
  assert.equal(get(tensors, 'scalar').data[0], 2.5);
});

test('writes the bytes that the Python writer wrote', () => {
  const { metadata, tensors } = deserialize(golden);
  assert.deepEqual(serialize(new Map([...tensors].reverse()), metadata), golden);
});

test('rounds to float16 and bfloat16 as PyTorch', () => {
  const { tensors } = deserialize(golden);
  const values = toFloat32(get(tensors, 'f32')).data;
  const bits = (name: string) => get(tensors, name).data;
  for (const [ours, theirs, quietNaN] of [
    [float32ToFloat16(values), bits('f16'), 0x7c00],
    [float32ToBfloat16(values), bits('bf16'), 0x7f80],
  ] as const) {
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) assert.ok((ours[i] & 0x7fff) > quietNaN);
      else assert.equal(ours[i], theirs[i], `value ${values[i]}`);
    }
  }
});

test('every float16 and bfloat16 comes back from float32 as it was', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const dtype of ['float16', 'bfloat16'] as const) {
    const values = toFloat32({ dtype, shape: [65536], data: all });
    const back = fromFloat32(values, dtype).data;
    for (let i = 0; i < 65536; i++) if (!Number.isNaN(values.data[i])) assert.equal(back[i], i);
  }
});

const sound = () =>
  serialize(
    new Map<string, Tensor>([
      ['a', float32([2], [1, 2])],
      ['b', int32([3], [1, 2, 3])],
    ]),
  );

/** A file with the header given, and `data` bytes of zeros after it. */
function withHeader(header: unknown, data: number): Uint8Array {
  const text = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  );
  const out = new Uint8Array(8 + text.length + data);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  return out;
}

const f32 = (from: number, to: number, shape = [(to - from) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [from, to],
});
const text = (value: string) => new TextEncoder().encode(value);
const hugeHeader = sound();
new DataView(hugeHeader.buffer).setBigUint64(0, 1n << 40n, true);

const damaged: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['an empty file', new Uint8Array(0), /x\.safetensors: the file is empty/],
  ['a few bytes', new Uint8Array(5), /too short/],
  ['an oversized header', hugeHeader, /header of 1099511627776 bytes/],
  ['a header cut short', sound().subarray(0, 40), /truncated: its header should have/],
  [
    'data cut short',
    sound().subarray(0, sound().length - 3),
    /truncated: it has \d+ bytes and should have \d+/,
  ],
  ['data with a tail', withHeader({ a: f32(0, 8) }, 12), /4 bytes after the last tensor/],
  ['a header that is not JSON', withHeader('{"a": ', 0), /header is not JSON/],
  ['a header that is not an object', withHeader('[1]', 0), /not a JSON object/],
  [
    'a wrong dtype',
    withHeader({ a: { ...f32(0, 8), dtype: 'F31' } }, 8),
    /a: element type "F31" is not supported/,
  ],
  ['overlap', withHeader({ a: f32(0, 8), b: f32(4, 12) }, 12), /b: overlaps a by 4 bytes/],
  [
    'a hole',
    withHeader({ a: f32(0, 8), b: f32(12, 16) }, 16),
    /b: 4 bytes between a and this tensor/,
  ],
  ['out of bounds', withHeader({ a: f32(0, 800) }, 16), /truncated/],
  [
    'shape against length',
    withHeader({ a: f32(0, 8, [3]) }, 8),
    /shape \[3\] of float32 takes 12 bytes, but data_offsets \[0, 8\] hold 8/,
  ],
  ['a negative shape', withHeader({ a: f32(0, 8, [-2]) }, 8), /not a list of sizes/],
  ['offsets backwards', withHeader({ a: f32(8, 0, [2]) }, 8), /hold -8/],
  [
    'a shape beyond all numbers',
    withHeader({ a: f32(0, 8, [2 ** 50, 2 ** 50]) }, 8),
    /takes .* bytes/,
  ],
  ['no shape', withHeader({ a: { dtype: 'F32', data_offsets: [0, 8] } }, 8), /its shape undefined/],
  [
    'metadata of numbers',
    withHeader({ __metadata__: { a: 1 } }, 0),
    /metadata must map names to strings/,
  ],
  [
    'a Git LFS pointer',
    text('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
    /Git LFS pointer/,
  ],
  ['a web page', text('<!DOCTYPE html><html></html>'), /web page/],
  ['a pickle in a zip', text('PK\x03\x04 and so on'), /PyTorch/],
];

for (const [name, bytes, message] of damaged) {
  test(`refuses ${name}`, () => {
    const reader = {
      size: bytes.length,
      read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
    };
    const isOurs = (error: unknown) =>
      error instanceof CheckpointError && message.test(error.message);
    assert.throws(() => parseHeader(reader, 'x.safetensors'), isOurs);
  });
}

test('a header as long as the number that a pickle begins with', () => {
  const bytes = serialize(new Map([['a', float32([1], [5])]]), { padding: 'x'.repeat(556) });
  assert.deepEqual([...bytes.subarray(0, 2)], [0x80, 0x02]); // 640
  assert.deepEqual([...deserialize(bytes).tensors.keys()], ['a']);
  assert.throws(() => deserialize(bytes.subarray(0, 300)), /truncated/);
  assert.throws(
    () => deserialize(new Uint8Array([0x80, 0x02, ...new TextEncoder().encode('}q\0(X')])),
    /Python pickle/,
  );
});

test('lists several faults at once, and no more than a dozen', () => {
  const many = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`t${i}`, f32(0, 8, [3 + i])]),
  );
  assert.throws(
    () => deserialize(withHeader(many, 8)),
    (error: unknown) =>
      error instanceof CheckpointError &&
      error.problems.length === 13 &&
      /and 8 more/.test(error.message),
  );
});
