// What copies take is what they would hold, or nothing where they are too many.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Weights } from '../../tensor/weights.ts';
import { fromFloat32 } from '../../tensor/half.ts';
import { float32CopyBytes, splitWeights } from './float32-copies.ts';
import { stepGraph } from './step-graph.ts';
import { tinyAdapter, tinyModel } from './tiny-models.test-util.ts';

test('bytes of the copies of a half-precision model; none of float32, or above the limit', () => {
  const { config, weights } = tinyModel('qwen2');
  const paths = tinyAdapter(config).modules.map(({ path }) => path);
  const halves = new Map(
    [...weights].map(([key, tensor]) => [key, fromFloat32(tensor, 'bfloat16')]),
  );
  const { copies } = splitWeights(stepGraph(config, { tokens: 1, capacity: 1 }), halves, 2 ** 30);
  assert.equal(
    float32CopyBytes(paths, halves),
    Object.values(copies).reduce((sum, { data }) => sum + data.byteLength, 0),
  );
  assert.ok(float32CopyBytes(paths, halves) > 0);
  assert.equal(float32CopyBytes(paths, weights), 0);
  const large: Weights = new Map([
    [
      'a.weight',
      { dtype: 'float16', path: 'a', offset: 0, length: 2 ** 30, shape: [2 ** 15, 2 ** 14] },
    ],
  ]);
  assert.equal(float32CopyBytes(['a'], large), 0);
});
