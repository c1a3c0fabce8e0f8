// Every sample as often as it repeats in every epoch, and the same batch for the same step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchPlan, type Bucketed } from './batches.ts';
import type { Size } from './buckets.ts';

const sizes: Size[] = [
  [512, 512],
  [384, 640],
  [640, 384],
];
/** 23 samples in three buckets, some repeated. */
const samples: Bucketed[] = Array.from({ length: 23 }, (_, i) => ({
  bucket: sizes[i % 5 < 3 ? 0 : (i % 5) - 2],
  repeats: i % 7 === 0 ? 3 : 1,
}));

test('steps of an epoch are counted by bucket', () => {
  for (const batchSize of [1, 2, 3, 4, 100]) {
    const counts = sizes.map((size) =>
      samples
        .filter(({ bucket }) => bucket === size)
        .reduce((sum, { repeats }) => sum + repeats, 0),
    );
    const expected = counts.reduce((sum, n) => sum + Math.ceil(n / batchSize), 0);
    assert.equal(batchPlan({ samples, batchSize, seed: 1 }).stepsPerEpoch, expected);
  }
});

test('each epoch shows each sample as often as it repeats, in batches of one bucket', () => {
  const plan = batchPlan({ samples, batchSize: 3, seed: 7, runLength: 2 });
  for (let epoch = 0; epoch < 3; epoch++) {
    const seen = samples.map(() => 0);
    for (let i = 0; i < plan.stepsPerEpoch; i++) {
      const batch = plan.batchAt(epoch * plan.stepsPerEpoch + i);
      assert.equal(batch.epoch, epoch);
      assert.ok(batch.indices.length >= 1 && batch.indices.length <= 3, 'batch size');
      for (const index of batch.indices) {
        assert.deepEqual(samples[index].bucket, batch.bucket);
        seen[index]++;
      }
    }
    assert.deepEqual(
      seen,
      samples.map(({ repeats }) => repeats),
    );
  }
});

test('a batch depends on seed and step alone, not on the steps asked for before', () => {
  const straight = batchPlan({ samples, batchSize: 2, seed: 5 });
  const total = 4 * straight.stepsPerEpoch;
  const list = Array.from({ length: total }, (_, step) => straight.batchAt(step));
  const jumping = batchPlan({ samples, batchSize: 2, seed: 5 });
  for (let i = 0; i < total; i++) {
    const step = (i * 31) % total;
    assert.deepEqual(jumping.batchAt(step), list[step]);
  }
  const other = batchPlan({ samples, batchSize: 2, seed: 6 });
  assert.notDeepEqual(
    list.map(({ indices }) => indices),
    list.map((_, step) => other.batchAt(step).indices),
  );
  const [first, second] = [
    list.slice(0, straight.stepsPerEpoch),
    list.slice(straight.stepsPerEpoch, 2 * straight.stepsPerEpoch),
  ];
  assert.notDeepEqual(
    first.map(({ indices }) => indices),
    second.map(({ indices }) => indices),
    'epochs differ',
  );
});

test('buckets change at most once a run', () => {
  const many = Array.from({ length: 400 }, (_, i) => ({ bucket: sizes[i % 3], repeats: 1 }));
  const plan = batchPlan({ samples: many, batchSize: 2, seed: 3, runLength: 8 });
  let changes = 0;
  for (let step = 1; step < plan.stepsPerEpoch; step++)
    if (plan.batchAt(step).bucket !== plan.batchAt(step - 1).bucket) changes++;
  assert.ok(
    changes <= Math.ceil(plan.stepsPerEpoch / 8) + 3,
    `${changes} changes in ${plan.stepsPerEpoch} steps`,
  );
});
