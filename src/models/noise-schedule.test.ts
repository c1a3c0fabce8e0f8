import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  addNoise,
  minSnrWeight,
  noiseSchedule,
  predictionTarget,
  velocity,
} from './noise-schedule.ts';
import { stableDiffusion15 } from './stable-diffusion-config.ts';

const schedule = noiseSchedule(stableDiffusion15.scheduler);

test('Stable Diffusion 1.5 has the published schedule', () => {
  const published = {
    0: 0.99915,
    100: 0.894223,
    200: 0.753692,
    400: 0.424483,
    500: 0.276333,
    600: 0.160783,
    800: 0.03687,
    981: 0.005776,
    999: 0.0046601,
  };
  for (const [t, alpha] of Object.entries(published)) {
    // the table has six decimals
    assert.ok(Math.abs(schedule.alphasCumprod[Number(t)] - alpha) < 6e-7, t);
  }
  assert.ok(Math.abs(schedule.sigmas[0] - 0.029167) < 6e-7);
  assert.ok(Math.abs(schedule.sigmas[999] - 14.614641) < 6e-6);
});

test("zero terminal SNR: nothing but noise at the end, the numbers of diffusers' DDPMScheduler", () => {
  const zero = noiseSchedule({
    ...stableDiffusion15.scheduler,
    prediction_type: 'v_prediction',
    rescale_betas_zero_snr: true,
  });
  const published: readonly (readonly [number, number])[] = [
    [0, 0.9991499781608582],
    [100, 0.8867608904838562],
    [500, 0.24101854860782623],
    [900, 0.002960391342639923],
    [998, 1.9679629303936963e-7],
  ];
  for (const [t, alpha] of published)
    // a few roundings to float32
    assert.ok(Math.abs(zero.alphasCumprod[t] / alpha - 1) < 3e-7, `${t}`);
  assert.equal(zero.alphasCumprod[999], 0);
  const [x0, noise] = [Float32Array.of(0.5, -1.25, 3), Float32Array.of(-0.75, 2, 0.125)];
  assert.deepEqual(addNoise(zero, x0, noise, 999), noise);
  assert.deepEqual(
    velocity(zero, x0, noise, 999),
    x0.map((x) => -x),
  );
  assert.ok(Math.abs(zero.sigmas[999] - 4096) < 1e-3); // diffusers starts sampling there
  assert.ok(minSnrWeight(zero, 999, 5) < 1e-7);
});

test('the first timestep below a signal-to-noise ratio', () => {
  const below = (snr: number) => schedule.sigmas.findIndex((sigma) => sigma ** -2 < snr);
  assert.deepEqual([below(5), below(1)], [147, 354]);
});

test('noise and v are one rotation of picture and noise', () => {
  const [x0, noise] = [Float32Array.of(0.5, -1.25, 3), Float32Array.of(-0.75, 2, 0.125)];
  const xt = addNoise(schedule, x0, noise, 400);
  const v = velocity(schedule, x0, noise, 400);
  const alpha = schedule.alphasCumprod[400];
  xt.forEach((x, i) => {
    // x₀ = √ᾱ xₜ - √(1 - ᾱ) v; four float32 roundings of numbers below 4
    assert.ok(Math.abs(Math.sqrt(alpha) * x - Math.sqrt(1 - alpha) * v[i] - x0[i]) < 1e-6);
  });
  assert.equal(addNoise(schedule, x0, noise, 400, noise), noise);
  assert.deepEqual(noise, xt);
});

test('the target follows the prediction type', () => {
  const [x0, noise] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
  assert.equal(predictionTarget(schedule, x0, noise, 7), noise);
  const ofV = noiseSchedule({ ...stableDiffusion15.scheduler, prediction_type: 'v_prediction' });
  assert.deepEqual(predictionTarget(ofV, x0, noise, 7), velocity(ofV, x0, noise, 7));
});

test('Min-SNR weights: 1 where the noise is strong, less where it is weak', () => {
  const ofV = noiseSchedule({ ...stableDiffusion15.scheduler, prediction_type: 'v_prediction' });
  for (const t of [0, 300, 600, 999]) {
    const alpha = schedule.alphasCumprod[t];
    const snr = alpha / (1 - alpha);
    assert.ok(Math.abs(minSnrWeight(schedule, t, 5) - Math.min(1, 5 / snr)) < 1e-6);
    assert.ok(Math.abs(minSnrWeight(ofV, t, 5) - Math.min(snr, 5) / (snr + 1)) < 1e-6);
  }
});
