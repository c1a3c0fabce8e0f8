// A batch holds whole dialogues that do not see each other, and trains what the product's own
// reading of the data trains.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TextContent } from '../../src/dataset/text/sample.ts';
import { sequencesOf } from '../../src/dataset/text/sequences.ts';
import { batchAt, DIALOGUES, LENGTH, ROWS } from './batches.ts';
import { baseDialogue } from './dialogues.ts';
import { openReader } from './train.ts';
import { messages } from './write.ts';

const SEED = 6;
const reader = openReader();
const numbers = (batch: ReturnType<typeof batchAt>, name: string): number[] =>
  Array.from(batch[name].data, Number);

test('the same step is the same batch; rows are nearly full', () => {
  const batch = batchAt(3, SEED, reader);
  assert.deepEqual(batchAt(3, SEED, reader), batch);
  assert.notDeepEqual(batchAt(4, SEED, reader).input_ids, batch.input_ids);
  assert.ok(
    numbers(batch, 'segments').filter((segment) => segment > 0).length > 0.85 * ROWS * LENGTH,
  );
  assert.ok(
    Math.abs(numbers(batch, 'label_weights').reduce((sum, weight) => sum + weight, 0) - 1) < 1e-5,
  );
});

test('the first dialogue of each row: ids, labels and weights', () => {
  const batch = batchAt(2, SEED, reader);
  const read = (content: TextContent) =>
    sequencesOf({ where: '', source: 0, content }, { ...reader, maxSeqLength: LENGTH })
      .sequences[0];
  const drawn = new Map(
    Array.from({ length: DIALOGUES }, (_, n) =>
      read({ kind: 'chat', messages: messages(baseDialogue(SEED, 2 * DIALOGUES + n)) }),
    ).map((sequence) => [sequence.ids.join(), sequence]),
  );
  const most = Math.max(...numbers(batch, 'label_weights'));
  for (let row = 0; row < ROWS; row++) {
    const part = (name: string, length = LENGTH) =>
      numbers(batch, name).slice(row * LENGTH, row * LENGTH + length);
    const length = part('segments').findIndex((segment) => segment !== 1);
    const found =
      drawn.get(part('input_ids', length).join()) ??
      assert.fail(`row ${row} begins with none of the dialogues`);
    assert.deepEqual(part('labels', length - 1), [...found.ids].slice(1));
    const weights = part('label_weights', length).map(
      (weight) => Math.round((weight / most) * 5) / 5,
    );
    assert.deepEqual(weights, [
      ...[...found.trained].slice(1).map((one) => (one === 1 ? 1 : 0.2)),
      0,
    ]);
    assert.deepEqual(part('position_ids', length + 2), [...Array(length).keys(), 0, 1]);
  }
});
