// What the plan says before the first step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planLines } from './describe.ts';

const plan = {
  type: 'plan',
  outputDir: '/runs/brand',
  baseModel: './base',
  samples: 5,
  sampleName: 'picture',
  shapes: [],
  totalSteps: 1,
  firstStep: 0,
  epochs: 1,
  batchSize: 64,
  gradientAccumulation: 1,
  trainableParameters: 1000,
  adaptedModules: 2,
  device: 'cpu',
} as const;

test('five pictures at batch_size: 64 were called a step of 64', () => {
  assert.match(planLines(plan).join('\n'), / 1 step of up to 64 pictures in 1 epoch$/m);
  const accumulated = { ...plan, batchSize: 2, gradientAccumulation: 4 };
  assert.match(planLines(accumulated).join('\n'), / 1 step of up to 8 pictures in 1 epoch$/m);
  assert.match(
    planLines({ ...plan, batchSize: 1 }).join('\n'),
    / 1 step of 1 picture in 1 epoch$/m,
  );
});
