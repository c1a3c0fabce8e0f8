import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Start } from './facts.ts';
import { howItEnded, type LastSeen } from './how-it-ended.ts';

const now = { host: 'here', boot: 'b1', memoryKills: 4 };
const start: Start = {
  at: '2026-01-31T23:59:59.000Z',
  step: 0,
  pid: 1,
  host: 'here',
  boot: 'b1',
  memoryKills: 4,
};
const GiB = 2 ** 30;
const seen: LastSeen = { dir: 'out', step: 120, mostMemory: 3.1 * GiB, remedy: () => 'End some.' };
const what = (changes: Partial<Start>, about: Partial<LastSeen> = {}) =>
  howItEnded({ ...start, ...changes }, now, { ...seen, ...about })?.what ?? '';

test('a start that told how it ended is not explained again', () => {
  for (const how of ['done', 'stopped', 'diverged', 'failed'] as const) {
    const ended = { how, step: 3, at: start.at };
    assert.equal(howItEnded({ ...start, ended }, now, seen), undefined);
  }
});

test('out of memory: the next start says so, with the figures and what needs less', () => {
  const remedy = () => 'batch_size: 1 (about 1.4 GiB) would fit.';
  const problem = howItEnded({ ...start, memoryKills: 3 }, now, { ...seen, remedy });
  assert.match(problem?.what ?? '', /^memory ran out: .* a process .* after step 120/);
  assert.match(problem?.what ?? '', /held 3\.1 GiB then$/);
  assert.equal(problem?.fix, 'batch_size: 1 (about 1.4 GiB) would fit.');
});

test('out of memory before the first step, without any figures', () => {
  const none = { step: 0, mostMemory: undefined };
  assert.match(what({ memoryKills: 1 }, none), /3 processes .* before its first step$/);
});

test('a machine that was restarted is no lack of memory, though its counter began anew', () => {
  assert.match(what({ boot: 'b0', memoryKills: 9 }), /machine was restarted, or lost its power/);
  assert.match(what({ boot: 'b0', memoryKills: 0 }), /machine was restarted/);
});

test('a run that goes on elsewhere', () => {
  assert.match(what({ host: 'there', boot: 'b0' }), /another machine, there/);
});

test('a process that somebody killed, where the system counts what it ends itself', () => {
  assert.match(what({}), /ended from outside after step 120, by somebody or by a crash/);
  assert.match(what({}), /not for lack of memory$/);
});

test('where the system does not count, lack of memory is one of the causes, with the figure', () => {
  assert.match(
    what({ memoryKills: undefined }),
    /as it does when memory runs out.* 3\.1 GiB then$/,
  );
  const uncounted = howItEnded({ ...start, memoryKills: undefined }, now, seen);
  assert.equal(uncounted?.fix, 'End some.');
  assert.equal(howItEnded(start, now, seen)?.fix, undefined);
  assert.match(what({ boot: undefined, memoryKills: undefined }), /ended from outside/);
});
