// Group normalization with a scale and a bias for each channel (Wu & He 2018).

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

export interface GroupNormOptions {
  readonly groups: number;
  readonly epsilon: number;
}

/** x [N, C, ...] -> the same shape. Parameters `<path>.weight` and `<path>.bias` [C]. */
export function groupNorm(
  g: Builder,
  path: string,
  x: Value,
  { groups, epsilon }: GroupNormOptions,
): Value {
  return g.scoped(path, () => {
    const channels = [x.shape[1]];
    return g.groupNorm(
      x,
      g.parameter('weight', channels),
      g.parameter('bias', channels),
      groups,
      epsilon,
    );
  });
}
