// Euler's method along the straight line from noise to picture (Karras et al., arXiv 2206.00364,
// algorithm 2 without churn).

import { towards, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* euler({ x, sigmas, denoise }: SigmaRun): AsyncGenerator<SamplerStep> {
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(x, sigmas[i]);
    x = towards(x, denoised, sigmas[i], sigmas[i + 1]);
    yield { step: i + 1, x, denoised };
  }
}
