import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { SystemError } from '../errors.ts';
import { afterRunningOut, proposal, requireMemory } from './memory-check.ts';
import type { OpenTask, SmallerRun } from './task.ts';

const job = parseConfig({
  base_model: './models/tiny-sd',
  train_data_dir: './data/brand_style',
  output_dir: 'o',
  batch_size: 8,
});
const GiB = 2 ** 30;

const smaller: readonly SmallerRun[] = [
  { settings: [{ key: 'batch_size', value: 4 }], bytes: 5 * GiB },
  {
    settings: [
      { key: 'batch_size', value: 2 },
      { key: 'gradient_accumulation_steps', value: 4 },
    ],
    bytes: 3 * GiB,
  },
  { settings: [{ key: 'resolution', value: 384 }], bytes: 2 * GiB },
];
// the check looks at nothing else of a task
const task = (needed: number | undefined) =>
  ({ plan: { memoryEstimate: needed }, smaller: () => smaller }) as unknown as OpenTask;
const memory = (bytes: number, of: 'machine' | 'group' = 'machine') => ({
  available: { bytes, of },
  held: GiB / 2,
});

test('a run that fits, or of which nothing is known, is let through', () => {
  assert.deepEqual([...requireMemory(job, task(8 * GiB), memory(7.5 * GiB))], []);
  assert.deepEqual([...requireMemory(job, task(undefined), memory(1))], []);
});

test('a run that will not fit is refused with both figures and the gentlest settings that would', () => {
  assert.throws(
    () => [...requireMemory(job, task(8 * GiB), memory(3 * GiB, 'group'))],
    (error) => {
      assert.ok(error instanceof SystemError);
      const [{ where, what, fix }] = error.problems;
      assert.match(where, /batch_size/);
      assert.match(
        what,
        /takes about 8\.0 GiB of memory, more than the 3\.5 GiB that its container/,
      );
      assert.equal(
        fix,
        'These would fit: batch_size: 2, gradient_accumulation_steps: 4 (about 3.0 GiB); or resolution: 384 (about 2.0 GiB). Or end other programs.',
      );
      return true;
    },
  );
});

test('what may fit after all is a warning: an estimate can be a tenth too high', () => {
  const [problem, ...more] = requireMemory(job, task(8 * GiB), memory(7 * GiB));
  assert.match(
    problem.what,
    /more than the 7\.5 GiB that the machine has left: the system may end/,
  );
  assert.deepEqual(more, []);
});

test('where no setting helps, what needs least is named with its figure', () => {
  assert.match(proposal(task(8 * GiB), GiB), /^Nothing .* even resolution: 384 \(about 2\.0 GiB\)/);
  assert.match(proposal({}, GiB), /machine with more memory/);
});

test('after memory ran out: need and room with figures, what fits, and whether the run goes on with it', () => {
  const gentle = { settings: [{ key: 'gradient_checkpointing', value: true }], bytes: 3.4 * GiB };
  const twice = (needed: number | undefined) =>
    ({ ...task(needed), smaller: () => [gentle, ...smaller] }) as unknown as OpenTask;
  assert.equal(
    afterRunningOut(twice(8 * GiB), memory(3 * GiB)),
    'The run takes about 8.0 GiB, and 3.5 GiB can be had now. These would fit: gradient_checkpointing: true (about 3.4 GiB), with which it goes on; or batch_size: 2, gradient_accumulation_steps: 4 (about 3.0 GiB), with --fresh, as another run; or resolution: 384 (about 2.0 GiB), with --fresh, as another run. Ending other programs leaves it more.',
  );
  assert.match(
    afterRunningOut(task(4 * GiB), memory(7 * GiB)),
    /^The run takes about 4\.0 GiB, and 7\.5 GiB can be had now: it goes on as it is\. Should memory run out again, these need less: batch_size: 2, .*\(about 3\.0 GiB\).*resolution: 384 \(about 2\.0 GiB\)/,
  );
  assert.match(afterRunningOut(task(8 * GiB), memory(0)), /512 MiB can be had now\. Nothing that/);
  assert.match(afterRunningOut(task(undefined), memory(GiB)), /^End other programs/);
});
