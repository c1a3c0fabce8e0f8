// Between a picture of features and a sequence of tokens, one token a place.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';

/** [N, C, h, w] -> [N, h·w, C]. */
export function toTokens(g: Builder, x: Value): Value {
  const [n, c, h, w] = x.shape;
  return g.transpose(g.reshape(x, [n, c, h * w]), [0, 2, 1]);
}

/** [N, h·w, C] -> [N, C, h, w]. */
export function fromTokens(g: Builder, tokens: Value, height: number, width: number): Value {
  const [n, , c] = tokens.shape;
  return g.reshape(g.transpose(tokens, [0, 2, 1]), [n, c, height, width]);
}
