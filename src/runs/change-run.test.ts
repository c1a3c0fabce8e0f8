import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UserError } from '../errors.ts';
import { LOCK_FILE } from '../storage/lock.ts';
import { clearLeftovers } from './change-run.ts';
import { survives } from './crash.test-util.ts';
import { findRuns } from './find-runs.ts';
import type { KnownRun } from './known-run.ts';
import {
  adapterBytes,
  lock,
  makeRun,
  rawFacts,
  sha256,
  testFolder,
  type MadeRun,
} from './made-run.test-util.ts';
import { prune, removeCheckpoint, removeRun } from './remove.ts';
import { rollBack } from './rollback.ts';
import { removeTag, tagCheckpoint } from './tags.ts';
import { verifyRun } from './verify.ts';

const runIn = (dir: string): KnownRun => findRuns([dir]).runs[0];
const stepsOf = (dir: string) => runIn(dir).checkpoints.map(({ step }) => step);
const currentOf = (dir: string) => runIn(dir).checkpoints.find(({ current }) => current)?.step;
const bytesAt = (dir: string, name: string) => new Uint8Array(readFileSync(join(dir, name)));
const isOf = (dir: string, name: string, step: number) =>
  assert.deepEqual(bytesAt(dir, name), adapterBytes(step), `${name} is not of step ${step}`);

/** Hashes of all files below a folder, whatever they are called. */
function hashesIn(dir: string): Set<string> {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(dir, name),
  );
  return new Set(
    files.filter((path) => statSync(path).isFile()).map((path) => sha256(readFileSync(path))),
  );
}

const refused = (action: () => unknown, message: RegExp) =>
  assert.throws(action, (error) => error instanceof UserError && message.test(error.message));

const kinds: readonly MadeRun[] = [
  { task: 'image' },
  { task: 'text-generation' },
  { task: 'image', old: true },
  { task: 'text-generation', old: true },
];

