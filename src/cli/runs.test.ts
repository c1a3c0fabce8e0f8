import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { findRuns } from '../index.ts';
import { lock, makeRun, testFolder } from '../runs/made-run.test-util.ts';
import { ago, displayWidth, fileSize } from './format.ts';
import { runsCommand, runLines } from './runs.ts';
import { runsShowCommand, showLines } from './runs-show.ts';
import { runCommand } from './run.test-util.ts';

const commands = [runsCommand, runsShowCommand];
const now = Date.parse('2026-02-02T13:00:00.000Z');

test('lora runs lists every run with its figures and what it was made from', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'), {
    name: 'brand',
    id: '20260201-120000',
    result: 400,
    heldBack: { 200: 0.03125, 400: 0.5 },
    losses: [3, 2, 1.5],
    facts: {
      started: '2026-02-01T12:00:00.000Z',
      parent: { from: 'old@200', file: 'old.safetensors', sha256: 'aa', step: 200 },
      plan: {
        totalSteps: 400,
        epochs: 2,
        stepsPerEpoch: 200,
        samples: 12,
        sampleName: 'picture',
        trainableParameters: 5,
      },
    },
  });
  makeRun(join(dir, 'b'), { name: 'talk', task: 'text-generation', ended: false });
  lock(join(dir, 'b'));
  const lines = runLines(findRuns([dir]).runs, 80, now).map(stripVTControlCharacters);
  assert.deepEqual(
    lines.map((line) => line.replace(/ {2,}/g, ' | ').trim()),
    [
      'NAME | STATE | STEPS | LOSS | BEST | SIZE | WHEN',
      `brand | done | 400/400 | 1.500 | 0.0313@200 | ${lines[1].match(/\d+ \w+(?= {2})/)?.[0]} | 25 h ago`,
      '| 20260201-120000 | ./models/tiny | ./data/brand | from old@200',
      lines[3].replace(/ {2,}/g, ' | ').trim(),
      '| 20260131-120000 | ./models/tiny | ./data/brand',
    ],
  );
  assert.match(lines[3], /^talk +running +400 +– +– /);
  const { text, code } = await runCommand(commands, ['runs', dir]);
  assert.equal(code, 0);
  assert.match(text, /^NAME +STATE/);
});

test('the list keeps within 80 columns, with long, wide and dangerous names', (t) => {
  const dir = testFolder(t);
  const names = ['a'.repeat(120), '品牌风格'.repeat(20), 'x\u001b[31m\ny', 'done'];
  names.forEach((name, i) =>
    makeRun(join(dir, String(i)), {
      facts: { name, base: `./${'b'.repeat(200)}` },
      losses: [1e-7],
    }),
  );
  const lines = runLines(findRuns([dir]).runs, 80, now).map(stripVTControlCharacters);
  assert.equal(lines.length, 1 + 2 * names.length);
  for (const line of lines) {
    assert.ok(displayWidth(line) < 80, line);
    assert.doesNotMatch(line, /[\u0000-\u001f]/);
  }
});

test('no runs, a folder that is not there, and a mistyped command say what to do', async (t) => {
  const dir = testFolder(t);
  assert.match((await runCommand(commands, ['runs', dir])).text, /No runs here. lora train makes/);
  const { text, code } = await runCommand(commands, ['runs', 'shwo', join(dir, 'x')]);
  assert.equal(code, 1);
  assert.match(text, /shwo: there is no such folder, and no such command/);
});

test('--json gives the list and a run as data', async (t) => {
  const dir = testFolder(t);
  makeRun(dir, { result: 400, heldBack: { 200: 0.5 } });
  const { runs } = JSON.parse((await runCommand(commands, ['runs', dir, '--json'])).text);
  const shown = JSON.parse((await runCommand(commands, ['runs', 'show', dir, '--json'])).text);
  assert.deepEqual(runs, [shown]);
  assert.deepEqual(shown.best, { step: 200, validation_loss: 0.5 });
  assert.equal(shown.state, 'done');
  assert.equal(shown.checkpoints[1].files.length, 3);
});

test('a run.json that is damaged is a warning above the list', async (t) => {
  const dir = testFolder(t);
  makeRun(join(dir, 'a'));
  mkdirSync(join(dir, 'b'));
  writeFileSync(join(dir, 'b/run.json'), '{');
  const { text, code } = await runCommand(commands, ['runs', dir]);
  assert.equal(code, 0);
  assert.match(text, /^warning .*run\.json: is damaged.*left out\n[^]*brand/);
});

test('lora runs show tells the course of a run and its checkpoints, within 80 columns', (t) => {
  const dir = testFolder(t);
  const made = makeRun(join(dir, 'brand'), {
    steps: [200, 400],
    result: 400,
    heldBack: { 200: 0.25, 400: 0.5 },
    losses: Array.from({ length: 400 }, (_, i) => 1 / (i + 1)),
    facts: {
      tags: [{ tag: 'shop', step: 200 }],
      changes: [{ at: '2026-01-31T12:30:00.000Z', step: 100, key: 'epochs', from: 1, to: 2 }],
    },
  });
  const text = showLines(findRuns([made]).runs[0], 79, now)
    .map(stripVTControlCharacters)
    .join('\n');
  for (const line of text.split('\n')) assert.ok(displayWidth(line) < 80, line);
  assert.match(text, /^brand: done, 400 steps\n/);
  assert.match(text, /held back {4}0\.5000 {2}[▁-█]+/);
  assert.match(text, /best {9}step 200: 0\.2500 on what was held back/);
  assert.match(text, /changed {6}epochs after step 100: 1 → 2/);
  assert.match(text, / 200 +0\.005000 +0\.2500 .* brand-step00000200\.saf.* +best, shop/);
  assert.match(text, / 400 +0\.002500 +0\.5000 .* brand\.safetensors +current/);
});

test('why a run is not done is told', (t) => {
  const dir = testFolder(t);
  const text = (name: string, ...made: Parameters<typeof makeRun>) => {
    const run = makeRun(join(dir, name), ...(made.slice(1) as [])); // the folder is given above
    return stripVTControlCharacters(showLines(findRuns([run]).runs[0], 79, now)[0]);
  };
  assert.match(
    text('a', '', { ended: false }),
    /^brand: interrupted, 400 steps; the last start was ended from outside after step 400/,
  );
  assert.match(text('b', '', { how: 'stopped' }), /^brand: interrupted, .*; stopped when asked to/);
  const running = makeRun(join(dir, 'c'), { ended: false });
  lock(running);
  assert.match(showLines(findRuns([running]).runs[0], 79, now)[0], /process \d+ on .* is at work/);
});

test('times and sizes as people read them', () => {
  const minute = 60_000;
  const cases: readonly [number, string][] = [
    [0, 'just now'],
    [5 * minute, '5 min ago'],
    [3 * 60 * minute, '3 h ago'],
    [50 * 60 * minute, '2 d ago'],
    [40 * 1440 * minute, '2025-12-24'],
    [-90 * minute, '2026-02-02'], // a clock that was set back
  ];
  for (const [before, said] of cases) assert.equal(ago(now - before, now), said);
  assert.deepEqual([0, 2000, 3e6].map(fileSize), ['0 bytes', '2 KiB', '3 MiB']);
});
