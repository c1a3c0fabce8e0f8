// Layer normalization over the last axis (Ba, Kiros & Hinton 2016).

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

/** x [..., C] -> the same shape. Parameters `<path>.weight` and `<path>.bias` [C]. */
export function layerNorm(g: Builder, path: string, x: Value, epsilon = 1e-5): Value {
  return g.scoped(path, () => {
    const width = x.shape.slice(-1);
    return g.layerNorm(x, g.parameter('weight', width), g.parameter('bias', width), epsilon);
  });
}
