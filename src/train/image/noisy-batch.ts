// What a diffusion model is shown in training, computed on the host: noisy latents, timesteps and
// what is to be predicted.

import type { TrainConfig } from '../../config/schema.ts';
import {
  addNoise,
  minSnrWeight,
  predictionTarget,
  type NoiseSchedule,
} from '../../models/noise-schedule.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import { normals, random } from '../../util/philox.ts';
import { ONLY_STREAM, seedFor, type seedHalves } from '../../util/streams.ts';
import type { BatchInputs } from '../loop.ts';

/** The Gaussian of one picture, [channels, height, width] each, not scaled. */
export interface LatentMoments {
  readonly mean: Float32Array;
  /** exp(logvar / 2) */
  readonly deviation: Float32Array;
  readonly shape: readonly [channels: number, height: number, width: number];
}

/** One sample of a batch with everything that chance gave it. */
export interface NoisySample {
  /** Scaled latents without noise. */
  readonly latents: Float32Array;
  readonly noise: Float32Array;
  readonly timestep: number;
}

export interface DrawOptions {
  readonly seed: number;
  readonly noise_offset: TrainConfig['noise_offset'];
  readonly scalingFactor: number;
  readonly timesteps: number;
}

/**
 * Draws for the sample number `index` of the run (counted through all steps): a pure function of
 * (seed, index).
 */
export function drawSample(
  moments: LatentMoments,
  index: number,
  options: DrawOptions,
): NoisySample {
  const chance = random(seedFor('timestep', options.seed), ONLY_STREAM, index);
  return {
    ...drawNoisy(moments, index, options, forTraining),
    timestep: Math.floor(chance * options.timesteps),
  };
}

/**
 * Draws sample number `index` of what is only measured, at a given timestep: a pure function of
 * (seed, index), and from no stream of the training.
 */
export const drawMeasured = (
  moments: LatentMoments,
  index: number,
  timestep: number,
  options: DrawOptions,
): NoisySample => ({ ...drawNoisy(moments, index, options, forMeasuring), timestep });

type Purpose = keyof typeof seedHalves;
type Purposes = readonly [latents: Purpose, noise: Purpose, noiseOffset: Purpose];
const forTraining: Purposes = ['latents', 'noise', 'noiseOffset'];
const forMeasuring: Purposes = ['measuredLatents', 'measuredNoise', 'measuredNoiseOffset'];

function drawNoisy(
  { mean, deviation, shape: [channels] }: LatentMoments,
  index: number,
  { seed, noise_offset, scalingFactor }: DrawOptions,
  purposes: Purposes,
): Omit<NoisySample, 'timestep'> {
  const draw = (purpose: Purpose, length: number) =>
    normals(seedFor(purpose, seed), index, new Float32Array(length));
  const [ofLatents, ofNoise, ofOffset] = purposes;
  // latents = scaling_factor · (mean + exp(logvar / 2) · ε)
  const latents = draw(ofLatents, mean.length);
  for (let i = 0; i < latents.length; i++)
    latents[i] = scalingFactor * (mean[i] + deviation[i] * latents[i]);
  const noise = draw(ofNoise, mean.length);
  if (noise_offset > 0) shiftChannels(noise, draw(ofOffset, channels), noise_offset);
  return { latents, noise };
}

/** noise += offset · ε of its channel */
function shiftChannels(noise: Float32Array, shifts: Float32Array, offset: number): void {
  const plane = noise.length / shifts.length;
  for (let i = 0; i < noise.length; i++) noise[i] += offset * shifts[Math.floor(i / plane)];
}

export interface NoisyInputOptions {
  readonly schedule: NoiseSchedule;
  /** 1 / (samples of the whole accumulated batch) */
  readonly weight: number;
  /** γ of the Min-SNR weights; 0 weighs all timesteps the same. */
  readonly min_snr_gamma: number;
}

/** The inputs of the loss graph for samples of one shape. */
export function noisyInputs(
  samples: readonly NoisySample[],
  shape: LatentMoments['shape'],
  { schedule, weight, min_snr_gamma: gamma }: NoisyInputOptions,
): BatchInputs {
  const weightOf = ({ timestep }: NoisySample) =>
    weight * (gamma > 0 ? minSnrWeight(schedule, timestep, gamma) : 1);
  const batched = (of: (sample: NoisySample) => Float32Array) => stack(samples.map(of), shape);
  const size = samples.length;
  return {
    noisy_latents: batched(({ latents, noise, timestep }) =>
      addNoise(schedule, latents, noise, timestep),
    ),
    target: batched(({ latents, noise, timestep }) =>
      predictionTarget(schedule, latents, noise, timestep),
    ),
    timesteps: float32(
      [size],
      samples.map(({ timestep }) => timestep),
    ),
    sample_weights: float32([size], samples.map(weightOf)),
  };
}

/** Arrays of one length as one tensor [count, ...shape]. */
export function stack(parts: readonly Float32Array[], shape: readonly number[]): Tensor<'float32'> {
  const length = parts[0].length;
  const data = new Float32Array(parts.length * length);
  parts.forEach((part, i) => data.set(part, i * length));
  return { dtype: 'float32', shape: [parts.length, ...shape], data };
}
