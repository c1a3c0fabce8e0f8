import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rowLength, rowLengths } from './row-lengths.ts';

test('rows of sixty tokens were padded to 512 because max_seq_length was 4096', () => {
  const plain = { max_seq_length: 4096, packing: false };
  const rows = rowLengths(plain, [60, 12, 35]);
  assert.deepEqual(rows, { most: 64, step: 8 });
  assert.deepEqual(
    [1, 8, 9, 35, 60].map((length) => rowLength(length, rows)),
    [8, 8, 16, 40, 64],
  );
  const packed = rowLengths({ ...plain, packing: true }, [60, 12, 35], [1, 2, 0.5]);
  assert.deepEqual(packed, { most: 120, step: 15 });
});

test('no row is longer than max_seq_length', () => {
  for (const packing of [false, true])
    assert.equal(rowLengths({ max_seq_length: 100, packing }, [100, 99, 98]).most, 100);
});
