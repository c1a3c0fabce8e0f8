import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { accountText, type StartAccount } from '../account/account.ts';
import { makeRun, testFolder } from '../runs/made-run.test-util.ts';
import { energy, expenseLines, money } from './account-lines.ts';
import { runCommand } from './run.test-util.ts';
import { runsCostCommand } from './runs-cost.ts';

const start = (more: Partial<StartAccount> = {}): StartAccount => ({
  at: '2026-01-31T23:59:59.000Z',
  seconds: 3600,
  joules: 3.6e6,
  power: { how: 'given', of: '1000 W, as configured' },
  pricePerKwh: 0.3,
  currency: 'EUR',
  peakMemory: 2 ** 30,
  whole: true,
  ...more,
});

test('lora runs cost adds up the starts of every run, and says what it does not know', async (t) => {
  const dir = testFolder(t);
  const runs = ['brand', 'talk', 'old'].map((name) => join(dir, name));
  runs.forEach((folder, i) => makeRun(folder, { name: ['brand', 'talk', 'old'][i] }));
  const write = (folder: string, starts: StartAccount[]) =>
    writeFileSync(join(folder, 'account.json'), accountText({ starts }));
  write(runs[0], [start(), start({ whole: false })]);
  write(runs[1], [start({ pricePerKwh: undefined, currency: undefined })]);
  const { text, code } = await runCommand([runsCostCommand], ['runs', 'cost', ...runs]);
  assert.equal(code, 0);
  const lines = stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trim().replace(/ {2,}/g, ' | '));
  assert.deepEqual(lines.slice(0, 4), [
    'NAME | STARTS | TIME | ENERGY | COST | PEAK MEMORY',
    'brand | 2 | 2 h 00 min | 2.0 kWh | 0.60 EUR | 1.0 GiB',
    'talk | 1 | 1 h 00 min | 1.0 kWh | – | 1.0 GiB',
    'all | 3 | 3 h 00 min | 3.0 kWh | 0.60 EUR',
  ]);
  assert.match(text, /1 start has no price/);
  assert.match(text, /1 more without an account/);
  const json: unknown = JSON.parse(
    (await runCommand([runsCostCommand], ['runs', 'cost', runs[0], '--json'])).text,
  );
  assert.ok(JSON.stringify(json).includes('"kilowattHours":2'));
});

test('energy and money are told in digits that say something', () => {
  assert.deepEqual([1260, 45_000, 4.5e6, 9e7].map(energy), [
    '0.35 Wh',
    '13 Wh',
    '1.3 kWh',
    '25 kWh',
  ]);
  assert.equal(money({ amount: 0.00161, currency: 'EUR' }), '0.0016 EUR');
  assert.equal(money({ amount: 12.3456 }), '12.35');
  assert.equal(money({ amount: 0, currency: '$' }), '0.00 $');
});

test('the end of a run stands beside what was promised', () => {
  const lines = expenseLines({
    type: 'account',
    seconds: 240,
    joules: 36_000,
    costs: [{ amount: 0.003, currency: 'EUR' }],
    power: ['150 W, as configured'],
    isMeasured: false,
    unpriced: 0,
    starts: 2,
    peakMemory: 550 * 2 ** 20,
    memoryEstimate: 500 * 2 ** 20,
    load: 0.05,
    forecast: {
      said: { seconds: 200, joules: 30_000, load: 0.02 },
      took: { seconds: 190, joules: 28_500, load: 0.05 },
    },
  }).map(stripVTControlCharacters);
  assert.deepEqual(lines, [
    '',
    '  time           4 min 00 s in 2 starts (the plan said 3 min 20 s: -5 %)',
    '  energy         10 Wh, 0.0030 EUR (150 W, as configured) (the plan said 8.3 Wh: -5 %)',
    '  peak memory    550 MiB (the plan said 500 MiB: +10 %)',
  ]);
});

const forecast = {
  type: 'forecast',
  step: 17,
  expense: {
    seconds: 240,
    joules: 36_000,
    costs: [],
    power: ['37 W, a guess'],
    isMeasured: false,
    unpriced: 1,
  },
  processorSeconds: 400,
} as const;

test('what other programs take of the processor is said where it matters, before and after', () => {
  const lines = (event: Parameters<typeof expenseLines>[0]) =>
    expenseLines(event).map(stripVTControlCharacters).join('\n');
  assert.doesNotMatch(lines(forecast), /other programs/i);
  assert.doesNotMatch(lines({ ...forecast, load: 0.04 }), /other programs/i);
  assert.match(lines({ ...forecast, load: 0.45 }), /Other programs have 45 % of the processor/);
  const account = { ...forecast.expense, type: 'account', starts: 1 } as const;
  const said = { seconds: 100, load: 0.02 };
  const took = { seconds: 190, load: 0.45 };
  assert.match(
    lines({ ...account, load: 0.45, forecast: { said, took } }),
    /the plan said 1 min 40 s: \+90 %.*\n.*other programs had 45 % .*, 2 % when/,
  );
  assert.match(lines({ ...account, load: 0.45 }), /other programs had 45 %/);
  assert.doesNotMatch(lines({ ...account, load: 0.05 }), /other programs/);
});

test('why energy is only guessed is said once: with the forecast, or, without one, in the account', () => {
  const text = expenseLines({ ...forecast, hint: 'Only root may.' }).join('\n');
  assert.match(text, /Only root may\./);
  const account = { ...forecast.expense, type: 'account', starts: 1 } as const;
  assert.match(expenseLines({ ...account, hint: 'Only root may.' }).join('\n'), /Only root may\./);
});
