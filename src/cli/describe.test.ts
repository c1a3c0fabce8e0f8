// What the terminal says before, between and after the steps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doneLines, planLines, sampleLines, validationLines, verdictLines } from './describe.ts';

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

test('pictures have a validation loss without perplexity, texts with it', () => {
  const found = {
    type: 'validation',
    step: 40,
    loss: 0.0351,
    trainLoss: 0.0234,
    losses: [],
  } as const;
  assert.match(
    validationLines(found)[0],
    /step 40: validation loss 0\.03510, on trained 0\.02340$/,
  );
  assert.match(
    validationLines({ ...found, step: 0, perplexity: 1.036 })[0],
    /before the first step: validation loss 0\.03510, perplexity 1\.036, on trained/,
  );
});

test('a preview that is a copy names what it is a copy of', () => {
  const sample = { type: 'sample', step: 80, prompt: 'a robot', file: 'previews/1.png' } as const;
  const nearest = { name: 'cat.png', likeness: 0.81, isCopy: true };
  assert.match(sampleLines({ ...sample, nearest })[0], /a robot a copy of cat\.png \(0\.81\)$/);
  const [plain] = sampleLines({ ...sample, nearest: { ...nearest, isCopy: false } });
  assert.doesNotMatch(plain, /copy/);
});

test('a verdict in between says after which step; the last one, and the best checkpoint, stand alone', () => {
  const verdict = {
    kind: 'overfit',
    best: 160,
    headline: 'Best at step 160',
    reasons: ['Why.'],
  } as const;
  const event = { type: 'verdict', step: 280, final: false, verdict } as const;
  assert.match(verdictLines(event).join('\n'), /^\nafter step 280: Best at step 160\n {2}Why\.\n$/);
  assert.match(verdictLines({ ...event, final: true }).join('\n'), /^\nBest at step 160\n/);
  const done = {
    type: 'done',
    stopped: false,
    step: 320,
    totalSteps: 320,
    adapter: 'out/brand.safetensors',
    best: { step: 160, adapter: 'out/brand-step00000160.safetensors' },
    log: 'out/logs/train.log',
    results: {},
    seconds: 1,
  } as const;
  const lines = doneLines(done, '').join('\n');
  assert.match(lines, /best +out\/brand-step00000160\.safetensors \(step 160\)/);
  assert.match(lines, /Use this one\. `lora runs rollback out@best` makes it the result\./);
});
