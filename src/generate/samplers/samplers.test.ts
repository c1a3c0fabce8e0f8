import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hashedUniforms } from '../../models/hashed-weights.test-util.ts';
import { noiseSchedule } from '../../models/noise-schedule.ts';
import {
  stableDiffusion15,
  type NoiseScheduleConfig,
} from '../../models/stable-diffusion-config.ts';
import type { Predict, SamplerStep } from './sampler.ts';
import { samplers, type SamplerName } from './samplers.ts';
import { karrasSigmas, sigmaAt, timestepAt, uniformSigmas } from './sigmas.ts';

interface Golden {
  readonly sampler: SamplerName;
  readonly steps: number;
  readonly prediction_type: NoiseScheduleConfig['prediction_type'];
  readonly zero_snr?: boolean;
  readonly x: readonly number[];
}

/** Made by reference/samplers.py, which has the same model. */
const golden: readonly Golden[] = JSON.parse(
  readFileSync('reference/golden/samplers.json', 'utf8'),
);
const schedule = noiseSchedule(stableDiffusion15.scheduler);
const hashed = (name: string) => hashedUniforms(name, 16).map((u) => u * Math.fround(1.7));
const model: Predict = (x, t) =>
  Promise.resolve(
    x.map((v) => (v / (1 + (v * v) / 8)) * (0.2 + (0.7 * Math.round(t)) / 1000) - 0.1),
  );

async function sample(
  name: SamplerName,
  steps: number,
  changes: Partial<NoiseScheduleConfig> = {},
): Promise<SamplerStep[]> {
  const run = {
    schedule: noiseSchedule({ ...stableDiffusion15.scheduler, ...changes }),
    steps,
    noise: hashed('start'),
    predict: model,
    freshNoise: (draw: number) => hashed(`fresh.${draw}`),
  };
  const yielded: SamplerStep[] = [];
  for await (const step of samplers[name](run)) yielded.push(step);
  return yielded;
}

for (const { sampler, steps, prediction_type, zero_snr = false, x } of golden) {
  const kind = `${prediction_type}${zero_snr ? ' with zero terminal SNR' : ''}`;
  test(`${sampler} in ${steps} steps of ${kind} equals diffusers`, async () => {
    const changes = { prediction_type, rescale_betas_zero_snr: zero_snr };
    const yielded = await sample(sampler, steps, changes);
    assert.deepEqual(
      yielded.map(({ step }) => step),
      Array.from({ length: steps }, (_, i) => i + 1),
    );
    // Both round x, at first about 15, to float32 at every step.
    yielded[steps - 1].x.forEach((value, i) =>
      assert.ok(Math.abs(value - x[i]) < 2e-5, `${value} is not ${x[i]}`),
    );
  });
}

test('the noise levels of 20 steps are the published ones', () => {
  const published = {
    uniform:
      '14.6146 10.7468 8.0815 6.2049 4.8557 3.8654 3.1238 2.5572 2.1157 1.7648 1.4806 1.2458 1.0481 .8784 .7297 .5964 .4736 .3555 .2322 .0292 0',
    karras:
      '14.6146 11.7254 9.3402 7.3836 5.7894 4.4998 3.4647 2.6408 1.9909 1.4832 1.0908 .7909 .5647 .3964 .2730 .1842 .1213 .0779 .0485 .0292 0',
  };
  const ours = { uniform: uniformSigmas(schedule, 20), karras: karrasSigmas(schedule, 20) };
  for (const kind of ['uniform', 'karras'] as const) {
    published[kind]
      .split(' ')
      .forEach((sigma, i) =>
        assert.ok(Math.abs(ours[kind][i] - Number(sigma)) < 6e-5, `${kind} ${i}`),
      ); // four decimals
  }
});

test("timesteps and noise levels are each other's inverse", () => {
  for (const t of [0, 0.25, 1, 146.5, 500, 998.75, 999])
    // logarithms in float64
    assert.ok(Math.abs(timestepAt(schedule, sigmaAt(schedule, t)) - t) < 1e-9);
  assert.equal(timestepAt(schedule, 1e-3), 0);
  assert.equal(timestepAt(schedule, 99), 999);
});

test('every sampler finds the one picture there is, from any noise, in one step or many', async () => {
  const picture = hashed('picture');
  for (const name of Object.keys(samplers) as SamplerName[]) {
    for (const steps of name === 'ddim' ? [2, 9] : [1, 2, 9]) {
      // DDIM's only step is that of t = 1, in diffusers too
      const predict: Predict = (x, t) => {
        const alpha = sigmaAt(schedule, t) ** 2;
        const [scale, grain] = [Math.sqrt(1 / (alpha + 1)), Math.sqrt(alpha / (alpha + 1))];
        return Promise.resolve(x.map((v, i) => (v - scale * picture[i]) / grain));
      };
      let x = new Float32Array(16);
      for await (const step of samplers[name]({
        schedule,
        steps,
        noise: hashed('start'),
        predict,
        freshNoise: () => hashed('fresh'),
      }))
        x = new Float32Array(step.x);
      // DDIM ends at ᾱ₀ = 0.99915, with the least of the noise left.
      const tolerance = name === 'ddim' ? 0.1 : 1e-4;
      x.forEach((value, i) =>
        assert.ok(
          Math.abs(value - picture[i]) < tolerance,
          `${name} ${steps}: ${value} is not ${picture[i]}`,
        ),
      );
    }
  }
});
