// What samplers see of the model: the picture that it makes out at a noise level, or the noise that
// it sees at a timestep; and what is kept of a picture where a mask says so.

import type { NoiseScheduleConfig } from '../../models/stable-diffusion-config.ts';
import type { Levels, ModelLevels } from './levels.ts';
import { combine, type Predict } from './sampler.ts';

/** A picture of which only a part is to change. */
export interface Masked {
  /** Latents of the picture, as long as x. */
  readonly original: Float32Array;
  /** 1 where it is to be drawn anew, 0 where it is to stay; as long as x. */
  readonly mask: Float32Array;
}

export interface Denoising {
  readonly levels: ModelLevels;
  readonly predict: Predict;
  readonly masked?: Masked;
}

type ByPrediction<T> = { readonly [K in NoiseScheduleConfig['prediction_type']]: T };
type AtSigma = (x: Float32Array, sigma: number) => Promise<Float32Array>;
type AtTimestep = (x: Float32Array, t: number) => Promise<Float32Array>;

/** D = x - σ ε(c x, t(σ)),  or  D = c² x - σ c v(c x, t(σ)),  with c = 1 / √(σ² + 1) */
const made: ByPrediction<
  (x: Float32Array, prediction: Float32Array, sigma: number) => Float32Array
> = {
  epsilon: (x, noise, sigma) => combine(1, x, -sigma, noise),
  v_prediction: (x, v, sigma) => {
    const c = 1 / Math.hypot(sigma, 1);
    return combine(c * c, x, -sigma * c, v);
  },
};

/** The picture at noise level σ; what is kept is laid over it. */
export function pictureDenoiser({ levels, predict, masked }: Denoising): AtSigma {
  const ask = asked(levels, predict);
  return async (x, sigma) => blended(await ask(x, sigma, levels.timestepAt(sigma)), masked);
}

/**
 * D′ = c_out D + c_skip x, c_skip = ¼ / (s² + ¼), c_out = s / √(s² + ¼), s = 10 t (Luo et al.,
 * arXiv 2310.04378).
 */
export const consistencyDenoiser =
  (lcm: (levels: ModelLevels) => Levels) =>
  ({ levels, predict, masked }: Denoising): AtSigma => {
    const coarse = lcm(levels);
    const ask = asked(levels, predict);
    return async (x, sigma) => {
      const t = coarse.timestepAt(sigma);
      const [s, data] = [10 * t, 0.25];
      const out = s / Math.sqrt(s * s + data);
      return blended(combine(out, await ask(x, sigma, t), data / (s * s + data), x), masked);
    };
  };

function asked({ predicts }: ModelLevels, predict: Predict) {
  let call = 0;
  return async (x: Float32Array, sigma: number, t: number): Promise<Float32Array> => {
    const scaled = combine(1 / Math.hypot(sigma, 1), x, 0, x);
    return made[predicts](x, await predict(scaled, t, call++), sigma);
  };
}

/** ε itself,  or  ε = √ᾱ v + √(1 - ᾱ) x  with ᾱ of the whole timestep below t. */
const noises: ByPrediction<
  (x: Float32Array, prediction: Float32Array, alpha: number) => Float32Array
> = {
  epsilon: (_, noise) => noise,
  v_prediction: (x, v, alpha) => combine(Math.sqrt(alpha), v, Math.sqrt(1 - alpha), x),
};

/**
 * The noise in x at a timestep; what is kept is laid over x, without noise, before the model sees
 * it.
 */
export function noiseFinder({
  levels: { predicts, alphasCumprod },
  predict,
  masked,
}: Denoising): AtTimestep {
  let call = 0;
  return async (x, t) => {
    const seen = blended(x, masked);
    return noises[predicts](seen, await predict(seen, t, call++), alphasCumprod[Math.trunc(t)]);
  };
}

/** x where the mask is 1, the original where it is 0. */
export function blended(x: Float32Array, masked: Masked | undefined): Float32Array {
  if (masked === undefined) return x;
  const { original, mask } = masked;
  return x.map((value, i) => value * mask[i] + original[i] * (1 - mask[i]));
}
