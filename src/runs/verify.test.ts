import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { float32 } from '../tensor/tensor.ts';
import { readFacts } from './facts.ts';
import { knownRun, type KnownRun } from './known-run.ts';
import { testFolder } from './made-run.test-util.ts';
import { RunFolder } from './run-folder.ts';
import { encodeState, stateName } from './run-state.ts';
import { verifyRun } from './verify.ts';

const at = '2026-01-31T12:00:00.000Z';
const weights = new Map([['a', float32([2], [1, 2])]]);
const state = encodeState({ step: 8, tensors: weights, holders: {}, settings: {}, records: {} });
const others = ['data.json', 'config.yaml', 'previews/step-00000008-1.png', 'previews.html'];

/** A run that a process began; `ended` where it came to its end. */
function begun(t: TestContext, ended: boolean, boot?: string): string {
  const dir = testFolder(t);
  const facts = { id: '20260131-120000', started: at, seed: 1, device: 'cpu', threads: 1 };
  const folder = RunFolder.begin(dir, { ...facts, versions: {} });
  folder.start({ at, step: 0, pid: 1, host: hostname(), ...(boot !== undefined && { boot }) });
  for (const name of others) folder.write(name, `first ${name}`);
  for (const name of others) folder.write(name, `then ${name}`);
  folder.overwrite(stateName(8), state);
  folder.append('logs/timings.jsonl', '{"step":8,"memory_bytes":1073741824}\n{"step":9,"memo');
  if (ended) folder.end({ how: 'done', step: 8, at });
  folder.close();
  return dir;
}

function known(dir: string): KnownRun {
  const facts = readFacts(dir);
  assert.ok(facts);
  return knownRun(dir, facts);
}

test('damage to data.json, config.yaml, previews and states was no fault to runs verify', (t) => {
  for (const name of [...others, stateName(8)]) {
    const dir = begun(t, true);
    assert.deepEqual(verifyRun(known(dir)).problems, []);
    assert.equal(verifyRun(known(dir)).sound, others.length);
    const path = join(dir, name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
    const [problem, ...more] = verifyRun(known(dir)).problems;
    assert.deepEqual([problem?.where, more.length], [path, 0], name);
    assert.ok(problem?.fix, name);
    rmSync(path);
    const gone = verifyRun(known(dir)).problems.map(({ where }) => where);
    // of the states only the newest are kept, so that none is missed
    assert.deepEqual(gone, name === stateName(8) ? [] : [path], name);
  }
});

test('a crash between run.json and the file that it names is no damage', (t) => {
  const dir = begun(t, false);
  writeFileSync(join(dir, 'previews.html'), 'first previews.html');
  rmSync(join(dir, 'previews/step-00000008-1.png'));
  assert.deepEqual(verifyRun(known(dir)).problems, []);
});

test('runs show told of every lost process the same, whatever the machine says of it', (t) => {
  assert.equal(known(begun(t, true)).reason, undefined);
  const reason = known(begun(t, false)).reason ?? '';
  assert.match(reason, /^the last start was ended from outside after step 8, by somebody/);
  assert.match(reason, /It held 1\.0 GiB then$/);
  const restarted = known(begun(t, false, 'another boot')).reason ?? '';
  assert.match(restarted, /machine was restarted, or lost its power.* cut short after step 8$/);
});
