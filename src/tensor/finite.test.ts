// Numbers that are not finite are counted in every type.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countUnsound } from './finite.ts';
import { fromFloat32 } from './half.ts';
import { float32, int32, type Tensor } from './tensor.ts';

const values = [0, -0, 1, -65504, NaN, Infinity, -Infinity, 2 ** -24];
const cases: readonly Tensor[] = [
  float32([8], values),
  { dtype: 'float64', shape: [8], data: Float64Array.from(values) },
  fromFloat32(float32([8], values), 'float16'),
  fromFloat32(float32([8], values), 'bfloat16'),
];

for (const tensor of cases)
  test(`NaN and infinities are counted in ${tensor.dtype}`, () => {
    assert.equal(countUnsound(tensor), 3);
    const start = { dtype: tensor.dtype, data: tensor.data.subarray(0, 4) };
    assert.equal(countUnsound(start), 0);
  });

test('the largest float32 is finite; whole numbers always are', () => {
  assert.equal(countUnsound(float32([2], [3.4028234663852886e38, -3.4028234663852886e38])), 0);
  assert.equal(countUnsound(int32([1], [0x7fc00000])), 0);
});
