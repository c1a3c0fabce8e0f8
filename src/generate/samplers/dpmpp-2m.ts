// DPM-Solver++(2M): second order from the step before, one call of the model a step (Lu et al.,
// arXiv 2211.01095, algorithm 2).

import { combine, type Sampler, type SamplerRun, type SamplerStep } from './sampler.ts';
import {
  denoiser,
  karrasSigmas,
  startAt,
  towards,
  uniformSigmas,
  type SigmaSchedule,
} from './sigmas.ts';

export const dpmpp2m: Sampler = (run) => sample(run, uniformSigmas);
export const dpmpp2mKarras: Sampler = (run) => sample(run, karrasSigmas);

async function* sample(run: SamplerRun, schedule: SigmaSchedule): AsyncGenerator<SamplerStep> {
  const sigmas = schedule(run.schedule, run.steps);
  const denoise = denoiser(run);
  let x = startAt(sigmas, run);
  let before: Float32Array | undefined;
  for (let i = 0; i < run.steps; i++) {
    const denoised = await denoise(x, sigmas[i]);
    const aim =
      before === undefined || sigmas[i + 1] === 0
        ? denoised
        : extrapolate(denoised, before, sigmas.slice(i - 1, i + 2));
    x = towards(x, aim, sigmas[i], sigmas[i + 1]);
    before = denoised;
    yield { step: i + 1, x, denoised };
  }
}

/** λ = -ln σ, h = λ′ - λ, r = h_before / h:  D′ = (1 + 1 / 2r) D - 1 / 2r D_before */
function extrapolate(
  denoised: Float32Array,
  before: Float32Array,
  [last, now, next]: readonly number[],
): Float32Array {
  const r = Math.log(last / now) / Math.log(now / next);
  return combine(1 + 1 / (2 * r), denoised, -1 / (2 * r), before);
}
