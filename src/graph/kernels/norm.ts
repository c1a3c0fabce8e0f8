// Normalisations and their gradients in closed form, in float64.

import { sizeOf, type Shape } from '../../tensor/tensor.ts';
import { f64, type F64Tensor, type Kernels } from './f64.ts';

type Norm =
  | 'Standardize' | 'LayerNormalization' | 'LayerNormalizationGrad' | 'GroupNormalization' | 'GroupNormalizationGrad'
  | 'RMSNormalization' | 'RMSNormalizationGrad'; // prettier-ignore

/** What is normalised together and which element of scale and bias applies. */
interface Layout {
  /** Elements that share their statistics; they are adjacent. */
  readonly row: number;
  readonly channel: (i: number) => number;
  /** Whether the mean is subtracted. */
  readonly centred: boolean;
  readonly epsilon: number;
}

const lastAxis = (shape: Shape, epsilon: number, centred: boolean): Layout => {
  const row = shape[shape.length - 1];
  return { row, channel: (i) => i % row, centred, epsilon };
};

const groups = ([, channels, ...rest]: Shape, count: number, epsilon: number): Layout => {
  const area = sizeOf(rest);
  return {
    row: (channels / count) * area,
    channel: (i) => Math.floor(i / area) % channels,
    centred: true,
    epsilon,
  };
};

const mean = (xs: Float64Array): number => xs.reduce((sum, x) => sum + x, 0) / xs.length;

/**
 * x̂ = (x − mean) · r with r = 1/√(mean of (x − mean)² + ε), row by row; `r` holds each row's
 * factor.
 */
function standardise(
  x: F64Tensor,
  { row, centred, epsilon }: Layout,
): { xhat: Float64Array; r: Float64Array } {
  const xhat = new Float64Array(x.data.length);
  const r = new Float64Array(x.data.length / row);
  r.forEach((_, n) => {
    const own = x.data.subarray(n * row, (n + 1) * row);
    const centre = centred ? mean(own) : 0;
    const deviation = own.map((value) => value - centre);
    r[n] = 1 / Math.sqrt(mean(deviation.map((d) => d * d)) + epsilon);
    xhat.set(
      deviation.map((d) => d * r[n]),
      n * row,
    );
  });
  return { xhat, r };
}

/** y = x̂ · scale + bias */
function normalise(
  x: F64Tensor,
  scale: F64Tensor,
  bias: F64Tensor | undefined,
  layout: Layout,
): F64Tensor {
  const { xhat } = standardise(x, layout);
  const y = xhat.map(
    (value, i) =>
      value * scale.data[layout.channel(i)] +
      (bias === undefined ? 0 : bias.data[layout.channel(i)]),
  );
  return f64(x.shape, y);
}

/**
 * dx = r (g − mean g − x̂ · mean(g x̂)) with g = dy · scale; mean g falls away where x is not
 * centred.
 */
function gradInput(x: F64Tensor, scale: F64Tensor, dy: F64Tensor, layout: Layout): F64Tensor {
  const { xhat, r } = standardise(x, layout);
  const { row, channel, centred } = layout;
  const dx = f64(x.shape);
  r.forEach((factor, n) => {
    const own = xhat.subarray(n * row, (n + 1) * row);
    const g = own.map((_, i) => dy.data[n * row + i] * scale.data[channel(n * row + i)]);
    const shift = centred ? mean(g) : 0;
    const tilt = mean(g.map((value, i) => value * own[i]));
    dx.data.set(
      g.map((value, i) => factor * (value - shift - own[i] * tilt)),
      n * row,
    );
  });
  return dx;
}

/** dscale = Σ dy x̂ and dbias = Σ dy, over all elements of a channel. */
function gradScale(
  x: F64Tensor,
  scale: F64Tensor,
  dy: F64Tensor,
  layout: Layout,
): [F64Tensor, F64Tensor] {
  const { xhat } = standardise(x, layout);
  const [dscale, dbias] = [f64(scale.shape), f64(scale.shape)];
  dy.data.forEach((value, i) => {
    dscale.data[layout.channel(i)] += value * xhat[i];
    dbias.data[layout.channel(i)] += value;
  });
  return [dscale, dbias];
}

const gradient = (
  x: F64Tensor,
  scale: F64Tensor,
  dy: F64Tensor,
  layout: Layout,
): [F64Tensor, F64Tensor, F64Tensor] => [
  gradInput(x, scale, dy, layout),
  ...gradScale(x, scale, dy, layout),
];

export const norm: Kernels<Norm> = {
  Standardize: ([x], { epsilon }, [, rstd]) => {
    const { xhat, r } = standardise(x, lastAxis(x.shape, epsilon, true));
    return [f64(x.shape, xhat), f64(rstd.shape, r)];
  },
  LayerNormalization: ([x, scale, bias], { epsilon }) => [
    normalise(x, scale, bias, lastAxis(x.shape, epsilon, true)),
  ],
  LayerNormalizationGrad: ([x, scale, dy], { epsilon }) =>
    gradient(x, scale, dy, lastAxis(x.shape, epsilon, true)),
  GroupNormalization: ([x, scale, bias], { epsilon, num_groups }) => [
    normalise(x, scale, bias, groups(x.shape, num_groups, epsilon)),
  ],
  GroupNormalizationGrad: ([x, scale, dy], { epsilon, num_groups }) =>
    gradient(x, scale, dy, groups(x.shape, num_groups, epsilon)),
  RMSNormalization: ([x, scale], { epsilon }) => [
    normalise(x, scale, undefined, lastAxis(x.shape, epsilon, false)),
  ],
  RMSNormalizationGrad: ([x, scale, dy], { epsilon }) => {
    const [dx, dscale] = gradient(x, scale, dy, lastAxis(x.shape, epsilon, false));
    return [dx, dscale];
  },
};
