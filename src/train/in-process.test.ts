import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { DataError, SystemError } from '../errors.ts';
import type { TrainEvent } from './events.ts';
import { trainInProcess } from './in-process.ts';

const worker = new URL('./testing/fake-worker.ts', import.meta.url);
const jobOf = (max_train_steps: number) =>
  parseConfig({
    train_data_dir: 'src',
    base_model: 'src',
    output_dir: 'output/x',
    max_train_steps,
  });

afterEach(() => {
  delete process.env.SYNTHETIC_FAULT;
  delete process.env.SYNTHETIC_PAUSE;
});

async function collect(
  steps: number,
  signal = new AbortController().signal,
  each: (event: TrainEvent) => void = () => {},
) {
  process.env.SYNTHETIC_PAUSE ??= '0';
  const events: TrainEvent[] = [];
  for await (const event of trainInProcess(jobOf(steps), { signal, worker })) {
    events.push(event);
    each(event);
  }
  return events;
}

test('events arrive in order, to the last', async () => {
  const events = await collect(50);
  const steps = events.flatMap((event) => (event.type === 'step' ? [event.step] : []));
  assert.deepEqual(
    steps,
    Array.from({ length: 50 }, (_, i) => i + 1),
  );
  assert.equal(events[events.length - 1].type, 'done');
});

test('aborting finishes the step and ends with done', async () => {
  process.env.SYNTHETIC_PAUSE = '5';
  const stopping = new AbortController();
  const events = await collect(10_000, stopping.signal, (event) => {
    if (event.type === 'step' && event.step === 10) stopping.abort();
  });
  const last = events[events.length - 1];
  assert.ok(last.type === 'done' && last.stopped && last.step < 1000);
});

test("the user's faults keep their class and problems", async () => {
  process.env.SYNTHETIC_FAULT = 'user';
  await assert.rejects(
    collect(1),
    (error) => error instanceof DataError && error.problems[0].where === 'cat.png',
  );
});

test('our faults keep their stack', async () => {
  process.env.SYNTHETIC_FAULT = 'bug';
  await assert.rejects(
    collect(1),
    (error) =>
      error instanceof Error &&
      /x is not a function/.test(error.message) &&
      /fake-worker/.test(error.stack ?? ''),
  );
});

test('a killed process is reported as what it most likely is', async () => {
  process.env.SYNTHETIC_FAULT = 'killed';
  await assert.rejects(
    collect(1),
    (error) => error instanceof SystemError && /memory/.test(error.message),
  );
});

test(
  'signals to the whole group leave the end to the parent; a killed parent leaves no crash behind',
  { skip: process.platform === 'win32' && 'no signals' },
  async () => {
    const child = fork(worker, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, SYNTHETIC_PAUSE: '5' },
    });
    child.send({ type: 'start', job: jobOf(100_000) });
    await once(child, 'message');
    child.kill('SIGTERM');
    child.kill('SIGHUP');
    for (let i = 0; i < 5; i++) await once(child, 'message');
    child.disconnect();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  },
);
