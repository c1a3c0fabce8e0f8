import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../errors.ts';
import { smallConfig } from '../models/small-configs.test-util.ts';
import { completeRequests, type PictureRequest } from './picture-request.ts';

function problems(request: Partial<PictureRequest>): string[] {
  try {
    completeRequests([{ prompt: 'a', ...request }], smallConfig);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ where, what, fix }) => `${where}: ${what}. ${fix}`);
  }
}

test('samplers and schedules go by the names of other programs', () => {
  const [{ sampler, schedule }] = completeRequests(
    [{ prompt: 'a', sampler: 'DPM++ 2M SDE Karras', schedule: 'simple' }],
    smallConfig,
  );
  assert.deepEqual([sampler, schedule], ['dpmpp_2m_sde', 'karras']);
});

test('names that are not there are refused by name, with the nearest and the list', () => {
  assert.match(problems({ sampler: 'eulr' })[0], /no sampler eulr\. Did you mean euler\? Choose/);
  assert.match(problems({ sampler: 'PLMS' })[0], /no sampler PLMS/);
  assert.match(problems({ schedule: 'beta' })[0], /no schedule beta\. .*Choose one of automatic,/);
  const noiseSource = 'gpu' as 'nv'; // what a program without types may give
  assert.match(problems({ noiseSource })[0], /no source of noise gpu\. .*nv, cpu/);
});

test('steps in which a sampler makes no picture are refused, and how to get one', () => {
  assert.deepEqual(problems({ sampler: 'ddim', steps: 1 }), [
    'picture 1 steps: DDIM makes no picture in 1 step. Give a whole number from 2 to 1000.',
  ]);
  assert.match(problems({ sampler: 'UniPC', steps: 2 })[0], /UniPC makes no picture in 2 steps/);
  assert.deepEqual(problems({ sampler: 'euler', steps: 1 }), []);
  const latents = new Float32Array(4 * 32 * 32);
  const weak = { strength: 0.1, allSteps: false, latents };
  assert.ok(problems({ sampler: 'unipc', steps: 20, initial: weak }).length > 0);
  const enlarged = { ...weak, strength: 0.001, allSteps: true };
  assert.match(problems({ steps: 20, initial: enlarged }).join(), /last of 20000 at this strength/);
});

test('pictures and masks of another size, and parts beyond one, are refused', () => {
  const initial = { strength: 1.5, allSteps: false, latents: new Float32Array(3) };
  const found = problems({ initial, eta: -1, seedDelta: 0.5 }).join('\n');
  for (const part of [
    /seedDelta: 0\.5 is not a seed/,
    /eta: -1/,
    /initial\.strength: 1\.5/,
    /3 numbers where/,
  ])
    assert.match(found, part);
});
