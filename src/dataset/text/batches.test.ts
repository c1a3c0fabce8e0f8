// Every sequence in every epoch, the same batch for the same step, and rows whose sequences do not
// see each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TextBatchOptions, textBatchPlan, textTensors, NO_LABEL } from './batches.ts';
import { pack } from './packing.ts';
import type { Sequence } from './sequences.ts';

const lengths = Array.from({ length: 101 }, (_, i) => 5 + ((i * 37) % 60));
const base: TextBatchOptions = { lengths, batchSize: 4, maxSeqLength: 128, seed: 3 };
const shapes: Readonly<Record<string, TextBatchOptions>> = {
  plain: base,
  grouped: { ...base, groupByLength: true },
  packed: { ...base, packing: true },
};

for (const [name, options] of Object.entries(shapes)) {
  test(`${name}: each epoch shows each sequence once, in an order of its own, the same for the same step`, () => {
    const [plan, again] = [textBatchPlan(options), textBatchPlan(options)];
    const orders = [0, 1].map((epoch) => {
      const batches = Array.from({ length: plan.stepsPerEpoch }, (_, i) =>
        plan.batchAt(epoch * plan.stepsPerEpoch + i),
      );
      const seen = batches.flatMap(({ rows }) => rows.flat());
      assert.deepEqual(
        [...seen].sort((a, b) => a - b),
        lengths.map((_, i) => i),
      );
      for (const { rows, length } of batches) {
        assert.ok(rows.length <= 4 && length <= 128 && length % 16 === 0);
        for (const row of rows) assert.ok(row.reduce((sum, i) => sum + lengths[i], 0) <= length);
      }
      assert.deepEqual(again.batchAt(epoch * plan.stepsPerEpoch + 2), batches[2]);
      return seen.join();
    });
    assert.notEqual(orders[0], orders[1]);
  });
}

test('grouping wastes little, packing less', () => {
  const filled = ({ batchAt, stepsPerEpoch }: ReturnType<typeof textBatchPlan>): number =>
    Array.from({ length: stepsPerEpoch }, (_, i) => batchAt(i)).reduce(
      (sum, { rows, length }) => sum + rows.length * length,
      0,
    );
  const tokens = lengths.reduce((sum, n) => sum + n, 0);
  const [plain, grouped, packed] = Object.values(shapes).map(
    (options) => filled(textBatchPlan(options)) / tokens,
  );
  assert.ok(grouped < 1.35 && grouped < plain && packed < 1.06, `${plain} ${grouped} ${packed}`);
});

test('weights: twice, half of them, never; the number of steps is the same in every epoch', () => {
  const weights = lengths.map((_, i) => (i < 20 ? 2 : i < 40 ? 0.5 : i < 60 ? 0 : 1));
  const plan = textBatchPlan({ ...base, weights });
  const counts = [0, 1].map((epoch) => {
    const count = lengths.map(() => 0);
    for (let i = 0; i < plan.stepsPerEpoch; i++)
      for (const index of plan.batchAt(epoch * plan.stepsPerEpoch + i).rows.flat()) count[index]++;
    return count;
  });
  for (const count of counts) {
    assert.ok(count.every((n, i) => (i < 20 ? n === 2 : i < 40 ? n <= 1 : n === (i < 60 ? 0 : 1))));
    assert.equal(
      count.slice(20, 40).reduce((sum, n) => sum + n, 0),
      10,
    );
  }
  assert.notDeepEqual(counts[0].slice(20, 40), counts[1].slice(20, 40));
});

test('packed, half of the sequences are others in each epoch too', () => {
  const plan = textBatchPlan({ ...base, packing: true, weights: lengths.map(() => 0.5) });
  const shown = [0, 1, 2].map((epoch) =>
    Array.from({ length: plan.stepsPerEpoch }, (_, i) =>
      plan.batchAt(epoch * plan.stepsPerEpoch + i).rows.flat(),
    )
      .flat()
      .sort((a, b) => a - b)
      .join(),
  );
  assert.equal(new Set(shown).size, 3);
});

test('packing fits as well as it can', () => {
  assert.deepEqual(pack([5, 3, 2, 6, 4], [0, 1, 2, 3, 4], 10), [
    [3, 4],
    [0, 1, 2],
  ]);
});

test('tensors: targets stay within their sequence, positions restart, padding is id 0 and sees nothing', () => {
  const sequence = (ids: number[], trained: number[]): Sequence => ({
    sample: { where: '', source: 0, content: { kind: 'text', text: '' } },
    ids: Int32Array.from(ids),
    trained: Uint8Array.from(trained),
  });
  const sequences = [sequence([1, 2, 3], [0, 0, 1]), sequence([4, 5], [0, 1])];
  const tensors = textTensors(sequences, { epoch: 0, rows: [[0, 1]], length: 6 });
  const none = NO_LABEL;
  assert.deepEqual([...tensors.ids], [1, 2, 3, 4, 5, 0]);
  assert.deepEqual([...tensors.targets], [none, 3, none, 5, none, none]);
  assert.deepEqual([...tensors.positions], [0, 1, 2, 0, 1, 0]);
  assert.deepEqual([...tensors.segments], [1, 1, 1, 2, 2, 0]);
  assert.equal(tensors.targetCount, 2);
});
