import assert from 'node:assert/strict';
import { test } from 'node:test';
import { competition, MachineLoad, processorUse, type ProcessorUse } from './machine-load.ts';

/** After `clock` seconds of which `own` and `others` processors were busy all the time. */
const after = (
  clock: number,
  { own, others }: { readonly own: number; readonly others: number },
  processors: number,
): ProcessorUse => ({ clock, own: own * clock, all: (own + others) * clock, processors });

const share = (own: number, others: number, processors: number, threads: number): number =>
  competition(
    after(0, { own, others }, processors),
    after(10, { own, others }, processors),
    threads,
  );

test('a machine that does nothing else takes nothing from a run', () => {
  assert.equal(share(2, 0, 2, 2), 0);
  assert.equal(share(1.4, 0.02, 2, 2).toFixed(2), '0.01');
});

test('others that have half of the processors take half', () => {
  assert.equal(share(1, 1, 2, 2), 0.5);
  assert.equal(share(0.5, 1.5, 2, 2), 0.75);
});

test('processors that the run has no threads for are free for others', () => {
  assert.equal(share(2, 30, 64, 2), 0);
  assert.equal(share(4, 6, 8, 4), 0.5);
  assert.equal(share(1, 1, 2, 1), 0);
});

test('the share is never outside 0 and 1, however odd the counters', () => {
  assert.equal(share(3, -1, 2, 2), 0);
  assert.equal(share(0, 9, 2, 2), 1);
  assert.equal(
    competition(after(5, { own: 1, others: 1 }, 2), after(5, { own: 1, others: 1 }, 2), 2),
    0,
  );
});

test('the host of a virtual machine counts as another program; a silent system tells nothing', () => {
  const stat = (steal: number) => `cpu  100 0 50 900 7 0 10 ${steal} 0 0\ncpu0 1 2 3\n`;
  const before = processorUse(() => stat(0));
  const later = processorUse(() => stat(400));
  assert.equal(((later?.all ?? NaN) - (before?.all ?? NaN)).toFixed(6), '4.000000');
  const load = new MachineLoad(
    () => 2,
    () => undefined,
  );
  assert.equal(load.share, undefined);
});

test('this machine tells', () => {
  const load = new MachineLoad(() => 1);
  const end = performance.now() + 60;
  while (performance.now() < end);
  assert.ok(load.share === undefined || (load.share >= 0 && load.share <= 1), String(load.share));
});
