// Root-mean-square normalization over the last axis (Zhang & Sennrich 2019).

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

export interface RmsNormOptions {
  readonly epsilon: number;
  /** Added to the weight: Gemma stores scale − 1. */
  readonly offset: 0 | 1;
}

/**
 * x [..., C] -> the same shape: x / √(mean(x²) + ε) · (weight + offset). Parameter `<path>.weight`
 * [C].
 */
export function rmsNorm(
  g: Builder,
  path: string,
  x: Value,
  { epsilon, offset }: RmsNormOptions,
): Value {
  return g.scoped(path, () => {
    const weight = g.parameter('weight', x.shape.slice(-1));
    return g.rmsNorm(x, offset === 0 ? weight : g.add(weight, offset), epsilon);
  });
}
