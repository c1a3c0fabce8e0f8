import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { SystemError } from '../errors.ts';
import { LOCK_FILE } from '../storage/lock.ts';
import { RunFolder } from './run-folder.ts';

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
