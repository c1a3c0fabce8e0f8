// Weights in the precision of their file, where the card computes with it and it holds them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromFloat32, toFloat32 } from '../../tensor/half.ts';
import { float32 } from '../../tensor/tensor.ts';
import { normals } from '../../util/philox.ts';
import { asKept } from './webgpu-weights.ts';

const values = normals(1, 0, new Float32Array(1000)).map((value) => 0.02 * value);
const bfloat16 = (numbers: ArrayLike<number>) =>
  fromFloat32(float32([numbers.length], numbers), 'bfloat16');

test('bfloat16 becomes float16 with all its digits', () => {
  const weight = bfloat16(values);
  const kept = asKept(weight, 'float16');
  assert.equal(kept.dtype, 'float16');
  assert.deepEqual(toFloat32(kept).data, toFloat32(weight).data);
});

test('bfloat16 that float16 cannot hold stays whole, as float32', () => {
  const cases = { large: [1, 70000], small: [1e-7, 3e-8], infinite: [Infinity, 1], NaN: [NaN, 1] };
  for (const [name, numbers] of Object.entries(cases)) {
    const weight = bfloat16(numbers);
    const kept = asKept(weight, 'float16');
    assert.equal(kept.dtype, 'float32', name);
    assert.deepEqual(kept.data, toFloat32(weight).data, name);
  }
});

test('a few numbers too small for float16 among others are no loss', () => {
  assert.equal(asKept(bfloat16([...values, 1e-9]), 'float16').dtype, 'float16');
  assert.equal(asKept(bfloat16([0, 0]), 'float16').dtype, 'float16', 'zeros');
});

test('without half precision, and from float32 and float64, weights are float32', () => {
  assert.equal(asKept(bfloat16(values), 'float32').dtype, 'float32');
  const whole = float32([2], [1, 2]);
  assert.equal(asKept(whole, 'float32'), whole, 'not copied');
  const double = { dtype: 'float64', shape: [2], data: Float64Array.of(1, 0.1) } as const;
  assert.deepEqual(asKept(double, 'float32').data, Float32Array.of(1, 0.1));
});
