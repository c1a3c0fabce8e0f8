// Denoising diffusion implicit models without noise on the way, η = 0 (Song et al., arXiv
// 2010.02502, eq. 12), over the timesteps that Stable Diffusion uses: counted from 1 in whole
// strides, the last step to ᾱ₀.

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
  for (let i = 0; i < steps; i++) {
    const t = Math.min((steps - 1 - i) * stride + 1, alphasCumprod.length - 1);
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
