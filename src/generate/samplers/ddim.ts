// Denoising diffusion implicit models without noise on the way, η = 0 (Song et al., arXiv
// 2010.02502, eq. 12), over the timesteps that Stable Diffusion uses, the last step to ᾱ₀.

import type { NoiseSchedule } from '../../models/noise-schedule.ts';
import { combine, type SamplerRun, type SamplerStep } from './sampler.ts';

export async function* ddim({
  schedule,
  steps,
  noise,
  predict,
}: SamplerRun): AsyncGenerator<SamplerStep> {
  const { alphasCumprod, config } = schedule;
  const stride = Math.floor(alphasCumprod.length / steps);
  let x = noise;
  for (const [i, t] of timesteps(schedule, steps).entries()) {
    const now = rotation(alphasCumprod[t]);
    const next = rotation(alphasCumprod[Math.max(t - stride, 0)]);
    const { denoised, noise: predicted } = parts[config.prediction_type](
      x,
      await predict(x, t),
      now,
    );
    x = combine(next.picture, denoised, next.grain, predicted); // x′ = √ᾱ′ x₀ + √(1 - ᾱ′) ε
    yield { step: i + 1, x, denoised };
  }
}

/**
 * Counted from 1 in whole strides; or, with zero terminal SNR, from the last timestep, since only
 * there a picture is nothing but noise, as the start is (Lin et al., arXiv 2305.08891, 3.3).
 * "leading" and "trailing" in diffusers' DDIMScheduler (v0.27).
 */
function timesteps({ alphasCumprod, config }: NoiseSchedule, steps: number): number[] {
  const count = alphasCumprod.length;
  const stride = Math.floor(count / steps);
  return Array.from({ length: steps }, (_, i) =>
    config.rescale_betas_zero_snr
      ? halfToEven(count - (i * count) / steps) - 1
      : Math.min((steps - 1 - i) * stride + 1, count - 1),
  );
}

/** Rounded as NumPy does. */
function halfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below + (below % 2);
}

type Parts = (
  x: Float32Array,
  prediction: Float32Array,
  at: { picture: number; grain: number },
) => { denoised: Float32Array; noise: Float32Array };

/** x₀ and ε of x and what the model predicts. */
const parts: { readonly [K in 'epsilon' | 'v_prediction']: Parts } = {
  // x₀ = (x - √(1 - ᾱ) ε) / √ᾱ
  epsilon: (x, e, { picture, grain }) => ({
    denoised: combine(1 / picture, x, -grain / picture, e),
    noise: e,
  }),
  // x₀ = √ᾱ x - √(1 - ᾱ) v;  ε = √ᾱ v + √(1 - ᾱ) x
  v_prediction: (x, v, { picture, grain }) => ({
    denoised: combine(picture, x, -grain, v),
    noise: combine(picture, v, grain, x),
  }),
};

function rotation(alphaCumprod: number): { picture: number; grain: number } {
  return { picture: Math.sqrt(alphaCumprod), grain: Math.sqrt(1 - alphaCumprod) };
}