for (const kind of kinds) {
  const title = `${kind.task}${kind.old ? ', recorded before checkpoints were' : ''}`;
  const names =
    kind.task === 'image'
      ? {
          result: 'brand.safetensors',
          step: (n: number) => `brand-step${String(n).padStart(8, '0')}.safetensors`,
        }
      : {
          result: 'adapter_model.safetensors',
          step: (n: number) => `checkpoint-${n}/adapter_model.safetensors`,
        };
  const made = { ...kind, steps: [100, 200], result: 300, losses: Array<number>(300).fill(1) };

  test(`rollback makes an earlier checkpoint the result and keeps the newer one (${title})`, (t) => {
    const dir = makeRun(testFolder(t), made);
    assert.equal(currentOf(dir), 300);
    const { before, kept } = rollBack(runIn(dir), 100);
    isOf(dir, names.result, 100);
    isOf(dir, names.step(300), 300);
    assert.equal(before, 300);
    assert.ok(kept.includes(names.step(300)));
    assert.deepEqual([currentOf(dir), stepsOf(dir)], [100, [100, 200, 300]]);
    assert.equal(rawFacts(dir).current, 100);
    if (kind.task === 'image') isOf(dir, 'pytorch_lora_weights.safetensors', 100);
    assert.deepEqual(verifyRun(runIn(dir)).problems, []);
    // and forward again, to the last: nothing is lost on the way
    rollBack(runIn(dir), 200);
    rollBack(runIn(dir), 300);
    isOf(dir, names.result, 300);
    isOf(dir, names.step(100), 100);
    assert.equal(rawFacts(dir).current, undefined);
    assert.deepEqual(verifyRun(runIn(dir)).problems, []);
  });

  test(`a rollback that is killed at any moment loses nothing, and is finished or undone by verify (${title})`, (t) => {
    const whole = makeRun(join(testFolder(t), 'whole'), made);
    let isOver = false;
    for (let at = 0; !isOver; at++) {
      const dir = join(testFolder(t), 'run');
      cpSync(whole, dir, { recursive: true });
      isOver = survives(at, () => rollBack(runIn(dir), 100));
      rmSync(join(dir, LOCK_FILE), { force: true }); // its process is gone
      const there = hashesIn(dir);
      for (const step of [100, 200, 300]) assert.ok(there.has(sha256(adapterBytes(step))), `${at}`);
      const { problems } = verifyRun(runIn(dir));
      assert.deepEqual(problems, [], `killed at call ${at}`);
      const current = currentOf(dir);
      assert.ok(current === 100 || current === 300);
      isOf(dir, names.result, current);
      assert.deepEqual(stepsOf(dir), [100, 200, 300]);
      assert.ok(!readdirSync(dir).some((name) => name.startsWith('.part-')));
      assert.ok(at < 200);
    }
  });

  test(`prune that is killed at any moment removes all that it was to, or nothing (${title})`, (t) => {
    const whole = makeRun(join(testFolder(t), 'whole'), { ...made, steps: [100, 200, 250] });
    let isOver = false;
    for (let at = 0; !isOver; at++) {
      const dir = join(testFolder(t), 'run');
      cpSync(whole, dir, { recursive: true });
      isOver = survives(at, () => prune(runIn(dir), 1));
      rmSync(join(dir, LOCK_FILE), { force: true });
      assert.deepEqual(verifyRun(runIn(dir)).problems, [], `killed at call ${at}`);
      const steps = stepsOf(dir);
      assert.ok([1, 4].includes(steps.length), `killed at call ${at}: ${steps}`);
      for (const step of [100, 200, 250])
        assert.equal(existsSync(join(dir, names.step(step))), steps.length === 4);
      isOf(dir, names.result, 300);
      assert.ok(!readdirSync(dir).some((name) => name.startsWith('.removed-')));
      assert.ok(at < 200);
    }
  });

  test(`rm that is killed at any moment removes the whole run, or nothing (${title})`, (t) => {
    const whole = makeRun(join(testFolder(t), 'whole'), made);
    let isOver = false;
    for (let at = 0; !isOver; at++) {
      const dir = join(testFolder(t), 'run');
      cpSync(whole, dir, { recursive: true });
      writeFileSync(join(dir, 'notes.txt'), 'mine');
      isOver = survives(at, () => removeRun(runIn(dir)));
      rmSync(join(dir, LOCK_FILE), { force: true });
      const { runs, leftovers } = findRuns([dir]);
      for (const run of runs) assert.deepEqual(verifyRun(run).problems, [], `killed at call ${at}`);
      leftovers.forEach(clearLeftovers);
      const left = readdirSync(dir).sort();
      if (runs.length === 0) assert.deepEqual(left, ['notes.txt'], `killed at call ${at}`);
      else
        assert.deepEqual(left, [...readdirSync(whole), 'notes.txt'].sort(), `killed at call ${at}`);
      assert.ok(at < 200);
    }
  });
}

test('a removal that was cut short before a new run took the folder is undone among the earlier runs', (t) => {
  const dir = testFolder(t);
  const earlier = join(dir, 'runs/20260131-120000');
  makeRun(earlier, { id: '20260131-120000' });
  makeRun(dir, { id: '20260201-120000', name: 'newer' });
  cpSync(
    join(earlier, 'brand-step00000200.safetensors'),
    join(dir, '.removed-20260131-120000/brand-step00000200.safetensors'),
  );
  rmSync(join(earlier, 'brand-step00000200.safetensors'));
  verifyRun(runIn(dir));
  isOf(earlier, 'brand-step00000200.safetensors', 200);
  assert.ok(!existsSync(join(dir, '.removed-20260131-120000')));
});

test('prune never removes the best, the current or a tagged checkpoint', (t) => {
  const dir = makeRun(testFolder(t), {
    steps: [1, 2, 3, 4, 5, 6],
    result: 3,
    heldBack: { 2: 0.1, 6: 0.5 },
    facts: { tags: [{ tag: 'mine', step: 1 }], current: 3 },
  });
  const { removed } = prune(runIn(dir), 1);
  assert.deepEqual(
    removed.map(({ step }) => step),
    [4, 5],
  );
  assert.deepEqual(stepsOf(dir), [1, 2, 3, 6]);
  removeTag(runIn(dir), 'mine');
  prune(runIn(dir), 0);
  assert.deepEqual(stepsOf(dir), [2, 3]);
});

