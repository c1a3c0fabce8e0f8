import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Backup, backupFolder } from './backup.ts';
import { survives } from './crash.test-util.ts';
import type { Checkpoint } from './facts.ts';
import { findRuns } from './find-runs.ts';
import { adapterBytes, makeRun, sha256, testFolder, type MadeRun } from './made-run.test-util.ts';
import { prune } from './remove.ts';
import { rollBack } from './rollback.ts';

function backupOf(t: TestContext, made: MadeRun = {}) {
  const place = testFolder(t);
  const dir = makeRun(join(place, 'brand'), { steps: [100, 200], result: 300, ...made });
  const backupDir = join(place, 'disk');
  mkdirSync(backupDir);
  const of = { backupDir, dir, id: '20260131-120000' };
  const checkpoints = () => findRuns([dir]).runs[0].facts.checkpoints;
  return { of, dir, backupDir, folder: backupFolder(of), checkpoints, backup: new Backup(of) };
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.includes('.'))
    .sort();

/** Every file that should be there is, with its bytes. */
function assertCopied(folder: string, checkpoints: readonly Checkpoint[]): void {
  for (const { files } of checkpoints)
    for (const file of files)
      assert.equal(sha256(readFileSync(join(folder, file.name))), file.sha256, file.name);
}

for (const task of ['image', 'text-generation'] as const)
  test(`each checkpoint is copied as it is made, with its settings (${task})`, (t) => {
    const { backup, checkpoints, folder } = backupOf(t, { task });
    const all = checkpoints();
    assert.deepEqual(backup.begin([]), { made: [], problems: [] });
    for (let count = 1; count <= all.length; count++) {
      const { made, problems } = backup.copy(all.slice(0, count));
      assert.equal(made.length, all[count - 1].files.length);
      assert.deepEqual(problems, []);
      assertCopied(folder, all.slice(0, count));
    }
    assert.deepEqual(backup.copy(all).made, []); // nothing twice
    assert.ok(filesIn(folder).includes('config.yaml'));
  });

test('backup_dir is made for a new run, not for one that goes on: its disk may only be away', (t) => {
  const { of, checkpoints, backupDir } = backupOf(t);
  rmSync(backupDir, { recursive: true });
  const again = new Backup(of).begin(checkpoints());
  assert.match(again.problems[0].what, /there is no such folder: adapters are not copied there/);
  assert.ok(!existsSync(backupDir));
  assert.deepEqual(new Backup(of).begin([]).problems, []);
  assert.ok(existsSync(backupDir));
  const far = new Backup({ ...of, backupDir: join(backupDir, 'no/such') }).begin([]);
  assert.equal(far.problems.length, 1);
});

test('a disk that vanishes is one warning, and what was missed is copied when it is back', (t) => {
  const { backup, checkpoints, backupDir, folder } = backupOf(t);
  const all = checkpoints();
  backup.begin([]);
  backup.copy(all.slice(0, 1));
  renameSync(backupDir, `${backupDir}-away`);
  assert.equal(backup.copy(all.slice(0, 2)).problems.length, 1);
  assert.deepEqual(backup.copy(all.slice(0, 2)), { made: [], problems: [] });
  assert.ok(!existsSync(backupDir));
  renameSync(`${backupDir}-away`, backupDir);
  const { made, caughtUp } = backup.copy(all);
  assert.equal(made.length, 3);
  assert.match(caughtUp ?? '', /disk can be written again: 3 files copied/);
  assertCopied(folder, all);
  // and a second time away is a second warning
  renameSync(backupDir, `${backupDir}-away`);
  assert.equal(backup.copy(all).problems.length, 1);
});

test('an empty place where a disk was mounted is not filled in its stead', (t) => {
  const { backup, checkpoints, backupDir } = backupOf(t);
  backup.begin([]);
  backup.copy(checkpoints().slice(0, 1));
  renameSync(backupDir, `${backupDir}-away`);
  mkdirSync(backupDir);
  assert.match(backup.copy(checkpoints()).problems[0].what, /the folder of the backup is gone/);
  assert.deepEqual(readdirSync(backupDir), []);
});

