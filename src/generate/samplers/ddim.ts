// Denoising diffusion implicit models (Song et al., arXiv 2010.02502, eq. 12) over the timesteps of
// WebUI: the step to the lowest of them is the last one.

import { combine, type SamplerStep, type TimestepRun } from './sampler.ts';

export async function* ddim(run: TimestepRun): AsyncGenerator<SamplerStep> {
  const { timesteps, alphasCumprod, noise, eta } = run;
  let { x } = run;
  const steps = timesteps.length - 1;
  for (let i = 0; i < steps; i++) {
    const t = timesteps[steps - i];
    const [alpha, next] = [alphasCumprod[t], alphasCumprod[timesteps[steps - i - 1]]];
    const predicted = await run.predictNoise(x, t);
    // x₀ = (x - √(1 - ᾱ) ε) / √ᾱ;  x′ = √ᾱ′ x₀ + √(1 - ᾱ′ - s²) ε + s noise
    const denoised = combine(1 / Math.sqrt(alpha), x, -Math.sqrt((1 - alpha) / alpha), predicted);
    const s = eta * Math.sqrt(((1 - next) / (1 - alpha)) * (1 - alpha / next));
    x = combine(Math.sqrt(next), denoised, Math.sqrt(1 - next - s * s), predicted);
    if (s > 0) x = combine(1, x, s, noise.fresh());
    yield { step: i + 1, x, denoised };
  }
}
