// The noise levels that samplers walk along, as Stable Diffusion's original code and WebUI have
// them: x = x₀ + σ noise, σ = √((1 - ᾱ) / ᾱ), in float32 with β in float64. (diffusers and training
// round β, too: models/noise-schedule.ts.)

import type { NoiseScheduleConfig } from '../../models/stable-diffusion-config.ts';
import { linspace64 } from '../../util/linspace.ts';

const f32 = Math.fround;

/** σ at timesteps, and timesteps at σ. */
export interface Levels {
  /** Rising, float32. */
  readonly sigmas: Float32Array;
  /** σ at a timestep, which may lie between two. */
  readonly sigmaAt: (t: number) => number;
  readonly timestepAt: (sigma: number) => number;
}

export interface ModelLevels extends Levels {
  readonly predicts: NoiseScheduleConfig['prediction_type'];
  /** ᾱₜ, float32. */
  readonly alphasCumprod: Float32Array;
}

/** All levels that the model was trained at. */
export function modelLevels(config: NoiseScheduleConfig): ModelLevels {
  const usual = alphasOf(config);
  const alphasCumprod = config.rescale_betas_zero_snr ? zeroTerminalSnr(usual) : usual;
  const sigmas = sigmasOf(alphasCumprod);
  const logs = sigmas.map(Math.log);
  return {
    predicts: config.prediction_type,
    alphasCumprod,
    sigmas,
    sigmaAt: (t) => interpolated(logs, t),
    timestepAt: (sigma) => between(logs, f32(Math.log(sigma))),
  };
}

/** Levels at which LCM's students were trained, of a model's. */
const LCM_LEVELS = 50;

/**
 * Every 20th level of 1000, from the last down; a σ counts as the nearest of them (Luo et al.,
 * arXiv 2310.04378; WebUI 1.10, modules/sd_samplers_lcm.py).
 */
export function lcmLevels({ alphasCumprod }: ModelLevels): Levels {
  const count = alphasCumprod.length;
  const skip = Math.max(Math.floor(count / LCM_LEVELS), 1);
  const kept = Math.min(LCM_LEVELS, count);
  const sigmas = sigmasOf(
    Float32Array.from({ length: kept }, (_, i) => alphasCumprod[count - 1 - (kept - 1 - i) * skip]),
  );
  const logs = sigmas.map(Math.log);
  const first = count - 1 - (kept - 1) * skip;
  return {
    sigmas,
    sigmaAt: (t) => interpolated(logs, f32(Math.min(Math.max((t - first) / skip, 0), kept - 1))),
    timestepAt: (sigma) => nearest(logs, f32(Math.log(sigma))) * skip + first,
  };
}

/** ᾱₜ = Π (1 - β), in float64, each rounded at last. */
function alphasOf({
  beta_schedule,
  beta_start,
  beta_end,
  num_train_timesteps: n,
}: NoiseScheduleConfig) {
  const betas = betaSchedules[beta_schedule](beta_start, beta_end, n);
  let product = 1;
  return Float32Array.from(betas, (beta) => (product *= 1 - beta));
}

const betaSchedules: {
  readonly [K in NoiseScheduleConfig['beta_schedule']]: typeof linspace64;
} = {
  linear: linspace64,
  /** β = linspace(√start, √end)² */
  scaled_linear: (start, end, n) =>
    linspace64(Math.sqrt(start), Math.sqrt(end), n).map((root) => root * root),
};

/** What is left of the picture at the last level, so that σ is finite: 4518.7 (WebUI 1.10). */
const LAST_ALPHA = 4.8973451890853435e-8;

/**
 * √ᾱ moved and stretched, so that nothing of the picture is left at the last timestep (Lin et al.,
 * arXiv 2305.08891, algorithm 1), in float32.
 */
function zeroTerminalSnr(alphas: Float32Array): Float32Array {
  const roots = alphas.map(Math.sqrt);
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const stretch = f32(first / f32(first - last));
  const moved = roots.map((root) => f32(f32(root - last) * stretch) ** 2);
  moved[moved.length - 1] = LAST_ALPHA;
  return moved;
}

const sigmasOf = (alphas: Float32Array): Float32Array =>
  alphas.map((alpha) => Math.sqrt(f32(f32(1 - alpha) / alpha)));

/** σ at t, linear in ln σ, every operation rounded to float32. */
function interpolated(logs: Float32Array, t: number): number {
  const low = Math.floor(t);
  const part = f32(t - low);
  const log = f32(f32(f32(1 - part) * logs[low]) + f32(part * logs[Math.ceil(t)]));
  return f32(Math.exp(log));
}

/** The inverse, held within the levels. */
function between(logs: Float32Array, log: number): number {
  const above = logs.findIndex((value) => value > log);
  const reached = above === -1 ? logs.length - 1 : Math.max(above - 1, 0);
  const low = Math.min(reached, logs.length - 2);
  const part = f32(f32(logs[low] - log) / f32(logs[low] - logs[low + 1]));
  const held = Math.min(Math.max(part, 0), 1);
  return f32(f32(f32(1 - held) * low) + f32(held * (low + 1)));
}

function nearest(logs: Float32Array, log: number): number {
  const distances = logs.map((value) => Math.abs(log - value));
  return distances.indexOf(Math.min(...distances));
}
