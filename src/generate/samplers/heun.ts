// Heun's method: Euler's step, then the mean of the slopes at both ends (Karras et al., arXiv
// 2206.00364, algorithm 2 without churn). The step to 0 is Euler's.

import { combine, towards, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* heun({ x, sigmas, denoise }: SigmaRun): AsyncGenerator<SamplerStep> {
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(x, from);
    const guess = towards(x, denoised, from, to);
    if (to === 0) x = guess;
    else {
      const slopes = combine(
        1,
        slope(x, denoised, from),
        1,
        slope(guess, await denoise(guess, to), to),
      );
      x = combine(1, x, (to - from) / 2, slopes);
    }
    yield { step: i + 1, x, denoised };
  }
}

/** (x - D) / σ */
const slope = (x: Float32Array, denoised: Float32Array, sigma: number): Float32Array =>
  combine(1 / sigma, x, -1 / sigma, denoised);