test('an interrupted run without a result keeps its last checkpoint', (t) => {
  const dir = makeRun(testFolder(t), { steps: [1, 2, 3], ended: false });
  prune(runIn(dir), 0);
  assert.deepEqual(stepsOf(dir), [3]);
  assert.deepEqual(rollBack(runIn(dir), 3).files, [
    'brand.safetensors',
    'pytorch_lora_weights.safetensors',
  ]);
  isOf(dir, 'brand.safetensors', 3);
});

test('removing a run leaves the earlier runs in its folder, and what is not its own', (t) => {
  const dir = testFolder(t);
  makeRun(dir, { result: 400 });
  makeRun(join(dir, 'runs/20250131-120000'), { id: '20250131-120000' });
  writeFileSync(join(dir, 'mine.txt'), '');
  assert.deepEqual(removeRun(runIn(dir)), ['mine.txt', 'runs']);
  assert.deepEqual(readdirSync(dir).sort(), ['mine.txt', 'runs']);
  removeRun(runIn(dir));
  assert.deepEqual(readdirSync(dir), ['mine.txt']);
});

test('the checkpoint that is the result is not removed alone; another one is', (t) => {
  const dir = makeRun(testFolder(t), {
    steps: [1, 2],
    result: 2,
    facts: { tags: [{ tag: 'x', step: 1 }] },
  });
  refused(() => removeCheckpoint(runIn(dir), 2), /is the result of the run/);
  removeCheckpoint(runIn(dir), 1);
  assert.deepEqual([stepsOf(dir), rawFacts(dir).tags], [[2], []]);
});

test('a run that a process works on is changed by nobody else', (t) => {
  const dir = makeRun(testFolder(t), { result: 400, ended: false });
  const before = hashesIn(dir);
  lock(dir);
  const run = runIn(dir);
  for (const action of [
    () => rollBack(run, 200),
    () => tagCheckpoint(run, 200, 'x'),
    () => removeTag(run, 'x'),
    () => prune(run, 1),
    () => removeRun(run),
    () => removeCheckpoint(run, 200),
  ])
    refused(action, /process \d+ on .* is at work on this run/);
  assert.equal(verifyRun(run).problems.length, 0);
  rmSync(join(dir, LOCK_FILE));
  assert.deepEqual(hashesIn(dir), before);
});

test('what run.json says besides, of a version to come, survives a change', (t) => {
  const dir = makeRun(testFolder(t), { result: 400 });
  const path = join(dir, 'run.json');
  writeFileSync(path, JSON.stringify({ ...rawFacts(dir), planet: 'Mars' }));
  tagCheckpoint(runIn(dir), 200, 'x');
  rollBack(runIn(dir), 200);
  prune(runIn(dir), 0);
  assert.equal(rawFacts(dir).planet, 'Mars');
});

test('a checkpoint that is damaged does not become the result; a damaged result is not kept as a checkpoint', (t) => {
  const dir = makeRun(testFolder(t), { steps: [1, 2], result: 3 });
  const damage = (name: string) => writeFileSync(join(dir, name), adapterBytes(9));
  damage('brand-step00000001.safetensors');
  refused(
    () => rollBack(runIn(dir), 1),
    /step00000001\.safetensors: has changed since it was saved/,
  );
  isOf(dir, 'brand.safetensors', 3);
  damage('brand.safetensors');
  refused(() => rollBack(runIn(dir), 2), /brand\.safetensors: has changed/);
  assert.ok(!existsSync(join(dir, 'brand-step00000003.safetensors')));
  rmSync(join(dir, 'brand.safetensors'));
  rmSync(join(dir, 'pytorch_lora_weights.safetensors'));
  rollBack(runIn(dir), 2); // there is nothing to keep
  isOf(dir, 'brand.safetensors', 2);
});

