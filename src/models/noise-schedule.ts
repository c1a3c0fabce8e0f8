// How much noise a diffusion model sees at each timestep (Ho et al., arXiv 2006.11239; v after
// Salimans & Ho, arXiv 2202.00512).

import { linspace } from '../util/linspace.ts';
import type { NoiseScheduleConfig } from './stable-diffusion-config.ts';

export interface NoiseSchedule {
  readonly config: NoiseScheduleConfig;
  /** βₜ, float32, for t = 0 … num_train_timesteps - 1. */
  readonly betas: Float32Array;
  /** ᾱₜ = Π (1 - β), float32: diffusers' `alphas_cumprod`. */
  readonly alphasCumprod: Float32Array;
  /**
   * σₜ = √((1 - ᾱₜ) / ᾱₜ), computed in float64: the noise's deviation where the picture's scale is
   * 1.
   */
  readonly sigmas: Float64Array;
}

/**
 * The schedule of a `scheduler_config.json`.
 *
 * β and ᾱ are the float32 numbers that PyTorch gets: β and 1 - β rounded at every step of the
 * formula, their product accumulated in float64 and each ᾱ rounded.
 */
export function noiseSchedule(config: NoiseScheduleConfig): NoiseSchedule {
  const usual = betaSchedules[config.beta_schedule](config);
  const betas = config.rescale_betas_zero_snr ? zeroTerminalSnr(usual) : usual;
  const alphasCumprod = cumulative(betas);
  const sigmas = Float64Array.from(alphasCumprod, (alpha) => sigmaOf(Math.max(alpha, LEAST_ALPHA)));
  return { config, betas, alphasCumprod, sigmas };
}

/** ᾱₜ = Π (1 - β) */
function cumulative(betas: Float32Array): Float32Array {
  let product = 1;
  return betas.map((beta) => (product *= Math.fround(1 - beta)));
}

/**
 * What ᾱ = 0 counts as where a sampler starts from a finite σ, here 4096: as in diffusers'
 * EulerDiscreteScheduler (v0.27).
 */
const LEAST_ALPHA = 2 ** -24;

/**
 * β so that nothing of the picture is left at the last timestep and the first is as before: √ᾱ
 * moved and stretched (Lin et al., arXiv 2305.08891, algorithm 1), in float32 as PyTorch does.
 */
function zeroTerminalSnr(betas: Float32Array): Float32Array {
  const roots = cumulative(betas).map(Math.sqrt);
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const stretch = Math.fround(first / Math.fround(first - last));
  const alphas = roots.map((root) => {
    const stretched = Math.fround(Math.fround(root - last) * stretch);
    return stretched * stretched;
  });
  return alphas.map((alpha, t) => 1 - Math.fround(t === 0 ? alpha : alpha / alphas[t - 1]));
}

/** σ = √((1 - ᾱ) / ᾱ) */
function sigmaOf(alphaCumprod: number): number {
  return Math.sqrt((1 - alphaCumprod) / alphaCumprod);
}

/**
 * xₜ = √ᾱₜ x₀ + √(1 - ᾱₜ) noise, of one sample; `out` may be `x0` or `noise`.
 * Rounded to float32 after each operation, as PyTorch does.
 */
export function addNoise(
  schedule: NoiseSchedule,
  x0: Float32Array,
  noise: Float32Array,
  t: number,
  out = new Float32Array(x0.length),
): Float32Array {
  const { picture, grain } = mixture(schedule, t);
  for (let i = 0; i < out.length; i++)
    out[i] = Math.fround(picture * x0[i]) + Math.fround(grain * noise[i]);
  return out;
}

/**
 * Min-SNR weight of a sample's loss (Hang et al., arXiv 2303.09556): min(SNR, γ) / SNR for a model
 * that predicts the noise, min(SNR, γ) / (SNR + 1) for v, where SNR = 1 / σₜ².
 */
export function minSnrWeight({ config, sigmas }: NoiseSchedule, t: number, gamma: number): number {
  const snr = 1 / sigmas[t] ** 2;
  return Math.min(snr, gamma) / (config.prediction_type === 'epsilon' ? snr : snr + 1);
}

/**
 * What the model is to predict for xₜ, of one sample: the noise itself (no copy), or v = √ᾱₜ noise
 * - √(1 - ᾱₜ) x₀ where the model is of that kind.
 */
export function predictionTarget(
  schedule: NoiseSchedule,
  x0: Float32Array,
  noise: Float32Array,
  t: number,
): Float32Array {
  return schedule.config.prediction_type === 'epsilon' ? noise : velocity(schedule, x0, noise, t);
}

/** v = √ᾱₜ noise - √(1 - ᾱₜ) x₀ */
export function velocity(
  schedule: NoiseSchedule,
  x0: Float32Array,
  noise: Float32Array,
  t: number,
  out = new Float32Array(x0.length),
): Float32Array {
  const { picture, grain } = mixture(schedule, t);
  for (let i = 0; i < out.length; i++)
    out[i] = Math.fround(picture * noise[i]) - Math.fround(grain * x0[i]);
  return out;
}

/** √ᾱₜ and √(1 - ᾱₜ), float32. */
function mixture({ alphasCumprod }: NoiseSchedule, t: number): { picture: number; grain: number } {
  const alpha = alphasCumprod[t];
  return {
    picture: Math.fround(Math.sqrt(alpha)),
    grain: Math.fround(Math.sqrt(Math.fround(1 - alpha))),
  };
}

const betaSchedules: {
  readonly [K in NoiseScheduleConfig['beta_schedule']]: (
    config: NoiseScheduleConfig,
  ) => Float32Array;
} = {
  linear: ({ beta_start, beta_end, num_train_timesteps: n }) => linspace(beta_start, beta_end, n),
  /** β = linspace(√start, √end)² */
  scaled_linear: ({ beta_start, beta_end, num_train_timesteps: n }) =>
    linspace(Math.sqrt(beta_start), Math.sqrt(beta_end), n).map((root) => root * root),
};
