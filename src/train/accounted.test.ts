import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ACCOUNT_FILE, readAccount } from '../account/account.ts';
import { parseConfig } from '../config/load.ts';
import type { DoneEvent, PlanEvent, StepEvent } from '../events.ts';
import { SystemError } from '../errors.ts';
import { accounted } from './accounted.ts';
import type { TrainEvent } from './events.ts';

const { config } = parseConfig({
  base_model: './models/tiny-sd',
  train_data_dir: './data/brand_style',
  output_dir: 'o',
  power_watts: 100,
  price_per_kwh: 0.5,
  currency: 'EUR',
});

// what the account looks at
const plan = { type: 'plan', totalSteps: 100, epochs: 1, memoryEstimate: 2 ** 28 } as PlanEvent;
const step = (number: number) => ({ type: 'step', step: number }) as StepEvent;
const done = (stopped: boolean) => ({ type: 'done', stopped }) as DoneEvent;

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'account-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Of two processors, of which another program has a half. */
const took = (clock: number) => ({ clock, processor: clock });
const useAt = (clock: number) => ({ clock, own: clock, all: 2 * clock, processors: 2 });

const known = {
  config,
  dues: () => ({ saveSteps: 0 }),
  ending: () => ({ opening: took(5), whole: took(15) }),
  computing: () => ({ onCard: false, threads: 2 }),
};

/** All events of a run, of which each takes a second. */
async function run(
  events: readonly TrainEvent[],
  dir: string,
  fail = false,
): Promise<TrainEvent[]> {
  let now = 0;
  async function* timed() {
    for (const event of events) {
      now += 1;
      yield event;
    }
    if (fail) throw new Error('killed');
    await Promise.resolve();
  }
  const folder = {
    dir,
    overwrite(name: string, content: string | Uint8Array) {
      writeFileSync(join(dir, name), content);
      return name;
    },
  };
  const all: TrainEvent[] = [];
  const options = { ...known, folder: () => folder, watch: () => took(now), use: () => useAt(now) };
  try {
    for await (const event of accounted(timed(), options)) all.push(event);
  } catch (error) {
    if (!fail) throw error;
  }
  return all;
}

const steps = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => step(from + i));

test('the account comes before the end, with what the plan and the forecast said', async (t) => {
  const folder = folderFor(t);
  const events = await run([plan, ...steps(1, 100), done(false)], folder);
  assert.deepEqual(
    events.slice(-2).map(({ type }) => type),
    ['account', 'done'],
  );
  const forecast = events.find(({ type }) => type === 'forecast');
  assert.ok(forecast?.type === 'forecast');
  assert.equal(forecast.step, 17);
  assert.equal(forecast.expense.seconds, 121);
  assert.equal(forecast.expense.joules, 12_100);
  const account = events.at(-2);
  assert.ok(account?.type === 'account');
  assert.equal(account.seconds, 102);
  assert.equal(account.joules, 10_200);
  assert.deepEqual(account.costs, [{ amount: (10_200 / 3.6e6) * 0.5, currency: 'EUR' }]);
  const { said, took } = account.forecast ?? {};
  assert.deepEqual(said, { seconds: 121, joules: 12_100, processorSeconds: 121, load: 0.5 });
  assert.deepEqual(took, { seconds: 102, joules: 10_200, processorSeconds: 102, load: 0.5 });
  assert.equal(account.load, 0.5);
  assert.equal(forecast.load, 0.5);
  assert.equal(account.memoryEstimate, 2 ** 28);
  assert.ok((account.peakMemory ?? 0) > 2 ** 24);
});

test('a run that is killed and goes on: the time and energy of all its starts count', async (t) => {
  const folder = folderFor(t);
  await run([plan, ...steps(1, 60)], folder, true);
  await run([plan, ...steps(31, 70)], folder, true);
  const events = await run([plan, ...steps(71, 100), done(false)], folder);
  const account = events.at(-2);
  assert.ok(account?.type === 'account');
  assert.equal(account.starts, 3);
  assert.equal(account.seconds, 61 + 41 + 32);
  assert.equal(readAccount(folder).starts.length, 3);
  assert.deepEqual(
    readAccount(folder).starts.map(({ whole }) => whole),
    [false, false, true],
  );
});

test('what kill -9 leaves is at most half a minute old', async (t) => {
  const folder = folderFor(t);
  let last = 0;
  const seen = [plan, ...steps(1, 90)].map((event, i) => ({ event, i }));
  let now = 0;
  async function* timed() {
    for (const { event } of seen) {
      now += 1;
      yield event;
    }
    await Promise.resolve();
  }
  const folderOf = () => ({ dir: folder, overwrite: () => ((last = now), '') });
  const options = { ...known, folder: folderOf, watch: () => took(now) };
  for await (const _ of accounted(timed(), options))
    assert.ok(now - last <= 31, `${now} after ${last}`);
});

test('a damaged account is begun anew, and a disk that is full does not end the run', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, ACCOUNT_FILE), '{');
  await run([plan, step(1), done(true)], folder);
  assert.equal(readAccount(folder).starts.length, 1);
  assert.match(readFileSync(join(folder, ACCOUNT_FILE), 'utf8'), /"joules": 300/);
  mkdirSync(join(folder, 'full'));
  const refusing = {
    dir: join(folder, 'full'),
    overwrite() {
      throw new SystemError([{ where: 'account.json', what: 'no space' }]);
    },
  };
  const events = accounted(
    (async function* () {
      yield await Promise.resolve(plan);
      yield done(false);
    })(),
    { ...known, folder: () => refusing },
  );
  const types: string[] = [];
  for await (const { type } of events) types.push(type);
  assert.deepEqual(types, ['plan', 'account', 'done']);
});
