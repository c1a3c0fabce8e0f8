import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import type { PlanEvent, StepEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import { Forecaster, timesLeft, typicalStep, wholeSeconds } from './forecast.ts';

const config = (more: Readonly<Record<string, unknown>> = {}) =>
  parseConfig({
    task_type: 'text-generation',
    base_model: './models/tiny-llm',
    train_data_dir: './data/customer_service/train.jsonl',
    output_dir: 'o',
    ...more,
  }).config;

// what the forecast looks at
const plan = (totalSteps: number, validationEvery: number) =>
  ({ type: 'plan', totalSteps, epochs: 10, validationEvery }) as PlanEvent;
const step = (number: number) => ({ type: 'step', step: number }) as StepEvent;
const other = (type: 'validation' | 'saved' | 'sample') => ({ type }) as TrainEvent;

/** What is told of a run whose step `i` takes `secondsOf(i)`. */
function told(
  totalSteps: number,
  secondsOf: (step: number) => number,
  { ending, ...settings }: Readonly<Record<string, unknown>> = {},
) {
  const seen: { readonly at: number; readonly step: number; readonly whole: number }[] = [];
  const every = Number(settings.validation_steps ?? 0);
  const forecaster = new Forecaster(config(settings), () => ending as number | undefined);
  let now = 1;
  forecaster.see(plan(totalSteps, every), now);
  const validate = () => forecaster.see(other('validation'), (now += 5));
  if (every > 0) validate();
  for (let i = 1; i <= totalSteps; i++) {
    const whole = forecaster.see(step(i), (now += secondsOf(i)));
    if (whole !== undefined) seen.push({ at: now, step: i, whole });
    if (every > 0 && i % every === 0) validate();
  }
  return { seen, whole: now + Number(ending ?? 0) };
}

const near = (found: number, expected: number, most = 0.02) =>
  assert.ok(Math.abs(found / expected - 1) < most, `${found} for ${expected}`);

test('a run of even steps is told once, after 17 of them', () => {
  const { seen, whole } = told(400, () => 0.5);
  assert.deepEqual(
    seen.map((one) => one.step),
    [17],
  );
  near(seen[0].whole, whole);
});

test('the programs that the first steps open are not taken for steps', () => {
  const { seen, whole } = told(400, (i) => (i === 1 ? 30 : i === 5 || i === 9 ? 8 : 0.5));
  near(seen[0].whole, whole);
});

test('where every second step opens a program, that is part of a step', () => {
  const { seen, whole } = told(400, (i) => (i % 2 === 0 ? 4 : 0.5));
  near(seen[0].whole, whole, 0.1);
});

test('slow steps are told after twenty seconds', () => {
  const { seen, whole } = told(100, () => 6);
  assert.equal(seen[0].step, 5);
  near(seen[0].whole, whole);
});

test('validation before the first step shows what the later ones will take; the end is known', () => {
  const { seen, whole } = told(400, () => 0.5, { validation_steps: 50, ending: 80 });
  near(seen[0].whole, whole);
});

test('a short run is over before anything could be told', () => {
  assert.deepEqual(told(16, () => 0.5).seen, []);
  assert.deepEqual(told(30, () => 0.5).seen, []);
});

test('what comes every so many steps is counted from where the run stands', () => {
  assert.equal(timesLeft(50, 0, 400), 8);
  assert.equal(timesLeft(50, 49, 149), 2);
  assert.equal(timesLeft(50, 50, 149), 1);
  assert.equal(timesLeft(0, 3, 400), 0);
});

test('typical steps, and the sum', () => {
  assert.equal(typicalStep([1, 1, 1, 1, 1, 1, 1, 1, 1, 9]), 1);
  assert.equal(typicalStep([2, 4, 2, 4]), 3);
  const asides = [{ times: 3, seconds: 2 }];
  assert.equal(
    wholeSeconds({ passed: 10, stepsLeft: 5, secondsPerStep: 2, asides, ending: 7 }),
    33,
  );
});