test('a file in the place of the folder is a warning that ends nothing', (t) => {
  const { backup, checkpoints, backupDir } = backupOf(t);
  rmSync(backupDir, { recursive: true });
  writeFileSync(backupDir, 'mine');
  assert.equal(backup.copy(checkpoints()).problems.length, 1);
  assert.equal(readFileSync(backupDir, 'utf8'), 'mine');
});

test('copying that is killed at any moment leaves whole copies alone, and is finished by the next start', (t) => {
  const { of, checkpoints, folder } = backupOf(t);
  const all = checkpoints();
  let isOver = false;
  for (let at = 0; !isOver; at++) {
    rmSync(folder, { recursive: true, force: true });
    isOver = survives(at, () => new Backup(of).copy(all));
    for (const name of existsSync(folder) ? filesIn(folder) : []) {
      const file = all.flatMap(({ files }) => files).find((one) => one.name === name);
      if (file !== undefined)
        assert.equal(sha256(readFileSync(join(folder, name))), file.sha256, `killed at ${at}`);
    }
    assert.deepEqual(new Backup(of).begin(all).problems, []);
    assertCopied(folder, all);
    assert.ok(!filesIn(folder).some((name) => name.startsWith('.part-')));
    assert.ok(at < 200);
  }
});

test('a copy that somebody deleted, cut short, or whose list is damaged, is made again', (t) => {
  const { of, checkpoints, folder } = backupOf(t);
  const all = checkpoints();
  new Backup(of).copy(all);
  rmSync(join(folder, 'brand-step00000100.safetensors'));
  writeFileSync(join(folder, 'brand.safetensors'), 'torn');
  assert.equal(new Backup(of).copy(all).made.length, 2);
  writeFileSync(join(folder, 'backup.json'), '{"id"');
  assert.equal(new Backup(of).copy(all).made.length, 4);
  assertCopied(folder, all);
});

test('a copy with other bytes of the same length is found by reading it, and made again', (t) => {
  const { of, checkpoints, folder } = backupOf(t);
  new Backup(of).copy(checkpoints());
  writeFileSync(join(folder, 'brand.safetensors'), adapterBytes(7));
  assert.deepEqual(new Backup(of).copy(checkpoints()).made, []);
  assert.deepEqual(new Backup(of).verify(checkpoints()).made, [join(folder, 'brand.safetensors')]);
  assertCopied(folder, checkpoints());
});

test('an adapter that is damaged is told once, not copied, and keeps no other from being copied', (t) => {
  const { backup, checkpoints, dir, folder } = backupOf(t);
  const all = checkpoints();
  writeFileSync(join(dir, 'brand-step00000100.safetensors'), adapterBytes(7));
  rmSync(join(dir, 'brand-step00000200.safetensors'));
  const { made, problems } = backup.copy(all);
  assert.equal(made.length, 2);
  assert.deepEqual(
    problems.map(({ what }) => what.split(':')[0]),
    ['has changed since it was saved', 'is missing'],
  );
  assert.deepEqual(backup.copy(all).problems, []);
  assert.ok(!existsSync(join(folder, 'brand-step00000100.safetensors')));
});

test('what is pruned in the run stays in the backup; after a rollback the copy of the result follows', (t) => {
  const { backup, checkpoints, dir, folder } = backupOf(t);
  backup.copy(checkpoints());
  const run = () => findRuns([dir]).runs[0];
  rollBack(run(), 100);
  prune(run(), 1);
  backup.copy(checkpoints());
  assertCopied(folder, checkpoints());
  for (const step of [100, 200, 300])
    assert.deepEqual(
      new Uint8Array(readFileSync(join(folder, `brand-step00000${step}.safetensors`))),
      adapterBytes(step),
    );
  assert.deepEqual(
    new Uint8Array(readFileSync(join(folder, 'brand.safetensors'))),
    adapterBytes(100),
  );
});

test('two runs of one name have copies of their own', (t) => {
  const { of, checkpoints, backupDir } = backupOf(t);
  new Backup(of).copy(checkpoints());
  new Backup({ ...of, id: '20260202-120000' }).copy(checkpoints());
  assert.deepEqual(readdirSync(backupDir).sort(), [
    'brand-20260131-120000',
    'brand-20260202-120000',
  ]);
});
