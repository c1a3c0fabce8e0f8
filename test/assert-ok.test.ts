// The tests' own tools: scripts/assert-ok.mjs, which scripts/test.mjs loads.

import assert from 'node:assert/strict';
import { test } from 'node:test';

test('an assert.ok that fails without a message says what it found at once, and where', () => {
  const isEmpty = (list: readonly string[]) => list.length === 0;
  const caught = (check: () => void): unknown => {
    try {
      check();
    } catch (error) {
      return error;
    }
    return undefined;
  };
  const error = caught(() => assert.ok(isEmpty(['a'])));
  assert(error instanceof assert.AssertionError, 'no AssertionError');
  assert.equal(error.message, 'expected a true value; found false');
  assert.match(error.stack ?? '', /^[^\n]*\n +at \S*[^\n]*assert-ok\.test\.ts:\d+/);
  assert.equal(
    caught(() => assert.ok(true)),
    undefined,
  );
});

test('an assert.ok with a message, or an error, gives that', () => {
  assert.throws(() => assert.ok(0, 'none'), { message: 'none', name: 'AssertionError' });
  assert.throws(() => assert.ok(null, new RangeError('far')), {
    message: 'far',
    name: 'RangeError',
  });
});
