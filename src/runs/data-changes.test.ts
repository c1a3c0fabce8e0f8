import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DataError } from '../errors.ts';
import { dataChanges } from './data-changes.ts';
import { readSamples, type RecordedSample } from './samples.ts';
import { testFolder } from './made-run.test-util.ts';

const one = (name: string, sha256 = name, more: Partial<RecordedSample> = {}) => ({
  name,
  sha256,
  ...more,
});

test('samples that came, went, changed, were described otherwise, and moved are told apart', () => {
  const before = [
    one('a.png'),
    one('b.png', 'b', { caption: 'x' }),
    one('c.png'),
    one('d.png'),
    one('e.png', 'e', { repeats: 1 }),
  ];
  const after = [
    one('a.png'),
    one('b.png', 'b', { caption: 'y' }),
    one('c.png', 'other'),
    one('sub/d.png', 'd.png'),
    one('e.png', 'e'),
    one('new.png'),
  ];
  assert.deepEqual(dataChanges(before, after), {
    before: 5,
    after: 6,
    same: 2,
    added: ['new.png'],
    removed: [],
    changed: ['c.png'],
    described: ['b.png'],
    moved: 1,
  });
  assert.deepEqual(dataChanges(after, before).removed, ['new.png']);
});

test('a line at the beginning of a file of texts is one that was added, not all changed', () => {
  const before = ['x', 'y', 'z'].map((text, i) => one(`t.jsonl:${i + 1}`, text));
  const after = ['new', 'x', 'y', 'z'].map((text, i) => one(`t.jsonl:${i + 1}`, text));
  const { added, removed, changed, moved } = dataChanges(before, after);
  assert.deepEqual([added, removed, changed, moved], [['t.jsonl:1'], [], [], 3]);
});

test('the same sample twice is two samples', () => {
  const { same, added, removed } = dataChanges([one('a'), one('a')], [one('a')]);
  assert.deepEqual([same, added, removed], [1, [], ['a']]);
});

test('names that are words of the language are names', () => {
  const { added } = dataChanges([], [one('__proto__'), one('constructor')]);
  assert.deepEqual(added, ['__proto__', 'constructor']);
});

test('samples that were not recorded are not known; a damaged record is refused', (t) => {
  const dir = testFolder(t);
  assert.equal(readSamples(dir), undefined);
  writeFileSync(join(dir, 'data.json'), '{ "samples": [');
  assert.throws(() => readSamples(dir), DataError);
});
