// A fully connected layer.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

/**
 * y = x Wᵀ + b: x [..., in] -> [..., outFeatures]. Parameters `<path>.weight` [out, in] and
 * `<path>.bias` [out].
 */
export function linear(
  g: Builder,
  path: string,
  x: Value,
  outFeatures: number,
  { bias = true } = {},
): Value {
  return g.scoped(path, () => {
    const weight = g.parameter('weight', [outFeatures, ...x.shape.slice(-1)]);
    return g.linear(x, weight, bias ? g.parameter('bias', [outFeatures]) : undefined);
  });
}
