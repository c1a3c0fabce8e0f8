import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { SystemError } from '../errors.ts';
import { LOCK_FILE } from '../storage/lock.ts';
import { foundFacts, readFacts } from './facts.ts';
import { RunFolder } from './run-folder.ts';
import { foundData, readSamples, writeData } from './samples.ts';

const facts = {
  id: '20260131-235959',
  started: '2026-01-31T23:59:59.000Z',
  seed: 1,
  device: 'cpu',
  threads: 1,
  versions: {},
};

test('a run that cannot begin in its folder gives it back: the next try is not kept out by it', () => {
  withFolder((folder) => {
    const earlier = { ...facts, id: '20260101-000000', files: ['run.json'] };
    writeFileSync(join(folder, 'run.json'), JSON.stringify(earlier));
    writeFileSync(join(folder, 'runs'), 'a file where the earlier run would go');
    assert.throws(() => RunFolder.begin(folder, facts), SystemError);
    assert.equal(existsSync(join(folder, LOCK_FILE)), false);
    rmSync(join(folder, 'runs'));
    RunFolder.begin(folder, facts).close();
  });
});

test('a checkpoint that was saved as the best goes when a better one comes; no other does', () => {
  withFolder((dir) => {
    const folder = RunFolder.begin(dir, facts);
    const at = facts.started;
    const write = (step: number, asBest: boolean) =>
      folder.writeCheckpoint(new Map([[`checkpoint-${step}/adapter.safetensors`, `${step}`]]), {
        step,
        at,
        final: false,
        ...(asBest && { asBest }),
      });
    for (const step of [10, 20, 30, 40]) write(step, step !== 20);
    folder.record({ tags: [{ tag: 'shown', step: 30 }] });
    folder.removeOutdone(40);
    const there = [10, 20, 30, 40].filter((step) => existsSync(join(dir, `checkpoint-${step}`)));
    assert.deepEqual(there, [20, 30, 40]);
    const { checkpoints, files } = folder.facts;
    assert.deepEqual(
      checkpoints.map(({ step }) => step),
      there,
    );
    assert.ok(!files.includes('checkpoint-10') && files.includes('checkpoint-40'));
    folder.close();
  });
});

/** A run that has saved a state, its data and its steps. */
function interrupted(dir: string): void {
  const folder = RunFolder.begin(dir, facts);
  writeData(folder, { samples: [{ name: 'a.png', sha256: '01' }], leftOut: [] });
  folder.write('state/step-00000004.safetensors', 'x');
  folder.start({ at: facts.started, step: 0, pid: 1, host: 'here' });
  folder.close();
}

test('run.json and data.json that were cut short, damaged or deleted: their copies are taken, which is told', () => {
  for (const name of ['run.json', 'data.json'])
    for (const [how, damage] of Object.entries({
      emptied: (path: string) => writeFileSync(path, ''),
      cut: (path: string) => truncateSync(path, statSync(path).size >> 1),
      'one byte shorter': (path: string) => truncateSync(path, statSync(path).size - 3),
      foreign: (path: string) => writeFileSync(path, '{"other": 1}'),
      deleted: (path: string) => rmSync(path),
    }))
      withFolder((dir) => {
        interrupted(dir);
        const before = [readFacts(dir), readSamples(dir)];
        damage(join(dir, name));
        assert.deepEqual([readFacts(dir), readSamples(dir)], before, `${name} ${how}`);
        const found = [foundFacts(dir)?.damage, foundData(dir)?.damage];
        const [told, ...more] = found.flatMap((problem) => problem ?? []);
        assert.match(
          `${told.where}: ${told.what}. ${told.fix}`,
          /json: is (gone|damaged).*\. Its copy, state/,
        );
        assert.deepEqual(more, []);
        const folder = RunFolder.resume(dir);
        folder.record({});
        writeData(folder, foundData(dir)?.value ?? assert.fail());
        folder.close();
        assert.deepEqual([foundFacts(dir)?.damage, foundData(dir)?.damage], [undefined, undefined]);
      });
});

test('a run.json that is damaged together with its copy is refused, with its name', () => {
  withFolder((dir) => {
    interrupted(dir);
    for (const name of ['run.json', 'state/run.copy.json']) writeFileSync(join(dir, name), '{');
    assert.throws(() => readFacts(dir), /run\.json: is damaged, or is not of a run/);
  });
});

test('lines that a full disk refused are added when it has room again, in their order', () => {
  withFolder((dir) => {
    const folder = RunFolder.begin(dir, facts);
    writeFileSync(join(dir, 'logs'), 'in the way');
    const logs = 'logs/metrics.jsonl';
    folder.record({ files: [...folder.facts.files, 'logs'] });
    for (const line of ['1\n', '2\n']) assert.throws(() => folder.append(logs, line), SystemError);
    rmSync(join(dir, 'logs'));
    folder.append(logs, '3\n');
    assert.equal(readFileSync(join(dir, logs), 'utf8'), '1\n2\n3\n');
    folder.close();
  });
});

test('a folder that vanishes: what the run cannot go on without is made again', () => {
  for (const next of [
    (folder: RunFolder) => folder.write('config.yaml', 'seed: 1\n'),
    (folder: RunFolder) => folder.record({}), // as a checkpoint does that was being saved
  ])
    withFolder((dir) => {
      const folder = RunFolder.begin(dir, facts);
      writeData(folder, { samples: [{ name: 'a.png', sha256: '01' }], leftOut: [] });
      folder.keep('config.yaml', 'seed: 1\n');
      const before = [readFacts(dir)?.id, readSamples(dir)];
      rmSync(dir, { recursive: true });
      next(folder);
      assert.match(folder.vanished()?.what ?? '', /vanished/);
      assert.deepEqual([readFacts(dir)?.id, readSamples(dir)], before);
      assert.ok(existsSync(join(dir, 'state/run.copy.json')));
      folder.close();
    });
});
