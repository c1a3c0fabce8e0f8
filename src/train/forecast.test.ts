import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_TIME, type Duration } from '../account/duration.ts';
import type { PlanEvent, StepEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import { Forecaster, timesAfter, typicalStep, wholeDuration, type Dues } from './forecast.ts';
import { lookSchedule } from './look-schedule.ts';

/** Seconds by the clock, and twice as many of two processors. */
const took = (clock: number): Duration => ({ clock, processor: 2 * clock });

// what the forecast looks at
const plan = (totalSteps: number) => ({ type: 'plan', totalSteps, epochs: 10 }) as PlanEvent;
const step = (number: number) => ({ type: 'step', step: number }) as StepEvent;
const other = (type: 'validation' | 'saved' | 'sample' | 'verdict') => ({ type }) as TrainEvent;
const phase = (name: string, done = 0, total = 0): TrainEvent => ({
  type: 'phase',
  name,
  done,
  total,
});

const dues = (more: { validation?: number; save?: number; sample?: number } = {}): Dues => {
  const { validation = 0, save = 0, sample = 0 } = more;
  const config = {
    validation_steps: validation,
    save_steps: save,
    sample_every: sample,
    sample_prompts: ['a cat'],
  };
  const options = { config, holdsBack: validation > 0, usual: 1, ends: true };
  return { looks: lookSchedule(options), saveSteps: save };
};

interface Made {
  readonly dues?: Dues;
  /** Seconds of each. */
  readonly validating?: number;
  readonly drawing?: number;
  readonly saving?: number;
  readonly ending?: number;
}

/** What is told of a run whose step `i` takes `secondsOf(i)`, and its real length. */
function told(totalSteps: number, secondsOf: (step: number) => number, made: Made = {}) {
  const { dues: due = dues(), validating = 5, drawing = 7, saving = 1, ending = 0 } = made;
  const seen: { readonly step: number; readonly whole: Duration }[] = [];
  const lefts: { readonly at: number; readonly left: number }[] = [];
  const trial = { opening: took(0), whole: took(ending) };
  const forecaster = new Forecaster({ dues: () => due, ending: () => trial });
  let now = 1;
  const see = (event: TrainEvent, seconds: number) => {
    now += seconds;
    const whole = forecaster.see(event, took(now));
    if (whole !== undefined && event.type === 'step') seen.push({ step: event.step, whole });
  };
  const look = (i: number) => {
    const final = i === totalSteps;
    if (i > 0 && due.saveSteps > 0 && i % due.saveSteps === 0) see(other('saved'), saving);
    if (due.looks?.validates(i, final) === true) {
      see(phase('validating', 0, 2), 0);
      see(phase('validating', 2, 2), 0.9 * validating);
      see(other('validation'), 0.1 * validating);
    }
    if (due.looks?.previews(i, final) !== true) return;
    see(phase('drawing previews'), 0);
    see(phase('drawing previews', 9, 9), 0.6 * drawing);
    see(other('sample'), 0.2 * drawing);
    see(other('sample'), 0.2 * drawing);
  };
  see(plan(totalSteps), 0);
  see(phase('trying the contact sheet'), 3);
  see(phase('caching latents', 9, 9), 4);
  look(0);
  for (let i = 1; i <= totalSteps; i++) {
    see(step(i), secondsOf(i));
    lefts.push({ at: now, left: forecaster.left?.clock ?? NaN });
    look(i);
  }
  return { seen, lefts, whole: now + ending };
}

const near = (found: number, expected: number, most = 0.02) =>
  assert.ok(Math.abs(found / expected - 1) < most, `${found} for ${expected}`);

test('a run of even steps is told once, after 17 of them, by the clock and in processor time', () => {
  const { seen, whole } = told(400, () => 0.5);
  assert.deepEqual(
    seen.map((one) => one.step),
    [17],
  );
  near(seen[0].whole.clock, whole);
  near(seen[0].whole.processor, 2 * whole);
});

test('the programs that the first steps open are not taken for steps', () => {
  const { seen, whole } = told(400, (i) => (i === 1 ? 30 : i === 5 || i === 9 ? 8 : 0.5));
  near(seen[0].whole.clock, whole);
});

test('where every second step opens a program, that is part of a step', () => {
  const { seen, whole } = told(400, (i) => (i % 2 === 0 ? 4 : 0.5));
  near(seen[0].whole.clock, whole, 0.1);
});

test('slow steps are told after twenty seconds', () => {
  const { seen, whole } = told(100, () => 6);
  assert.equal(seen[0].step, 5);
  near(seen[0].whole.clock, whole);
});

test('a validation that said how far it was counts as a whole, and so do previews and checkpoints', () => {
  const cases: [string, Dues][] = [
    ['validation', dues({ validation: 10 })],
    ['previews', dues({ sample: 10 })],
    ['a validation that meets no checkpoint', dues({ validation: 60, save: 10 })],
    ['all of them', dues({ validation: 12, sample: 16, save: 15 })],
  ];
  for (const [name, due] of cases) {
    const { seen, whole } = told(400, () => 0.5, { dues: due, ending: 80, saving: 2 });
    assert.ok(
      Math.abs(seen[0].whole.clock / whole - 1) < 0.03,
      `${name}: ${seen[0].whole.clock} for ${whole}`,
    );
  }
});

test('what is left at each step counts the work besides the steps, and follows a change of pace', () => {
  const due = dues({ validation: 20, sample: 50, save: 30 });
  const { lefts, whole } = told(400, (i) => (i < 200 ? 0.5 : 1), { dues: due, ending: 40 });
  assert.ok(Number.isNaN(lefts[0].left));
  for (const [i, { at, left }] of lefts.entries()) if (i >= 265) near(at + left, whole, 0.02);
  assert.ok(lefts[399].left > 40);
});

test('without a word of the end, a run is not told how long it takes', () => {
  const forecaster = new Forecaster({ dues: () => dues(), ending: () => undefined });
  forecaster.see(plan(400), took(1));
  const wholes = Array.from({ length: 60 }, (_, i) => forecaster.see(step(i + 1), took(i + 2)));
  assert.deepEqual([...new Set(wholes)], [undefined]);
});

test('a short run is over before anything could be told', () => {
  assert.deepEqual(told(16, () => 0.5).seen, []);
  assert.deepEqual(told(30, () => 0.5).seen, []);
});

test('what comes every so many steps is counted from where the run stands', () => {
  const counted = (due: Dues, from: number, total: number) => timesAfter(due, from, total);
  assert.deepEqual(counted(dues({ save: 50 }), 0, 400), { validation: 0, sample: 0, saved: 8 });
  assert.deepEqual(counted(dues({ save: 50 }), 50, 149), { validation: 0, sample: 0, saved: 2 });
  assert.deepEqual(counted(dues({ save: 50 }), 51, 149), { validation: 0, sample: 0, saved: 1 });
  // before the first step, after 30 and 60, at checkpoints, and after the last
  assert.equal(counted(dues({ validation: 30, save: 20 }), 0, 70).validation, 6);
  assert.equal(counted(dues({ sample: 30 }), 0, 70).sample, 4);
  assert.equal(counted(dues({ sample: 30 }), 31, 70).sample, 2);
});

test('typical steps, and the sum', () => {
  const clockOf = (seconds: readonly number[]) => typicalStep(seconds.map(took)).clock;
  assert.equal(clockOf([1, 1, 1, 1, 1, 1, 1, 1, 1, 9]), 1);
  assert.equal(clockOf([2, 4, 2, 4]), 3);
  const parts = { passed: took(10), stepsLeft: 5, step: took(2), ending: took(7) };
  assert.deepEqual(wholeDuration({ ...parts, asides: [{ times: 3, each: took(2) }] }), took(33));
  assert.deepEqual(wholeDuration({ ...parts, asides: [], ending: NO_TIME }), took(20));
});
