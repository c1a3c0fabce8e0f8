// The numbers of WebUI's own code (reference/webui_samplers.py), and the model and noise that it
// had.

import { readFileSync } from 'node:fs';
import {
  stableDiffusion15,
  type NoiseScheduleConfig,
} from '../../models/stable-diffusion-config.ts';
import { deserialize } from '../../tensor/safetensors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { needed } from '../../util/needed.ts';
import { noiseStream } from '../noise/noise-stream.ts';
import type { NoiseSourceName } from '../noise/noise-sources.ts';
import { modelLevels, type ModelLevels } from './levels.ts';
import type { NoiseStream, Predict, SamplerStep } from './sampler.ts';
import type { Journey, Way } from './way.ts';

export const SEEDS = [1000, 1001];
const GUIDANCE = 3;

const golden = deserialize(readFileSync('reference/golden/webui_samplers.safetensors')).tensors;

/** Those under a heading, by the rest of their names. */
export const goldenUnder = (heading: string): [name: string, values: Float32Array][] =>
  [...golden.keys()]
    .filter((name) => name.startsWith(`${heading}/`))
    .map((name) => [name.slice(heading.length + 1), goldenNumbers(name)]);

export const goldenNumbers = (name: string): Float32Array =>
  needed<string, Tensor>(golden, name, 'golden numbers').data as Float32Array; // all are float32

export type Kind = 'epsilon' | 'v_prediction' | 'zero_snr';

export const levelsOf = (kind: string, sampler = ''): ModelLevels => {
  const predicts: NoiseScheduleConfig['prediction_type'] =
    kind === 'epsilon' || sampler === 'lcm' ? 'epsilon' : 'v_prediction';
  return modelLevels({
    ...stableDiffusion15.scheduler,
    prediction_type: predicts,
    rescale_betas_zero_snr: kind === 'zero_snr',
  });
};

/** Each half of the guidance with its own c. */
export const model: Predict = (x, t) => {
  const half = (value: number, c: number): number =>
    (value / (1 + (value * value) / 8)) * (0.2 + (0.7 * t) / 1000) * (1 + 0.1 * c) - 0.1 + 0.05 * c;
  const guided = (value: number): number =>
    half(value, -0.5) + GUIDANCE * (half(value, 1) - half(value, -0.5));
  return Promise.resolve(x.map(guided));
};

export const streamOf = (
  shape: readonly [number, number, number] = [4, 2, 2],
  source: NoiseSourceName = 'nv',
  seedDelta = 0,
): NoiseStream =>
  noiseStream(
    SEEDS.map((seed) => ({ seed, source, seedDelta })),
    shape,
  );

export async function passed(way: Way, journey: Partial<Journey> = {}): Promise<SamplerStep[]> {
  const steps: SamplerStep[] = [];
  for await (const step of way.run({ predict: model, noise: streamOf(), ...journey }))
    steps.push(step);
  return steps;
}

/** The largest difference, over the largest number or 1. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  const pairs = Array.from(a, (value, i) => [Math.abs(value - b[i]), Math.abs(b[i])]);
  return Math.max(...pairs.map(([d]) => d)) / Math.max(1, ...pairs.map(([, size]) => size));
}
