import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { UserError } from '../errors.ts';
import { comparisonPage } from './compare-page.ts';
import { compareSamples } from './compare-samples.ts';
import { comparedFigures, compareRuns } from './compare.ts';
import { makeRun, testFolder, type MadeRun } from './made-run.test-util.ts';
import { namedRun } from './run-names.ts';

function pair(dir: string, a: MadeRun, b: MadeRun) {
  const [one, other] = [makeRun(join(dir, 'a'), a), makeRun(join(dir, 'b'), b)];
  return compareRuns(namedRun(one), namedRun(other));
}

test('settings that differ are told, places and what follows from another key are not', (t) => {
  const source = (path: string) => ({
    train_data_dir: path,
    train_data: [{ path, weight: 1 }],
    output_dir: path,
  });
  const { settings, machine } = pair(
    testFolder(t),
    { settings: { ...source('./x'), learning_rate: 0.001, sample_prompts: ['a'], new_key: 1 } },
    {
      settings: { ...source('./y'), learning_rate: 0.002, sample_prompts: ['a'] },
      facts: { threads: 8 },
    },
  );
  assert.deepEqual(settings, [
    { key: 'train_data_dir', values: ['./x', './y'] },
    { key: 'learning_rate', values: ['0.001', '0.002'] },
    { key: 'new_key', values: ['1', undefined] },
  ]);
  assert.deepEqual(machine, [{ key: 'threads', values: ['2', '8'] }]);
});

test('data that a run weighs are settings, too', (t) => {
  const weighed = (weight: number) => ({
    train_data_dir: './x',
    train_data: [{ path: './x', weight }],
  });
  const { settings } = pair(testFolder(t), { settings: weighed(1) }, { settings: weighed(2) });
  assert.deepEqual(
    settings.map(({ key }) => key),
    ['train_data'],
  );
});

test('runs of one name are told apart by their ids, checkpoints of one run by their steps', (t) => {
  const dir = testFolder(t);
  const { runs } = pair(dir, { id: '20260101-000000' }, { id: '20260102-000000' });
  assert.deepEqual(
    runs.map(({ title }) => title),
    ['brand 20260101-000000', 'brand 20260102-000000'],
  );
  const same = compareRuns(namedRun(`${join(dir, 'a')}@200`), namedRun(`${join(dir, 'a')}@400`));
  assert.deepEqual(
    same.runs.map(({ title }) => title),
    ['brand@200', 'brand@400'],
  );
});

test('figures of runs that recorded nothing are left out, and numbers that are none are said', (t) => {
  const comparison = pair(testFolder(t), { losses: [1, NaN] }, { heldBack: { 200: 0.25 } });
  assert.deepEqual(
    comparedFigures(comparison).map(({ name, values }) => [name, ...values]),
    [
      ['state', 'done', 'done'],
      ['steps', '400', '400'],
      ['loss at the end', 'NaN', '–'],
      ['held back, at the end', '–', '0.2500'],
      ['held back, at best', '–', '0.2500, step 200'],
    ],
  );
});

test('the page has curves, tables, samples and lists, runs nothing and asks for nothing', (t) => {
  const comparison = pair(
    testFolder(t),
    {
      name: '<script>alert(1)</script>',
      losses: Array.from({ length: 3000 }, (_, i) => 1 / (i + 1)),
      heldBack: { 200: 0.5, 400: 0.25 },
      samples: [{ name: 'a"b.png', sha256: '1' }],
    },
    { name: 'b', losses: [1, NaN, 2], samples: [{ name: 'c.png', sha256: '2' }] },
  );
  const png = Uint8Array.of(1, 2, 3);
  const page = comparisonPage(comparison, {
    columns: ['without an adapter', 'a', 'b'],
    rows: [
      {
        prompt: '<b>lamp</b>',
        seed: 7,
        cells: [1, 2, 3].map(() => ({ kind: 'picture', png })),
      },
    ],
  });
  assert.doesNotMatch(page, /<script|<b>|https?:|src="(?!data:)|NaN/);
  assert.match(page, /default-src 'none'/);
  assert.equal(page.match(/<polyline/g)?.length, 4); // both losses, both on what was held back
  assert.match(page, /&lt;b&gt;lamp&lt;\/b&gt; <span class="where">seed 7</);
  assert.equal(page.match(/data:image\/png;base64,AQID/g)?.length, 3);
  assert.match(page, /1 sample, then 1: 1 added, 1 removed/);
  assert.match(page, /<li>a&quot;b\.png<\/li>/);
  assert.ok(page.length < 60_000); // curves are thinned
});

test('a page without curves, samples or recorded data is a page', (t) => {
  const page = comparisonPage(pair(testFolder(t), { name: 'a' }, { name: 'b' }));
  assert.doesNotMatch(page, /<svg|<img|undefined/);
  assert.match(page, /did not record its samples/);
});

const refusals: readonly (readonly [RegExp, MadeRun, MadeRun])[] = [
  [/one of these runs is for pictures/, { task: 'image' }, { task: 'text-generation' }],
  [/neither run has sample_prompts/, {}, {}],
  [
    /its base model, \/models\/nowhere, is not on this machine/,
    { settings: { sample_prompts: ['x'] }, facts: { base: '/models/nowhere' } },
    {},
  ],
  [
    /its base model, \.\/models\/nowhere, is neither in the current folder nor [^]*where the run began/,
    { settings: { sample_prompts: ['x'] }, facts: { base: './models/nowhere' } },
    {},
  ],
  [
    /has no adapter: nothing was saved yet/,
    { settings: { sample_prompts: ['x'] }, steps: [], facts: { base: '.' } },
    {},
  ],
];
for (const [message, a, b] of refusals)
  test(`samples that cannot be made are refused: ${message.source}`, async (t) => {
    const comparison = pair(testFolder(t), a, b);
    await assert.rejects(
      async () => {
        for await (const _ of compareSamples(comparison, { device: 'cpu', threads: 1 }));
      },
      (error) => error instanceof UserError && message.test(error.message),
    );
  });
