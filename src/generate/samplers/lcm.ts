// Latent consistency models: the picture at once, then noise of the next level on it (Luo et al.,
// arXiv 2310.04378).

import { combine, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* lcm({ x, sigmas, denoise, noise }: SigmaRun): AsyncGenerator<SamplerStep> {
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(x, sigmas[i]);
    x = sigmas[i + 1] > 0 ? combine(1, denoised, sigmas[i + 1], noise.fresh()) : denoised;
    yield { step: i + 1, x, denoised };
  }
}
