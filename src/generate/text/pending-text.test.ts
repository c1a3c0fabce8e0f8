// What may begin a stop string waits; nothing else does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pendingText } from './pending-text.ts';

function read(stops: readonly string[], pieces: readonly string[]) {
  const pending = pendingText(stops);
  const given = pieces.map((piece) => pending.push(piece));
  return {
    texts: given.map(({ text }) => text),
    stopped: given.some(({ stopped }) => stopped),
    rest: pending.end(),
  };
}

test('without stop strings all is given at once', () =>
  assert.deepEqual(read([], ['a', 'b']), { texts: ['a', 'b'], stopped: false, rest: '' }));

test('a beginning waits until it is none', () => {
  assert.deepEqual(read(['###'], ['a#', '#', 'b##']), {
    texts: ['a', '', '##b'],
    stopped: false,
    rest: '##',
  });
});

test('the first of several ends the text, over pieces too', () => {
  assert.deepEqual(read(['User:', 'END'], ['yes\nUs', 'er: END']), {
    texts: ['yes\n', ''],
    stopped: true,
    rest: '',
  });
});

test('a beginning within a beginning', () =>
  assert.deepEqual(read(['aab'], ['aa', 'ab']), { texts: ['', 'a'], stopped: true, rest: '' }));
