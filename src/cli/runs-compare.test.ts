import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { compareRuns, namedRun } from '../index.ts';
import { makeRun, testFolder } from '../runs/made-run.test-util.ts';
import { blockChart } from './bars.ts';
import { commands } from './commands.ts';
import { displayWidth } from './format.ts';
import { comparisonLines } from './runs-compare.ts';
import { runCommand } from './run.test-util.ts';

const run = (...words: string[]) => runCommand(commands, ['runs', 'compare', ...words]);

function twoRuns(t: TestContext): readonly [string, string] {
  const dir = testFolder(t);
  const samples = ['a.png', 'b.png'].map((name) => ({ name, sha256: name }));
  return [
    makeRun(join(dir, 'first'), {
      name: 'first',
      result: 400,
      losses: Array.from({ length: 400 }, (_, i) => 1 / (1 + i / 40)),
      settings: { learning_rate: 0.001, sample_prompts: ['x'.repeat(200)] },
      samples,
    }),
    makeRun(join(dir, 'second'), {
      name: 'second',
      result: 200,
      losses: Array.from({ length: 200 }, (_, i) => 2 / (1 + i / 20)),
      settings: { learning_rate: 0.002, sample_prompts: ['品牌'.repeat(80)] },
      samples: samples.slice(1),
    }),
  ];
}

test('lora runs compare shows curves side by side, settings and data, and writes the page', async (t) => {
  const [a, b] = twoRuns(t);
  const page = join(a, '..', 'both.html');
  const { text, code } = await run(a, b, '--output', page);
  assert.equal(code, 0);
  assert.match(text, /learning_rate +0\.001 +0\.002/);
  assert.match(text, /data: 2 samples, then 1: 1 removed\n {2}removed: a\.png/);
  assert.match(text, /loss, its moving mean\n +first +second\n +\d\.\d+ +█/);
  assert.match(text, /1\.000 → 0\.\d+ at step 400 +2\.000 → 0\.\d+ at step 200/);
  assert.match(readFileSync(page, 'utf8'), /<polyline class="curve-1"/);
});

test('the comparison keeps within the columns of the terminal', (t) => {
  const [a, b] = twoRuns(t);
  const comparison = compareRuns(namedRun(a), namedRun(b));
  for (const width of [47, 79, 159])
    for (const line of comparisonLines(comparison, width).map(stripVTControlCharacters))
      assert.ok(displayWidth(line) <= width, `${width}: ${line}`);
});

test('--json gives the comparison as data and writes no page', async (t) => {
  const [a] = twoRuns(t);
  const here = process.cwd();
  process.chdir(join(a, '..'));
  t.after(() => process.chdir(here));
  const { runs, settings, data } = JSON.parse((await run('first', 'second', '--json')).text);
  assert.deepEqual(
    [runs[0].losses.length, settings[0].key, data.removed],
    [400, 'learning_rate', ['a.png']],
  );
  assert.ok(!existsSync('compare-first-second.html'));
  await run('first', 'second');
  assert.ok(existsSync('compare-first-second.html'));
});

test('a page that is no HTML file, and a device that is none, are refused before anything is computed', async (t) => {
  const [a, b] = twoRuns(t);
  assert.match((await run(a, b, '-o', join(a, 'x.png'))).text, /the page is an HTML file/);
  assert.match((await run(a, b, '-s', '--device', 'tpu')).text, /unknown value "tpu"/);
});

test('blocks stand for values, from the least to the greatest', () => {
  assert.deepEqual(blockChart([0, 1, 2, NaN], 2, { least: 0, most: 2 }), ['  █ ', '▁██ ']);
  assert.deepEqual(blockChart([5, 5], 1, { least: 5, most: 5 }), ['▄▄']);
});
