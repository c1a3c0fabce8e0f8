import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookSchedule, lookShare, usualInterval } from './look-schedule.ts';

const config = { validation_steps: 0, save_steps: 0, sample_every: 0, sample_prompts: ['a cat'] };
const stepsOf = (isDue: (step: number, final: boolean) => boolean, total = 20): number[] =>
  Array.from({ length: total + 1 }, (_, step) => step).filter((step) =>
    isDue(step, step === total),
  );

test('a checkpoint is looked at even where validation_steps does not meet it', () => {
  const schedule = lookSchedule({
    config: { ...config, validation_steps: 6, save_steps: 10 },
    holdsBack: true,
    usual: 1,
    ends: true,
  });
  assert.deepEqual(stepsOf(schedule.validates), [0, 6, 10, 12, 18, 20]);
  assert.deepEqual(stepsOf(schedule.previews), []);
});

test('nothing is validated where nothing is held back; previews of pictures have both ends', () => {
  const options = { config: { ...config, sample_every: 8 }, holdsBack: false, usual: 5 };
  const [pictures, texts] = [true, false].map((ends) => lookSchedule({ ...options, ends }));
  assert.deepEqual(stepsOf(pictures.validates), []);
  assert.deepEqual(stepsOf(pictures.previews), [0, 8, 16, 20]);
  assert.deepEqual(stepsOf(texts.previews), [8, 16]);
});

test('the usual looks are twenty, fewer where they would cost more than a tenth, and meet the checkpoints', () => {
  const cost = { totalSteps: 880, samplesPerStep: 4, samplesPerLook: 24, saveSteps: 0 };
  assert.equal(usualInterval(cost), 44);
  assert.equal(usualInterval({ ...cost, saveSteps: 200 }), 40);
  const dear = { ...cost, samplesPerLook: 144 };
  const every = usualInterval(dear);
  assert.equal(every, 126);
  assert.ok(lookShare(every, dear) <= 0.11, String(lookShare(every, dear)));
  assert.equal(usualInterval({ ...cost, samplesPerLook: 5000 }), 220);
  for (const totalSteps of [1, 2, 3, 50]) {
    const short = usualInterval({ ...cost, totalSteps, saveSteps: 7 });
    assert.ok(short >= 1 && short <= Math.max(7, totalSteps), `${totalSteps}: ${short}`);
  }
});