test('a file of somebody else that has the name of the result is not overwritten', (t) => {
  const dir = makeRun(testFolder(t), { ended: false });
  writeFileSync(join(dir, 'brand.safetensors'), 'mine');
  refused(() => rollBack(runIn(dir), 200), /brand\.safetensors: is not of this run/);
  assert.equal(readFileSync(join(dir, 'brand.safetensors'), 'utf8'), 'mine');
});

test('tags move, go, and are refused where they would mean something else', (t) => {
  const dir = makeRun(testFolder(t));
  assert.deepEqual(tagCheckpoint(runIn(dir), 200, 'für-den-Laden'), {
    tag: 'für-den-Laden',
    step: 200,
  });
  assert.deepEqual(tagCheckpoint(runIn(dir), 400, 'für-den-Laden').before, 200);
  assert.deepEqual(rawFacts(dir).tags, [{ tag: 'für-den-Laden', step: 400 }]);
  for (const tag of [
    'best',
    'current',
    'last',
    '400',
    'step-400',
    '',
    'a b',
    '../x',
    '-x',
    'a@b',
    'x'.repeat(65),
  ])
    refused(() => tagCheckpoint(runIn(dir), 200, tag), /tag|step|called/);
  refused(() => removeTag(runIn(dir), 'other'), /has no such tag[^]*für-den-Laden/);
  removeTag(runIn(dir), 'für-den-Laden');
  assert.deepEqual(rawFacts(dir).tags, []);
});

const damages: Readonly<Record<string, (path: string) => void>> = {
  'is missing': (path) => rmSync(path),
  'has 5 bytes; 136 were saved': (path) => writeFileSync(path, 'short'),
  'has changed since it was saved': (path) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
  },
};

for (const [what, damage] of Object.entries(damages))
  test(`verify finds a file that ${what}, and says where its bytes still are`, (t) => {
    const dir = makeRun(testFolder(t), { steps: [1, 2], result: 2 });
    for (const name of ['brand-step00000001.safetensors', 'brand-step00000002.safetensors'])
      damage(join(dir, name));
    const { problems, sound } = verifyRun(runIn(dir));
    assert.deepEqual(
      problems.map((problem) => [
        problem.where.slice(dir.length + 1),
        problem.what.startsWith(what),
      ]),
      [
        ['brand-step00000001.safetensors', true],
        ['brand-step00000002.safetensors', true],
      ],
    );
    assert.equal(problems[0].fix, undefined);
    assert.match(problems[1].fix ?? '', /Copy .*brand\.safetensors, which has its bytes/);
    assert.equal(sound, 2);
  });

test('verify finds damage to the form of adapters from before hashes were recorded, and missing records', (t) => {
  const dir = makeRun(testFolder(t), { old: true, result: 400 });
  writeFileSync(join(dir, 'brand-step00000200.safetensors'), adapterBytes(200).subarray(0, 100));
  rmSync(join(dir, 'config.yaml'));
  const { problems, unhashed } = verifyRun(runIn(dir));
  assert.deepEqual(
    problems.map(({ where }) => where.slice(dir.length + 1)),
    ['brand-step00000200.safetensors', 'config.yaml'],
  );
  assert.equal(unhashed, 3);
});

test('verify touches nothing where all is well', (t) => {
  const dir = makeRun(testFolder(t), { result: 400 });
  const before = statSync(dir).mtimeMs;
  assert.deepEqual(verifyRun(runIn(dir)).mended, []);
  assert.equal(statSync(dir).mtimeMs, before);
});

test('a result that nothing else has the weights of is never written over', (t) => {
  const dir = makeRun(testFolder(t), { steps: [1], result: 1 });
  writeFileSync(join(dir, 'brand.safetensors'), adapterBytes(7)); // a newer one, not yet recorded
  assert.equal(verifyRun(runIn(dir)).problems.length, 1);
  isOf(dir, 'brand.safetensors', 7);
});
