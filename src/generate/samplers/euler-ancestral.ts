// Euler's method that goes below the next noise level and comes back with fresh noise ("Euler a" of
// k-diffusion).

import { combine, towards, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* eulerAncestral({
  x,
  sigmas,
  denoise,
  noise,
  eta,
}: SigmaRun): AsyncGenerator<SamplerStep> {
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(x, sigmas[i]);
    const { down, up } = ancestral(sigmas[i], sigmas[i + 1], eta);
    x = towards(x, denoised, sigmas[i], down);
    if (sigmas[i + 1] > 0) x = combine(1, x, up, noise.fresh());
    yield { step: i + 1, x, denoised };
  }
}

/** up = min(σ′, η σ′ √(1 - (σ′ / σ)²)), down = √(σ′² - up²) */
function ancestral(from: number, to: number, eta: number): { down: number; up: number } {
  const up = Math.min(to, eta * to * Math.sqrt(1 - (to / from) ** 2));
  return { down: Math.sqrt(to * to - up * up), up };
}
