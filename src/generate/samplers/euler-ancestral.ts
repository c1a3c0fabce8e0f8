// Euler's method that goes below the next noise level and comes back with fresh noise ("Euler a" of
// k-diffusion).

import { combine, type SamplerRun, type SamplerStep } from './sampler.ts';
import { denoiser, startAt, towards, uniformSigmas } from './sigmas.ts';

export async function* eulerAncestral(run: SamplerRun): AsyncGenerator<SamplerStep> {
  const sigmas = uniformSigmas(run.schedule, run.steps);
  const denoise = denoiser(run);
  let x = startAt(sigmas, run);
  for (let i = 0; i < run.steps; i++) {
    const denoised = await denoise(x, sigmas[i]);
    const { down, up } = ancestral(sigmas[i], sigmas[i + 1]);
    x = towards(x, denoised, sigmas[i], down);
    if (up > 0) x = combine(1, x, up, run.freshNoise(i + 1));
    yield { step: i + 1, x, denoised };
  }
}

/** up = σ′ √(1 - (σ′ / σ)²), down = √(σ′² - up²) = σ′² / σ */
function ancestral(from: number, to: number): { down: number; up: number } {
  return { down: (to * to) / from, up: to * Math.sqrt(1 - (to / from) ** 2) };
}
