import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { DataError } from '../errors.ts';
import {
  ACCOUNT_FILE,
  accountEvent,
  accountText,
  costOf,
  readAccount,
  totalOf,
  type StartAccount,
} from './account.ts';
import { costOfRuns } from './runs-cost.ts';

const start = (more: Partial<StartAccount> = {}): StartAccount => ({
  at: '2026-01-31T23:59:59.000Z',
  seconds: 100,
  joules: 3.6e6,
  power: { how: 'guessed', of: '37 W, a guess' },
  whole: false,
  ...more,
});

test('a kilowatt-hour costs what was configured, and nothing is known where nothing was', () => {
  assert.deepEqual(costOf(3.6e6, { price_per_kwh: 0.3, currency: 'EUR' }), {
    amount: 0.3,
    currency: 'EUR',
  });
  assert.deepEqual(costOf(1.8e6, { price_per_kwh: 2 }), { amount: 1 });
  assert.equal(costOf(3.6e6, { currency: 'EUR' }), undefined);
});

test('starts of one run are added, each at its own price, currencies apart', () => {
  const total = totalOf([
    start({ pricePerKwh: 0.5, currency: 'EUR' }),
    start({ pricePerKwh: 1.5, currency: 'EUR', power: { how: 'measured', of: 'a meter' } }),
    start({ pricePerKwh: 4, currency: 'CNY' }),
    start(),
  ]);
  assert.deepEqual(total, {
    seconds: 400,
    joules: 4 * 3.6e6,
    costs: [
      { amount: 2, currency: 'EUR' },
      { amount: 4, currency: 'CNY' },
    ],
    power: ['37 W, a guess', 'a meter'],
    isMeasured: false,
    unpriced: 1,
  });
});

test('a forecast is compared with the start that it was made in, when that ended by itself', () => {
  const forecast = { step: 17, seconds: 90 };
  const killed = start({ forecast, peakMemory: 500 });
  assert.equal(accountEvent({ starts: [killed] }).forecast, undefined);
  const event = accountEvent({
    starts: [killed, start({ forecast, whole: true, peakMemory: 400 })],
  });
  assert.deepEqual(event.forecast, {
    said: { seconds: 90 },
    took: { seconds: 100, joules: 3.6e6 },
  });
  assert.equal(event.peakMemory, 500);
  assert.equal(event.starts, 2);
});

test('runs are summed; those without an account are named, damaged ones are problems', () => {
  withFolder((folder) => {
    const dirs = ['a', 'b', 'c', 'd'].map((name) => join(folder, name));
    for (const dir of dirs) mkdirSync(dir);
    const write = (dir: string, text: string) => writeFileSync(join(dir, ACCOUNT_FILE), text);
    write(dirs[0], accountText({ starts: [start(), start()] }));
    write(dirs[1], accountText({ starts: [start({ peakMemory: 7 })] }));
    write(dirs[2], '{ "starts": [');
    const { runs, total, without, problems } = costOfRuns(dirs);
    assert.deepEqual(
      runs.map(({ dir, starts, seconds }) => [dir, starts, seconds]),
      [
        [dirs[0], 2, 200],
        [dirs[1], 1, 100],
      ],
    );
    assert.equal(total.seconds, 300);
    assert.deepEqual(without, [dirs[3]]);
    assert.equal(problems.length, 1);
    assert.throws(() => readAccount(dirs[2]), DataError);
    assert.deepEqual(readAccount(dirs[3]), { starts: [] });
  });
});
