// Each optimiser by PyTorch's trajectory, each schedule by diffusers' rates
// (reference/optimisers.py).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hashedUniforms } from '../models/hashed-weights.test-util.ts';
import { optimiserNames, optimisers, type OptimiserName } from './optimisers.ts';
import type { OptimiserRule, OptimiserSettings } from './rule.ts';
import { learningRateFactor, scheduleNames, warmupSteps, type ScheduleName } from './schedule.ts';

interface Trajectory {
  readonly optimizer: OptimiserName;
  readonly options: Partial<OptimiserSettings>;
  readonly weights: readonly (readonly number[])[];
}

interface Rates {
  readonly lr_scheduler: ScheduleName;
  readonly warmup?: number;
  readonly cycles?: number;
  readonly power?: number;
  readonly rates: readonly number[];
}

interface Golden {
  readonly size: number;
  readonly steps: number;
  readonly rates: readonly number[];
  readonly trajectories: Readonly<Record<string, Trajectory>>;
  readonly schedules: Readonly<Record<string, Rates>>;
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/optimisers.json', import.meta.url), 'utf8'),
);

/** Weights and state are float32 here, float64 there; the weights are below 2. */
const TOLERANCE = 4e-6;

const settingsOf = (
  name: OptimiserName,
  options: Partial<OptimiserSettings>,
): OptimiserSettings => ({
  betas: [0.9, 0.999],
  eps: 1e-8,
  ...optimisers[name].defaults,
  ...options,
});

/** The weights after each step; `scale` divides the gradients that are given beforehand. */
function trajectoryOf({ optimizer, options }: Trajectory, scale = 1): number[][] {
  const rule: OptimiserRule = optimisers[optimizer];
  const weight = hashedUniforms('weight', golden.size);
  const state = Object.fromEntries(
    rule.state.map((name) => [name, new Float32Array(golden.size)] as const),
  );
  return Array.from({ length: golden.steps }, (_, step) => {
    const gradient = hashedUniforms(`gradient ${step}`, golden.size).map((g) => g / scale);
    const learningRate = golden.rates[step % golden.rates.length];
    const update = rule.update(step + 1, settingsOf(optimizer, options));
    update(weight, gradient, state, { learningRate, scale });
    return [...weight];
  });
}

for (const [title, trajectory] of Object.entries(golden.trajectories)) {
  for (const scale of [1, 4])
    test(`${title}: PyTorch's weights after each step${scale === 1 ? '' : ', gradients scaled'}`, () => {
      trajectoryOf(trajectory, scale).forEach((weights, step) =>
        weights.forEach((w, i) => {
          const difference = Math.abs(w - trajectory.weights[step][i]);
          assert.ok(difference <= TOLERANCE, `step ${step}, weight ${i}: off by ${difference}`);
        }),
      );
    });
}

test('every optimiser and every schedule of the tables has a reference', () => {
  const tried = new Set(Object.values(golden.trajectories).map(({ optimizer }) => optimizer));
  assert.deepEqual([...tried].sort(), [...optimiserNames].sort());
  const rated = new Set(Object.values(golden.schedules).map(({ lr_scheduler }) => lr_scheduler));
  assert.deepEqual([...rated].sort(), [...scheduleNames].sort());
});

test('an optimiser reads the settings that it names, and no others', () => {
  const others: OptimiserSettings = {
    betas: [0.3, 0.4],
    eps: 0.05,
    weight_decay: 0.2,
    momentum: 0.3,
  };
  const names = Object.keys(others) as (keyof OptimiserSettings)[]; // its own keys
  for (const optimizer of optimiserNames) {
    const run = (options: Partial<OptimiserSettings>) =>
      trajectoryOf({ optimizer, options, weights: [] }).at(-1);
    const plain = run({});
    const effective = names.filter((name) => {
      const changed = run({ [name]: others[name] });
      return changed?.some((w, i) => w !== plain?.[i]);
    });
    assert.deepEqual(
      effective,
      names.filter((name) => optimisers[optimizer].settings.some((one) => one === name)),
      optimizer,
    );
  }
});

test('an optimiser describes the settings that it reads, by the names of PyTorch', () => {
  for (const [name, options] of [
    ['adamw', { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 }],
    ['sgd', { momentum: 0, weight_decay: 0, nesterov: false }],
    ['sgd_nesterov', { momentum: 0.9, weight_decay: 0, nesterov: true }],
  ] as const)
    assert.deepEqual(optimisers[name].describe(settingsOf(name, {})).options, options);
});

// ---- schedules

/** diffusers' polynomial ends at 1e-7, which its base rate (1 in the reference) is divided by. */
const allowed = (name: ScheduleName): number => (name === 'polynomial' ? 1e-7 : 1e-12);

for (const [title, { lr_scheduler, warmup = 0, cycles = 1, power = 1, rates }] of Object.entries(
  golden.schedules,
)) {
  test(`${title}: diffusers' learning rate at each step`, () => {
    const options = {
      lr_scheduler,
      lr_warmup_steps: warmup,
      lr_num_cycles: cycles,
      lr_power: power,
    };
    rates.forEach((rate, step) => {
      const ours = learningRateFactor(step, golden.steps, options);
      // a root of 1e-7 would be larger than it: the end itself is not among the steps
      assert.ok(
        Math.abs(ours - rate) <= allowed(lr_scheduler),
        `step ${step}: ${ours}, not ${rate}`,
      );
    });
  });
}

test('polynomial falls to 0, where diffusers stops at 1e-7: no learning rate is below its end', () => {
  const options = { lr_scheduler: 'polynomial', lr_warmup_steps: 0, lr_num_cycles: 1 } as const;
  for (const lr_power of [0.5, 1, 2])
    assert.equal(learningRateFactor(12, 12, { ...options, lr_power }), 0);
});

test('warm-up below 1 is a share of the run, more than the run is all of it, constant has none', () => {
  const of = (given: number, lr_scheduler: ScheduleName = 'linear') =>
    warmupSteps(50, { lr_scheduler, lr_warmup_steps: given });
  assert.deepEqual(
    [0, 0.1, 0.05, 3, 80].map((given) => of(given)),
    [0, 5, 2, 3, 50],
  );
  assert.equal(of(10, 'constant'), 0);
});
