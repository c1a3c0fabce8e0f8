// Philox against published vectors and against a BigInt version of the same rounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normals, permutation, philox, random, sequence, uniforms } from './philox.ts';

const MASK = 0xffffffffn;

/** The paper's rounds, written with 64-bit products. */
function philoxBigInt(key: [bigint, bigint], counter: [bigint, bigint, bigint, bigint]): number[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & MASK, (p0 >> 32n) ^ c3 ^ k1, p0 & MASK];
    k0 = (k0 + 0x9e3779b9n) & MASK;
    k1 = (k1 + 0xbb67ae85n) & MASK;
  }
  return [c0, c1, c2, c3].map(Number);
}

test('the known answers of the Random123 distribution', () => {
  const out = new Uint32Array(4);
  philox(0, 0, 0, 0, 0, out);
  assert.deepEqual([...out], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  philox({ lo: 0xffffffff, hi: 0xffffffff }, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, out);
  assert.deepEqual([...out], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  philox({ lo: 0xa4093822, hi: 0x299f31d0 }, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, out);
  assert.deepEqual([...out], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
});

test('equals the BigInt rounds on 500 seeds and counters', () => {
  const out = new Uint32Array(4);
  const next = sequence(20250101, 7);
  const word = (): number => Math.floor(next() * 2 ** 32);
  for (let i = 0; i < 500; i++) {
    const [lo, hi, a, b, c, d] = [word(), word(), word(), word(), word(), word()];
    philox({ lo, hi }, a, b, c, d, out);
    assert.deepEqual(
      [...out],
      philoxBigInt([BigInt(lo), BigInt(hi)], [BigInt(a), BigInt(b), BigInt(c), BigInt(d)]),
    );
  }
});

test("normals are the WebUI's NV noise: seed 0, shape (3, 4)", () => {
  const expected = [
    -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122,
    -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497,
  ];
  const found = normals(0, 0, new Float32Array(12));
  // published with an angle in float64; the code has it in float32 (to the bit:
  // generate/noise/noise.test.ts)
  expected.forEach((value, i) => assert.ok(Math.abs(value / (found[i] ?? NaN) - 1) < 5e-7));
});

test('normals have mean 0 and variance 1, and another offset gives other numbers', () => {
  const first = normals(1, 0, new Float32Array(20000));
  const second = normals(1, 1, new Float32Array(20000));
  let [sum, square, product] = [0, 0, 0];
  first.forEach((x, i) => {
    sum += x;
    square += x * x;
    product += x * (second[i] ?? 0);
  });
  const limit = 4 / Math.sqrt(first.length); // four standard errors
  assert.ok(Math.abs(sum / first.length) < limit);
  assert.ok(Math.abs(square / first.length - 1) < limit * Math.SQRT2);
  assert.ok(Math.abs(product / first.length) < limit);
});

test('uniforms, sequence and random are one stream', () => {
  const all = uniforms(5, 3, new Float64Array(11), 2);
  const next = sequence(5, 3, 2);
  all.forEach((value, i) => {
    assert.equal(value, random(5, 3, 2 + i));
    assert.equal(value, next());
    assert.ok(value >= 0 && value < 1);
  });
  assert.notEqual(random(5, 3, 0), random(5, 4, 0));
  assert.notEqual(random(5, 3, 0), random(5 + 2 ** 32, 3, 0), 'the upper half of the seed counts');
  assert.notEqual(
    random(5, 3, 1),
    random(5, 3, 1 + 2 ** 34),
    'the upper half of the counter counts',
  );
});

test('a permutation holds every number once and depends on seed and stream', () => {
  const order = permutation(9, 1, 100);
  assert.deepEqual(
    [...order].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
  assert.deepEqual(order, permutation(9, 1, 100));
  assert.notDeepEqual(order, permutation(9, 2, 100));
  assert.notDeepEqual(order, permutation(8, 1, 100));
  assert.equal(permutation(1, 1, 0).length, 0);
});
