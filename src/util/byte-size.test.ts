import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteSize } from './byte-size.ts';

test('little is not told as nothing: a disk with 200 KiB left was said to have 0 MiB', () => {
  assert.deepEqual([0, 1, 200 * 1024, 2 ** 20, 820 * 2 ** 20, 1.2 * 2 ** 30].map(byteSize), [
    '0 MiB',
    '1 KiB',
    '200 KiB',
    '1 MiB',
    '820 MiB',
    '1.2 GiB',
  ]);
});
