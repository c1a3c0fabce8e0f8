// DPM-Solver++(2M) of the stochastic equation, by the midpoint rule (Lu et al., arXiv 2211.01095,
// appendix; "DPM++ 2M SDE" of k-diffusion). Its noise is Brownian motion over σ, so that the number
// of steps does not change it.

import { combine, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* dpmpp2mSde({
  x,
  sigmas,
  range,
  denoise,
  noise,
  eta,
}: SigmaRun): AsyncGenerator<SamplerStep> {
  const motion = noise.brownian(...range);
  let before: Float32Array | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const [from, to] = [sigmas[i], sigmas[i + 1]];
    const denoised = await denoise(x, from);
    if (to === 0) x = denoised;
    else {
      const h = Math.log(from / to);
      // x′ = (σ′ / σ) e^(-ηh) x + (1 - e^(-h - ηh)) D
      const share = -Math.expm1(-h - eta * h);
      x = combine((to / from) * Math.exp(-eta * h), x, share, denoised);
      // + ½ (1 - e^(-h - ηh)) (h / h_before) (D - D_before)
      if (before !== undefined) {
        const weight = (share / 2) * (h / Math.log(sigmas[i - 1] / from));
        x = combine(1, x, weight, combine(1, denoised, -1, before));
      }
      // + σ′ √(1 - e^(-2ηh)) noise
      if (eta > 0) x = combine(1, x, to * Math.sqrt(-Math.expm1(-2 * eta * h)), motion(from, to));
    }
    before = denoised;
    yield { step: i + 1, x, denoised };
  }
}
