// DPM-Solver++(2M): second order from the step before, one call of the model a step (Lu et al.,
// arXiv 2211.01095, algorithm 2).

import { combine, towards, type SamplerStep, type SigmaRun } from './sampler.ts';

export async function* dpmpp2m({ x, sigmas, denoise }: SigmaRun): AsyncGenerator<SamplerStep> {
  let before: Float32Array | undefined;
  for (let i = 0; i + 1 < sigmas.length; i++) {
    const denoised = await denoise(x, sigmas[i]);
    const aim =
      before === undefined || sigmas[i + 1] === 0
        ? denoised
        : extrapolate(denoised, before, sigmas.subarray(i - 1, i + 2));
    x = towards(x, aim, sigmas[i], sigmas[i + 1]);
    before = denoised;
    yield { step: i + 1, x, denoised };
  }
}

/** λ = -ln σ, h = λ′ - λ, r = h_before / h:  D′ = (1 + 1 / 2r) D - 1 / 2r D_before */
function extrapolate(
  denoised: Float32Array,
  before: Float32Array,
  [last, now, next]: Float32Array,
): Float32Array {
  const r = Math.log(last / now) / Math.log(now / next);
  return combine(1 + 1 / (2 * r), denoised, -1 / (2 * r), before);
}
