// Normalisations and their gradients in terms of reductions and elementwise operators.

import { sizeOf } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { Decomposition } from './rule.ts';

interface Standardized {
  /** (x − mean) / √(var + ε) */
  readonly xhat: Value;
  /** 1 / √(var + ε), with the reduced axis kept. */
  readonly rstd: Value;
}

export const standardize: Decomposition<'Standardize'> = (g, [x], { epsilon }) => {
  const axes = [x.shape.length - 1];
  const centred = g.sub(x, g.reduceMean(x, axes, true));
  const variance = g.reduceMean(g.mul(centred, centred), axes, true);
  const rstd = g.reciprocal(g.sqrt(g.add(variance, epsilon)));
  return [g.mul(centred, rstd), rstd];
};

/** Zero mean and unit variance over the last axis. */
function standardized(g: Builder, x: Value, epsilon: number): Standardized {
  const [xhat, rstd] = g.emit('Standardize', [x], { epsilon });
  return { xhat, rstd };
}

/** x / √(mean(x²) + ε) over the last axis. */
function scaleToUnit(g: Builder, x: Value, epsilon: number): Standardized {
  const meanSquare = g.reduceMean(g.mul(x, x), [x.shape.length - 1], true);
  const rstd = g.reciprocal(g.sqrt(g.add(meanSquare, epsilon)));
  return { xhat: g.mul(x, rstd), rstd };
}

// dx = rstd · (dŷ − mean(dŷ) − x̂ · mean(dŷ · x̂))
function standardizeGrad(g: Builder, { xhat, rstd }: Standardized, dyhat: Value): Value {
  const axes = [xhat.shape.length - 1];
  const along = g.mul(xhat, g.reduceMean(g.mul(dyhat, xhat), axes, true));
  return g.mul(rstd, g.sub(g.sub(dyhat, g.reduceMean(dyhat, axes, true)), along));
}

const leadingAxes = (x: Value) => x.shape.slice(0, -1).map((_, axis) => axis);

export const layerNormalization: Decomposition<'LayerNormalization'> = (
  g,
  [x, scale, bias],
  { epsilon },
) => [g.add(g.mul(standardized(g, x, epsilon).xhat, scale), bias)];

export const layerNormalizationGrad: Decomposition<'LayerNormalizationGrad'> = (
  g,
  [x, scale, dy],
  { epsilon },
) => {
  const s = standardized(g, x, epsilon);
  const dx = standardizeGrad(g, s, g.mul(dy, scale));
  return [dx, g.reduceSum(g.mul(dy, s.xhat), leadingAxes(x)), g.reduceSum(dy, leadingAxes(x))];
};

export const rmsNormalization: Decomposition<'RMSNormalization'> = (g, [x, scale], { epsilon }) => [
  g.mul(scaleToUnit(g, x, epsilon).xhat, scale),
];

export const rmsNormalizationGrad: Decomposition<'RMSNormalizationGrad'> = (
  g,
  [x, scale, dy],
  { epsilon },
) => {
  const { xhat, rstd } = scaleToUnit(g, x, epsilon);
  const dyhat = g.mul(dy, scale);
  // dx = rstd · (dŷ − x · (rstd² · mean(dŷ · x))): x̂ itself is needed for the scale's gradient
  // alone
  const along = g.mul(g.mul(rstd, rstd), g.reduceMean(g.mul(dyhat, x), [x.shape.length - 1], true));
  const dx = g.mul(rstd, g.sub(dyhat, g.mul(x, along)));
  return [dx, g.reduceSum(g.mul(dy, xhat), leadingAxes(x))];
};

/** [N, C, ...] as [N, groups, everything else]. */
function grouped(g: Builder, x: Value, groups: number): Value {
  return g.reshape(x, [x.shape[0], groups, sizeOf(x.shape) / x.shape[0] / groups]);
}

/** [C] as [C, 1, 1 ...], to meet [N, C, ...]. */
function perChannel(g: Builder, scale: Value, x: Value): Value {
  return g.reshape(scale, [scale.shape[0], ...x.shape.slice(2).map(() => 1)]);
}

export const groupNormalization: Decomposition<'GroupNormalization'> = (
  g,
  [x, scale, bias],
  { num_groups, epsilon },
) => {
  const { xhat } = standardized(g, grouped(g, x, num_groups), epsilon);
  const scaled = g.mul(g.reshape(xhat, x.shape), perChannel(g, scale, x));
  return [g.add(scaled, perChannel(g, bias, x))];
};

/**
 * Everything that sums over pixels is summed once per picture and channel, so that only three terms
 * are as large as x:
 *   dx = dy · (rstd · scale) − x̂ · (rstd · mean(scale · Σ dy x̂)) − rstd · mean(scale · Σ dy)
 */
export const groupNormalizationGrad: Decomposition<'GroupNormalizationGrad'> = (
  g,
  [x, scale, dy3],
  { num_groups, epsilon },
) => {
  const [n, channels] = x.shape;
  const pixels = sizeOf(x.shape.slice(2));
  const s = standardized(g, grouped(g, x, num_groups), epsilon);
  const [dy, xhat] = [dy3, s.xhat].map((value) => g.reshape(value, [n, channels, pixels]));
  const sumDy = g.reduceSum(dy, [2]); // [n, channels]
  const sumAlong = g.reduceSum(g.mul(dy, xhat), [2]);
  const width = channels / num_groups;
  // mean over a group, times rstd, again for each of its channels: [n, channels, 1]
  const perGroup = (sums: Value) => {
    const mean = g.div(
      g.reduceSum(g.reshape(g.mul(sums, scale), [n, num_groups, width]), [2], true),
      width * pixels,
    );
    return g.reshape(g.expand(g.mul(mean, s.rstd), [n, num_groups, width]), [n, channels, 1]);
  };
  const factor = g.mul(
    g.reshape(g.expand(s.rstd, [n, num_groups, width]), [n, channels, 1]),
    g.reshape(scale, [channels, 1]),
  );
  const dx = g.sub(g.sub(g.mul(dy, factor), g.mul(xhat, perGroup(sumAlong))), perGroup(sumDy));
  return [g.reshape(dx, x.shape), g.reduceSum(sumAlong, [0]), g.reduceSum(sumDy, [0])];
};
