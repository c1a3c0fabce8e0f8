// What every sampler takes and yields: a way from noise to a picture in `steps` calls of the model.

import type { NoiseSchedule } from '../../models/noise-schedule.ts';

/**
 * The model: xₜ = √ᾱ x₀ + √(1 - ᾱ) noise, scaled as in training, and t, which may lie between two
 * timesteps
 * -> its prediction, noise or v as the schedule says. Several pictures may lie behind one another
 * in x.
 */
export type Predict = (x: Float32Array, t: number) => Promise<Float32Array>;

export interface SamplerRun {
  readonly schedule: NoiseSchedule;
  /** 1 … num_train_timesteps. */
  readonly steps: number;
  /** Standard normal numbers to start from; left as they are. */
  readonly noise: Float32Array;
  readonly predict: Predict;
  /**
   * As many fresh standard normal numbers, for the samplers that add noise on the way; `draw`
   * counts from 1.
   */
  readonly freshNoise: (draw: number) => Float32Array;
}

export interface SamplerStep {
  /** 1 … steps. */
  readonly step: number;
  /** Where the sampler stands; after the last step the finished latents. A new array each time. */
  readonly x: Float32Array;
  /** The picture that the model makes out at this step: a preview. */
  readonly denoised: Float32Array;
}

export type Sampler = (run: SamplerRun) => AsyncGenerator<SamplerStep>;

/** a x + b y */
export function combine(a: number, x: Float32Array, b: number, y: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let i = 0; i < out.length; i++) out[i] = a * x[i] + b * y[i];
  return out;
}

/** Numbers at equal distances, both ends included; the first alone where there is only one. */
export function evenly(first: number, last: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? first : first + ((last - first) * i) / (count - 1),
  );
}
