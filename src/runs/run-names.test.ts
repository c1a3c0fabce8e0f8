import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { UserError } from '../errors.ts';
import { makeRun, testFolder } from './made-run.test-util.ts';
import { namedCheckpoint, namedRun } from './run-names.ts';

const problemOf = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError);
    return error.message;
  }
  throw new Error('nothing was refused');
};

test('a run goes by its folder, its id, its name, and the beginning of its id', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'output/a'), { name: 'brand', id: '20260131-120000' });
  makeRun(join(dir, 'output/b'), { name: 'other', id: '20260202-120000' });
  makeRun(join(dir, 'output/a/runs/20250101-000000'), { name: 'brand', id: '20250101-000000' });
  const dirOf = (text: string) => namedRun(text, dir).run.dir;
  assert.equal(dirOf(join(dir, 'output/a')), join(dir, 'output/a'));
  assert.equal(dirOf('20260131-120000'), join(dir, 'output/a'));
  assert.equal(dirOf('brand'), join(dir, 'output/a')); // not the earlier one
  assert.equal(dirOf('2025'), join(dir, 'output/a/runs/20250101-000000'));
  assert.equal(dirOf('other'), join(dir, 'output/b'));
});

test('names that several runs have, and names that none has, are refused with those that there are', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'), { name: 'brand', id: '20260131-120000' });
  makeRun(join(dir, 'b'), { name: 'brand', id: '20260131-130000' });
  for (const text of ['brand', '202601', '20260131-1']) {
    const message = problemOf(() => namedRun(text, dir));
    assert.match(message, /any of 2 runs/);
    assert.ok(message.includes(join(dir, 'a')) && message.includes(join(dir, 'b')));
  }
  assert.match(
    problemOf(() => namedRun('bramd', dir)),
    /Did you mean brand\?/,
  );
  assert.match(
    problemOf(() => namedRun('zzzzzzzzzzz', dir)),
    /lora runs lists them: brand/,
  );
  assert.match(
    problemOf(() => namedRun('', dir)),
    /names no run/,
  );
  assert.match(
    problemOf(() => namedRun('brand', join(dir, 'empty'))),
    /No run lies below/,
  );
});

test('a checkpoint goes by its step, its tag, best, current and last, or by its file', (t) => {
  const dir = testFolder(t);
  const facts = { tags: [{ tag: 'for-the-shop', step: 200 }] };
  makeRun(dir, { steps: [200, 400, 600], result: 400, heldBack: { 200: 0.5, 400: 0.25 }, facts });
  const stepOf = (text: string) => namedCheckpoint(text, dir).checkpoint.step;
  assert.deepEqual(
    ['brand@200', 'brand@00000200', 'brand@step200', 'brand@for-the-shop'].map(stepOf),
    [200, 200, 200, 200],
  );
  assert.deepEqual(
    ['brand@best', 'brand@current', 'brand@last', 'brand'].map(stepOf),
    [400, 400, 600, 400],
  );
  assert.equal(stepOf(join(dir, 'brand-step00000600.safetensors')), 600);
  assert.equal(stepOf(`${dir}@200`), 200);
});

test('a checkpoint that is not there is refused with the nearest', (t) => {
  const dir = testFolder(t);
  makeRun(dir, { facts: { tags: [{ tag: 'shop', step: 200 }] } });
  assert.match(
    problemOf(() => namedRun('brand@390', dir)),
    /there are 200, 400, shop\n {4}Did you mean @400\?/,
  );
  assert.match(
    problemOf(() => namedRun('brand@shopp', dir)),
    /Did you mean @shop\?/,
  );
  assert.match(
    problemOf(() => namedRun('brand@best', dir)),
    /nothing was held back/,
  );
});

test('a folder of a checkpoint names its run and its step', (t) => {
  const dir = testFolder(t);
  makeRun(dir, { task: 'text-generation', steps: [2, 4] });
  const { run, checkpoint } = namedCheckpoint(join(dir, 'checkpoint-2'));
  assert.equal(run.name, 'brand');
  assert.equal(checkpoint.step, 2);
});

test('a folder whose name has an @ is a folder', (t) => {
  const dir = join(testFolder(t), 'me@home');
  makeRun(dir, {});
  assert.equal(namedRun(dir).run.dir, dir);
  assert.equal(namedCheckpoint(`${dir}@400`).checkpoint.step, 400);
});
