// The embedding of a diffusion timestep: sinusoids (Ho et al. 2020) through two linear layers.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { float32 } from '../tensor/tensor.ts';
import { linear } from './linear.ts';

export interface SinusoidOptions {
  /** true: [cos, sin]; false: [sin, cos]. */
  readonly flip_sin_to_cos: boolean;
  readonly freq_shift: number;
}

/** The slowest sinusoid turns once in 2π · 10000 steps. */
const MAX_PERIOD = 10_000;

/**
 * timesteps [N] float32 -> [N, width]: sines and cosines of timestep · frequency. `width` is even.
 */
export function sinusoid(
  g: Builder,
  timesteps: Value,
  width: number,
  options: SinusoidOptions,
): Value {
  const half = width / 2;
  const frequencies = g.constant(
    float32([1, half], frequencyTable(half, options.freq_shift)),
    'frequencies',
  );
  // [N, width / 2]
  const angles = g.mul(g.reshape(timesteps, [timesteps.shape[0], 1]), frequencies);
  const [sin, cos] = [g.sin(angles), g.cos(angles)];
  return g.concat(options.flip_sin_to_cos ? [cos, sin] : [sin, cos], 1);
}

/**
 * Sinusoids [N, C] -> [N, width] by Linear, SiLU, Linear. Parameters `<path>.{linear_1,linear_2}`.
 */
export function timestepEmbedding(
  g: Builder,
  path: string,
  sinusoids: Value,
  width: number,
): Value {
  return g.scoped(path, () => {
    const hidden = g.swish(linear(g, 'linear_1', sinusoids, width));
    return linear(g, 'linear_2', hidden, width);
  });
}

/**
 * f_i = exp(-ln(10000) · i / (half - shift)), each step rounded to float32, as the models were
 * trained.
 */
function frequencyTable(half: number, shift: number): number[] {
  const rate = Math.fround(-Math.log(MAX_PERIOD));
  return Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(rate * i) / (half - shift))),
  );
}
