import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { SystemError } from '../errors.ts';
import { diskNeed, requireDisk } from './disk-check.ts';

const job = (more: Readonly<Record<string, unknown>>) =>
  parseConfig({
    base_model: './models/tiny-sd',
    train_data_dir: './data/brand_style',
    output_dir: '/tmp/not/there/yet',
    ...more,
  });
const run = { parameters: 2 ** 20, stepsLeft: 1000 };
const MiB = 2 ** 20;

test('a run with room is let through, also into a folder that is not there yet', () => {
  requireDisk(job({ save_steps: 10 }), run, 1000 * MiB);
  requireDisk(job({ save_steps: 10 }), { parameters: 10, stepsLeft: 1 });
  requireDisk(job({}), run, undefined);
});

test('checkpoints that would fill the disk are refused before the run, with what would fit', () => {
  const { config } = job({ save_steps: 10 });
  const { checkpoint, checkpoints, rest } = diskNeed(config, run);
  assert.equal(checkpoints, 100);
  assert.equal(checkpoint, 2 * MiB + 64 * 1024);
  const free = rest + 20.5 * checkpoint;
  assert.throws(
    () => requireDisk(job({ save_steps: 10 }), run, free),
    (error) => {
      assert.ok(error instanceof SystemError);
      const [{ where, what, fix = '' }] = error.problems;
      assert.match(where, /save_steps/);
      assert.match(what, /with 100 checkpoints of 2 MiB, and the disk of output_dir has/);
      const [, steps] = /^save_steps: (\d+) or more would fit/.exec(fix) ?? [];
      requireDisk(job({ save_steps: Number(steps) }), run, free);
      assert.throws(() => requireDisk(job({ save_steps: Number(steps) - 1 }), run, free));
      return true;
    },
  );
});

test('a disk without room for the result alone: another disk, no save_steps', () => {
  assert.throws(
    () => requireDisk(job({}), run, MiB),
    (error) => {
      assert.ok(error instanceof SystemError);
      assert.match(error.problems[0].where, /output_dir/);
      assert.equal(
        error.problems[0].fix,
        'Free some space, or choose an output_dir on another disk.',
      );
      return true;
    },
  );
});
