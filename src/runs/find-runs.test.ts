import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findRuns } from './find-runs.ts';
import { lock, makeRun, testFolder } from './made-run.test-util.ts';

const named = (dir: string) => findRuns([dir]).runs.map(({ name }) => name);

test('runs are found below a folder with their earlier ones, not in node_modules or hidden folders', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'output/a'), { name: 'a', id: '20260101-000000' });
  makeRun(join(dir, 'output/customers/x/b'), { name: 'b' });
  makeRun(join(dir, 'output/a/runs/20250101-000000'), { name: 'a', id: '20250101-000000' });
  makeRun(join(dir, 'node_modules/c'), { name: 'c' });
  makeRun(join(dir, '.cache/d'), { name: 'd' });
  makeRun(join(dir, '1/2/3/4/5/e'), { name: 'e' });
  symlinkSync(dir, join(dir, 'circle'));
  const { runs, problems } = findRuns([dir]);
  assert.deepEqual(runs.map(({ name, earlier }) => [name, earlier]).sort(), [
    ['a', false],
    ['a', true],
    ['b', false],
  ]);
  assert.deepEqual(problems, []);
});

test('a folder that is called runs makes no run an earlier one', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'runs/mine'), { old: true, settings: { output_name: 'mine' } });
  const [found] = findRuns([dir]).runs;
  assert.equal(found.earlier, false);
  assert.equal(found.name, 'mine');
});

test('run.json files of another program, and damaged ones, are told and hide no run', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'good'), { name: 'good' });
  mkdirSync(join(dir, 'other'));
  writeFileSync(join(dir, 'other/run.json'), '{"program": "another"}');
  mkdirSync(join(dir, 'cut'));
  writeFileSync(join(dir, 'cut/run.json'), '{"id": "2026');
  const { runs, problems } = findRuns([dir]);
  assert.deepEqual(
    runs.map(({ name }) => name),
    ['good'],
  );
  assert.deepEqual(
    problems.map(({ where }) => where),
    [join(dir, 'cut/run.json'), join(dir, 'other/run.json')],
  );
});

for (const old of [false, true])
  test(`what became of a run is told by ${old ? 'its log and finish date, as before starts were recorded' : 'its last start'}`, (t) => {
    const dir = testFolder(t);
    const states = {
      done: makeRun(join(dir, 'done'), { old, result: 400 }),
      killed: makeRun(join(dir, 'killed'), { old, ended: false }),
      stopped: makeRun(join(dir, 'stopped'), { old, how: 'stopped' }),
      diverged: makeRun(join(dir, 'diverged'), { old, how: 'diverged' }),
      failed: makeRun(join(dir, 'failed'), { old, how: 'failed' }),
      running: makeRun(join(dir, 'running'), { old, ended: false }),
    };
    const log = (folder: string, line: string) =>
      appendFileSync(join(folder, 'logs/train.log'), `2026-01-31T12:00:00.000Z  ${line}\n`);
    log(states.stopped, 'stopped after step 400 of 900, 12.0 s');
    log(
      states.diverged,
      'warning: training: ended by an error: training stopped at step 3: the loss became NaN',
    );
    log(states.failed, 'warning: training: ended by an error: the disk is full');
    lock(states.running);
    const found = Object.fromEntries(
      findRuns([dir]).runs.map((run) => [run.dir.slice(dir.length + 1), run]),
    );
    assert.deepEqual(
      Object.keys(states).map((key) => found[key].state),
      ['done', 'interrupted', 'interrupted', 'diverged', 'interrupted', 'running'],
    );
    assert.equal(found.running.holder?.pid, process.pid);
    assert.match(found.killed.reason ?? '', /ended from outside after step 400|it was killed/);
    if (old) assert.equal(found.stopped.totalSteps, 900);
  });

test('a lock of a process that is gone makes no run a running one', (t) => {
  const dir = testFolder(t);
  makeRun(dir, { ended: false });
  lock(dir, 2 ** 22 + 1); // more than any system numbers
  assert.equal(findRuns([dir]).runs[0].state, 'interrupted');
});

test('checkpoints of a run from before they were recorded are found by their names', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'p'), { old: true, steps: [100, 200, 300], result: 300 });
  makeRun(join(dir, 't'), {
    old: true,
    task: 'text-generation',
    steps: [2, 10],
    result: 12,
    losses: Array(12).fill(1),
  });
  for (const [folder, steps, files] of [
    ['p', [100, 200, 300], ['brand.safetensors', 'pytorch_lora_weights.safetensors']],
    ['t', [2, 10, 12], ['adapter_model.safetensors', 'adapter_config.json']],
  ] as const) {
    const [{ checkpoints }] = findRuns([join(dir, folder)]).runs;
    assert.deepEqual(
      checkpoints.map(({ step }) => step),
      steps,
    );
    const result = checkpoints.find(({ current }) => current);
    assert.equal(result?.step, steps.at(-1));
    assert.deepEqual(
      result?.saved.find(({ final }) => final)?.files.map(({ name }) => name),
      files,
    );
  }
});

test('the best checkpoint is the one with the lowest loss on what was held back; without, none', (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'with'), { steps: [1, 2, 3], heldBack: { 1: 0.5, 2: 0.25, 3: 0.75 } });
  makeRun(join(dir, 'old'), { old: true, steps: [1, 2, 3], heldBack: { 1: 0.5, 2: NaN, 3: 0.25 } });
  makeRun(join(dir, 'without'), { losses: [3, 2, 1] });
  const best = (folder: string) =>
    findRuns([join(dir, folder)]).runs[0].checkpoints.find((one) => one.best)?.step;
  assert.deepEqual(['with', 'old', 'without'].map(best), [2, 3, undefined]);
});

test('metrics that a crash cut short, repeated or that hold no number are read all the same', (t) => {
  const dir = testFolder(t);
  makeRun(dir, { losses: [3, 2, 1] });
  appendFileSync(
    join(dir, 'logs/metrics.jsonl'),
    '{"step":3,"loss":7,"loss_average":7}\n{"step":4,"loss":null,"loss_average":null}\n{"step":5,"lo',
  );
  const [{ metrics }] = findRuns([dir]).runs;
  assert.deepEqual(
    metrics.steps.map(({ step, loss }) => [step, loss]),
    [
      [1, 3],
      [2, 2],
      [3, 7],
      [4, NaN],
    ],
  );
});

test('the order is by their beginning, the latest first', (t) => {
  const dir = testFolder(t);
  for (const [name, started] of [
    ['a', '2026-01-02T00:00:00.000Z'],
    ['b', '2026-03-01T00:00:00.000Z'],
    ['c', '2025-12-31T00:00:00.000Z'],
  ])
    makeRun(join(dir, name), { name, facts: { started } });
  assert.deepEqual(named(dir), ['b', 'a', 'c']);
});
