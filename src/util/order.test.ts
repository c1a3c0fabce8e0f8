// Order and digits that no locale changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byNumber, withCommas } from './order.ts';

test('places are sorted by their characters, digits by their number', () => {
  const sorted = ['Z', 'a', 'a.csv', 'a.csv:9', 'a.csv:10', 'b', 'i', 'ä', 'ı', '猫'];
  assert.deepEqual([...sorted].reverse().sort(byNumber), sorted);
  assert.deepEqual(['a10b', 'a9c', 'a9b'].sort(byNumber), ['a9b', 'a9c', 'a10b']);
});

test('thousands have commas', () => {
  assert.deepEqual([0, 999, 1000, 1234567, 999.6, -1234].map(withCommas), [
    '0',
    '999',
    '1,000',
    '1,234,567',
    '1,000',
    '-1,234',
  ]);
});
