import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../errors.ts';
import { Postponed } from './postponed.ts';

const refused = () => {
  throw new SystemError([{ where: 'out', what: 'the disk is full' }]);
};

test('checkpoints that a full disk refuses are saved when it has room again, in their order', () => {
  const postponed = new Postponed();
  let isFull = true;
  const saving = (step: number) => () => (isFull ? refused() : [`step-${step}`]);
  for (const step of [10, 20])
    assert.throws(() => postponed.write(step, saving(step)), SystemError);
  assert.deepEqual([...postponed.retry()], []);
  isFull = false;
  assert.deepEqual(postponed.write(30, saving(30)), ['step-30']);
  const told = [...postponed.retry()].map(({ step, files }) => [step, ...files]);
  assert.deepEqual(told, [
    [10, 'step-10'],
    [20, 'step-20'],
  ]);
  assert.deepEqual([...postponed.retry()], []);
});

test('not more than three wait in memory, the newest; an error of the program is thrown', () => {
  const postponed = new Postponed();
  const tried: number[] = [];
  for (const step of [1, 2, 3, 4])
    assert.throws(() =>
      postponed.write(step, () => {
        tried.push(step);
        return tried.length > 4 ? [`${step}`] : refused();
      }),
    );
  assert.deepEqual(
    [...postponed.retry()].map(({ step }) => step),
    [2, 3, 4],
  );
  assert.throws(() => postponed.write(5, () => assert.fail('a bug')), /a bug/);
  assert.deepEqual([...postponed.retry()], []);
});
