// A run with backup_dir, and what `lora runs` makes of runs as they really are.

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { ConfigError } from '../errors.ts';
import { compareRuns } from '../runs/compare.ts';
import { findRuns } from '../runs/find-runs.ts';
import { prune } from '../runs/remove.ts';
import { rollBack } from '../runs/rollback.ts';
import { namedRun } from '../runs/run-names.ts';
import { verifyRun } from '../runs/verify.ts';
import type { TrainEvent } from './events.ts';
import { train } from './run.ts';
import { writeSmallLanguageModel } from './testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'copies-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const base = join(root, 'base');
writeSmallLanguageModel(base);
const line = (n: number) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: `hat ${n}?` },
      { role: 'assistant', content: `hat ${n}.` },
    ],
  })}\n`;
const dataOf = (name: string, numbers: readonly number[]) => {
  writeFileSync(join(root, name), numbers.map(line).join(''));
  return join(root, name);
};
const twelve = Array.from({ length: 12 }, (_, n) => n);

const settingsOf = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({
  task_type: 'text-generation',
  base_model: base,
  train_data_dir: dataOf('texts.jsonl', twelve),
  output_dir: join(root, name),
  lora_rank: 2,
  batch_size: 2,
  max_train_steps: 6,
  save_steps: 2,
  validation_split: 0.2,
  validation_steps: 2,
  max_seq_length: 96,
  num_threads: 1,
  ...more,
});

/** `on` is told of each event, and may end the run. */
async function run(
  settings: Readonly<Record<string, unknown>>,
  on: (event: TrainEvent, stop: () => void) => void = () => undefined,
): Promise<TrainEvent[]> {
  const stopping = new AbortController();
  const events: TrainEvent[] = [];
  for await (const event of train(parseConfig(settings), { signal: stopping.signal })) {
    events.push(event);
    on(event, () => stopping.abort());
  }
  return events;
}

const warningsOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === 'warning' ? [event.problem.what] : []));

test('a backup disk that vanishes while a run is trained is one warning, and gets what it missed', async () => {
  const backup_dir = join(root, 'disk');
  const away = `${backup_dir}-away`;
  const events = await run(settingsOf('a', { backup_dir }), (event) => {
    if (event.type === 'step' && event.step === 3) renameSync(backup_dir, away);
    if (event.type === 'step' && event.step === 6) renameSync(away, backup_dir);
  });
  const told = warningsOf(events).filter((what) => what.includes('not copied'));
  assert.deepEqual(
    told,
    ['there is no such folder: adapters are not copied there'].map((what) =>
      what.replace('there is no such folder', 'the folder of the backup is gone'),
    ),
  );
  const notes = events.flatMap((event) => (event.type === 'saved' ? (event.notes ?? []) : []));
  assert.equal(
    notes.filter((note) => note.includes('can be written again: 4 files copied')).length,
    1,
  );
  const found = findRuns([join(root, 'a')]).runs[0];
  const copies = join(backup_dir, `a-${found.facts.id}`);
  for (const { saved } of found.checkpoints)
    for (const { files } of saved)
      for (const { name } of files)
        assert.deepEqual(readFileSync(join(copies, name)), readFileSync(join(root, 'a', name)));
});

test('a run that goes on copies at its start what a disk missed that was away', async () => {
  const backup_dir = join(root, 'second');
  const first = settingsOf('b', { backup_dir });
  await run(first, (event, stop) => {
    if (event.type === 'plan') rmSync(backup_dir, { recursive: true, force: true });
    if (event.type === 'step' && event.step === 3) stop();
  });
  rmSync(backup_dir, { recursive: true, force: true });
  const still = await run(first, (event, stop) => event.type === 'plan' && stop());
  assert.equal(warningsOf(still).filter((what) => what.includes('not copied there')).length, 1);
  assert.ok(!existsSync(backup_dir)); // nothing is made where a disk may be away
  mkdirSync(backup_dir);
  await run(first);
  const { facts, checkpoints } = findRuns([join(root, 'b')]).runs[0];
  for (const { saved } of checkpoints)
    for (const { name } of saved.flatMap(({ files }) => files))
      assert.ok(existsSync(join(backup_dir, `b-${facts.id}`, name)), name);
});

test('a backup_dir inside output_dir is refused', () => {
  const output_dir = join(root, 'c');
  for (const backup_dir of [output_dir, join(output_dir, 'x'), `${output_dir}/x/../y`])
    assert.throws(
      () => parseConfig(settingsOf('c', { backup_dir })),
      (error) =>
        error instanceof ConfigError && /backup_dir: lies in output_dir/.test(error.message),
    );
  parseConfig(settingsOf('c', { backup_dir: `${output_dir}-copies` }));
});

test('a real run is listed, taken back, trained on, pruned, compared and verified', async () => {
  const settings = settingsOf('d');
  await run(settings, (event, stop) => event.type === 'step' && event.step === 5 && stop());
  const now = () => findRuns([join(root, 'd')]).runs[0];
  assert.deepEqual(
    [now().state, now().reason, now().step, now().totalSteps, now().name],
    ['interrupted', 'stopped when asked to', 5, 6, 'd'],
  );
  assert.deepEqual(
    now().checkpoints.map(({ step, current }) => [step, current]),
    [
      [2, false],
      [4, false],
      [5, true],
    ],
  );
  rollBack(now(), 2);
  assert.equal(now().facts.current, 2);
  assert.deepEqual(verifyRun(now()).problems, []);
  await run(settings);
  assert.deepEqual([now().state, now().step, now().facts.current], ['done', 6, undefined]);
  assert.deepEqual(
    now().checkpoints.map(({ step, current }) => [step, current]),
    [
      [2, false],
      [4, false],
      [5, false], // was the result, and was kept
      [6, true],
    ],
  );
  assert.ok(now().checkpoints.some(({ best }) => best));
  assert.deepEqual(verifyRun(now()).problems, []);
  prune(now(), 1);
  assert.deepEqual(verifyRun(now()).problems, []);
  await run(settingsOf('e', { train_data_dir: dataOf('more.jsonl', [...twelve, 12, 13]) }));
  const { settings: differ, data } = compareRuns(
    namedRun(join(root, 'd')),
    namedRun(join(root, 'e')),
  );
  assert.deepEqual(
    differ.map(({ key }) => key),
    ['train_data_dir'],
  );
  const came = (data?.added.length ?? 0) - (data?.removed.length ?? 0);
  assert.ok(came >= 1 && came <= 2); // of two more, one may be held back
});
