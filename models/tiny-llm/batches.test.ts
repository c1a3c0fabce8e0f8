// A batch holds whole dialogues that do not see each other, and trains what the product's own reading of the data trains.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sequencesOf } from '../../src/dataset/text/sequences.ts';
import { batchAt, LENGTH, ROWS } from './batches.ts';
import { baseDialogue } from './dialogues.ts';
import { openReader } from './train.ts';
import { messages } from './write.ts';

const SEED = 6;
const reader = openReader();
const numbers = (batch: ReturnType<typeof batchAt>, name: string): number[] => Array.from(batch[name].data, Number);

test('the same step is the same batch; rows are nearly full', () => {
  const batch = batchAt(3, SEED, reader);
  assert.deepEqual(batchAt(3, SEED, reader), batch);
  assert.notDeepEqual(batchAt(4, SEED, reader).input_ids, batch.input_ids);
  assert.ok(numbers(batch, 'segments').filter((segment) => segment > 0).length > 0.85 * ROWS * LENGTH);
  assert.ok(Math.abs(numbers(batch, 'label_weights').reduce((sum, weight) => sum + weight, 0) - 1) < 1e-5);
});

test('the first dialogue of a batch: ids, labels and weights', () => {
  const batch = batchAt(0, SEED, reader);
  const content = { kind: 'chat', messages: messages(baseDialogue(SEED, 0)) } as const;
  const [{ ids, trained }] = sequencesOf({ where: '', source: 0, content }, { ...reader, maxSeqLength: LENGTH }).sequences;
  assert.deepEqual(numbers(batch, 'input_ids').slice(0, ids.length), [...ids]);
  assert.deepEqual(numbers(batch, 'labels').slice(0, ids.length - 1), [...ids].slice(1));
  const weights = numbers(batch, 'label_weights').slice(0, ids.length);
  const most = Math.max(...weights);
  assert.deepEqual(weights.map((weight) => (weight === 0 ? 0 : weight === most ? 1 : 0.2)), [...[...trained].slice(1).map((one) => (one === 1 ? 1 : 0.2)), 0]);
  assert.deepEqual(numbers(batch, 'position_ids').slice(0, ids.length + 2), [...ids.keys(), 0, 1]);
  assert.deepEqual(new Set(numbers(batch, 'segments').slice(0, ids.length)), new Set([1]));
});
