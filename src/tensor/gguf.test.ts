import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { encodeGgml, ggmlTypes } from './ggml-types.ts';
import { decodeGguf, gguf, layoutGguf, parseGguf, scalarOf } from './gguf.ts';
import { deserialize } from './safetensors.ts';

// Both written by reference/language_exports.py, with gguf-py.
const file = new Uint8Array(readFileSync('reference/golden/gguf_py.gguf'));
const { tensors } = deserialize(
  new Uint8Array(readFileSync('reference/golden/language_exports.safetensors')),
);
const reader = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (offset: number, length: number) => bytes.subarray(offset, offset + length),
});

function golden(name: string): Uint8Array | Float32Array {
  const data = tensors.get(`blocks.${name}`)?.data;
  assert.ok(data instanceof Uint8Array || data instanceof Float32Array, name);
  return data;
}

test('reads what gguf-py wrote: every type of the metadata, tensors in row-major order', () => {
  const parsed = parseGguf(reader(file), 'x.gguf');
  const expected = {
    uint8: 200,
    int8: -5,
    uint16: 60000,
    int16: -300,
    uint32: 4000000000,
    int32: -70000,
    uint64: 2n ** 40n,
    int64: -(2n ** 40n),
    float32: 0.5,
    float64: 0.1,
    bool: true,
    string: '中文',
  };
  for (const [name, value] of Object.entries(expected))
    assert.equal(scalarOf(parsed.metadata, `test.${name}`), value, name);
  assert.deepEqual(parsed.metadata.get('test.texts'), gguf.array('string', ['a', '', 'ß']));
  for (const [name, shape] of [
    ['a', [2, 3]],
    ['b', [3, 2]],
  ] as const) {
    const info = parsed.tensors.get(name);
    assert.ok(info);
    assert.deepEqual(info.shape, shape);
    assert.deepEqual(
      [...decodeGguf(info, file.subarray(info.offset, info.offset + info.length)).data],
      [0, 1, 2, 3, 4, 5],
    );
  }
});

test('what is written is read back, and a header in more than one read', () => {
  const texts = gguf.array(
    'string',
    Array.from({ length: 20_000 }, (_, i) => `token ${i}`),
  );
  const { head, sizes } = layoutGguf(
    new Map([
      ['a', texts],
      ['b', gguf.bool(true)],
    ]),
    [
      { name: 'x', type: 'q8_0', shape: [3, 32] },
      { name: 'y', type: 'f32', shape: [5] },
    ],
  );
  assert.deepEqual(sizes, [
    { bytes: 102, padding: 26 },
    { bytes: 20, padding: 12 },
  ]);
  assert.equal(head.length % 32, 0);
  const parsed = parseGguf(reader(Buffer.concat([head, new Uint8Array(160)])), 'x.gguf');
  assert.deepEqual(parsed.metadata.get('a'), texts);
  assert.deepEqual(parsed.tensors.get('y'), {
    type: 'f32',
    shape: [5],
    path: 'x.gguf',
    offset: head.length + 128,
    length: 20,
  });
});

test('the bits of gguf-py: q8_0 written; q8_0, q4_0, q4_1, q4_K, q6_K read', () => {
  const values = golden('values');
  assert.ok(values instanceof Float32Array);
  assert.deepEqual(encodeGgml('q8_0', values), golden('q8_0'));
  for (const type of ['q8_0', 'q4_0', 'q4_1', 'q4_K', 'q6_K'] as const) {
    const [bytes, expected] = [golden(type), golden(`${type}.decoded`)];
    assert.ok(bytes instanceof Uint8Array);
    assert.deepEqual(ggmlTypes[type].decode(bytes, expected.length), expected, type);
  }
});

const damaged = (change: (bytes: Uint8Array) => Uint8Array) => change(new Uint8Array(file));
const withByte = (at: number, value: number) => damaged((bytes) => bytes.fill(value, at, at + 1));

for (const [name, bytes, message] of [
  ['another file', new Uint8Array(100), /does not begin with "GGUF"/],
  ['a few bytes', file.subarray(0, 10), /too short/],
  ['a header cut short', file.subarray(0, 200), /truncated: its header/],
  ['data cut short', file.subarray(0, file.length - 60), /truncated/],
  ['version 1', withByte(4, 1), /version 1 is not supported/],
  ['big-endian', damaged((b) => (b.set([0, 0, 0, 3], 4), b)), /big-endian/],
  ['too many tensors', damaged((b) => b.fill(255, 8, 15)), /truncated/],
] as const) {
  test(`refuses ${name}`, () => {
    assert.throws(
      () => parseGguf(reader(bytes), 'x.gguf'),
      (error: unknown) => error instanceof CheckpointError && message.test(error.message),
    );
  });
}
