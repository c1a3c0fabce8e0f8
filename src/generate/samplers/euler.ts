// Euler's method along the straight line from noise to picture (Karras et al., arXiv 2206.00364,
// algorithm 2 without churn).

import type { SamplerRun, SamplerStep } from './sampler.ts';
import { denoiser, startAt, towards, uniformSigmas } from './sigmas.ts';

export async function* euler(run: SamplerRun): AsyncGenerator<SamplerStep> {
  const sigmas = uniformSigmas(run.schedule, run.steps);
  const denoise = denoiser(run);
  let x = startAt(sigmas, run);
  for (let i = 0; i < run.steps; i++) {
    const denoised = await denoise(x, sigmas[i]);
    x = towards(x, denoised, sigmas[i], sigmas[i + 1]);
    yield { step: i + 1, x, denoised };
  }
}
