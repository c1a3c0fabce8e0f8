// Sampling in units of the noise: x = x₀ + σ noise, σ from large to 0 (Karras et al., arXiv
// 2206.00364), with a model that knows timesteps.

import type { NoiseSchedule } from '../../models/noise-schedule.ts';
import { combine, evenly, type SamplerRun } from './sampler.ts';

/** The noise levels a sampler stops at: `steps` of them, falling, then 0. */
export type SigmaSchedule = (schedule: NoiseSchedule, steps: number) => number[];

/** Timesteps at equal distances from the last to the first. */
export const uniformSigmas: SigmaSchedule = (schedule, steps) => [
  ...evenly(schedule.sigmas.length - 1, 0, steps).map((t) => sigmaAt(schedule, t)),
  0,
];

const RHO = 7;

/** σᵢ = (σmax^(1/ρ) + i / (n - 1) (σmin^(1/ρ) - σmax^(1/ρ)))^ρ with ρ = 7 (eq. 5 of the paper). */
export const karrasSigmas: SigmaSchedule = ({ sigmas }, steps) => [
  ...evenly(sigmas[sigmas.length - 1] ** (1 / RHO), sigmas[0] ** (1 / RHO), steps).map(
    (root) => root ** RHO,
  ),
  0,
];

/** σ at a timestep; between two, linear in ln σ. */
export function sigmaAt({ sigmas }: NoiseSchedule, t: number): number {
  const below = Math.floor(t);
  if (below === t) return sigmas[t];
  const part = t - below;
  return Math.exp((1 - part) * Math.log(sigmas[below]) + part * Math.log(sigmas[below + 1]));
}

/** The inverse of `sigmaAt`, held within the schedule. */
export function timestepAt({ sigmas }: NoiseSchedule, sigma: number): number {
  const above = sigmas.findIndex((value) => value >= sigma);
  if (above === 0) return 0;
  if (above === -1) return sigmas.length - 1;
  const [low, high] = [Math.log(sigmas[above - 1]), Math.log(sigmas[above])];
  return above - 1 + (Math.log(sigma) - low) / (high - low);
}

/**
 * The picture that the model makes out in x at noise level σ:
 *   c = 1 / √(σ² + 1);  D = x - σ ε(c x, t(σ)),  or  D = c² x - σ c v(c x, t(σ))
 */
export function denoiser({
  schedule,
  predict,
}: SamplerRun): (x: Float32Array, sigma: number) => Promise<Float32Array> {
  const predictsNoise = schedule.config.prediction_type === 'epsilon';
  return async (x, sigma) => {
    const c = 1 / Math.hypot(sigma, 1);
    const prediction = await predict(combine(c, x, 0, x), timestepAt(schedule, sigma));
    return predictsNoise
      ? combine(1, x, -sigma, prediction)
      : combine(c * c, x, -sigma * c, prediction);
  };
}

/** From noise level σ to σ′, straight: x + (x - D) / σ · (σ′ - σ) = (σ′ / σ) x + (1 - σ′ / σ) D */
export function towards(
  x: Float32Array,
  denoised: Float32Array,
  from: number,
  to: number,
): Float32Array {
  return combine(to / from, x, 1 - to / from, denoised);
}

/** Pure noise at the first level. */
export function startAt(sigmas: readonly number[], { noise }: SamplerRun): Float32Array {
  return combine(sigmas[0], noise, 0, noise);
}
