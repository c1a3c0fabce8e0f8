import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTooNarrow, lossOf, type Loss } from './narrow.ts';
import type { FloatDType } from './half.ts';

/** nonZero, lost, infinite, unsound. */
type Counts = [number, number, number, number];

const cases: readonly (readonly [FloatDType, number[], Counts])[] = [
  ['float16', [0, 1, -65504, 2 ** -22, -0], [3, 0, 0, 0]],
  ['float16', [1e-8, -1e-8, 3], [3, 2, 0, 0]],
  ['float16', [65519, 65520, -1e30], [3, 2, 2, 0]],
  ['float16', [2 ** -24, 3 * 2 ** -24], [2, 0, 0, 0]], // subnormal, and exact
  ['float16', [1.4 * 2 ** -24], [1, 1, 0, 0]], // subnormal: a third is lost
  ['float16', [NaN, Infinity, 1], [3, 0, 0, 2]],
  ['bfloat16', [1e-8, 1e30, 1e-38], [3, 0, 0, 0]],
  ['bfloat16', [3.4e38, 1e-41], [2, 2, 1, 0]],
  ['float32', [1e-8, 1e38], [2, 0, 0, 0]],
  ['float32', [1e39, 1e-50, 1], [3, 2, 1, 0]],
];

for (const [dtype, values, [nonZero, lost, infinite, unsound]] of cases)
  test(`${values.join(', ')} in ${dtype}`, () => {
    const expected: Loss = { nonZero, lost, infinite, unsound };
    assert.deepEqual(lossOf(Float64Array.from(values), dtype), expected);
  });

test('a type is too narrow from one infinity, or from more than one lost number in a hundred', () => {
  const loss = (lost: number, infinite = 0) => ({ nonZero: 1000, lost, infinite, unsound: 0 });
  assert.deepEqual([loss(0), loss(10), loss(11), loss(1, 1)].map(isTooNarrow), [
    false,
    false,
    true,
    true,
  ]);
});
