// Rotary position embedding (RoFormer, arXiv 2104.09864) in terms of slices and products.

import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { Decomposition } from './rule.ts';

export const rotaryEmbedding: Decomposition<'RotaryEmbedding'> = (
  g,
  [x, cos, sin],
  { num_heads, interleaved },
) => {
  const [b, s, width] = x.shape;
  const d = width / num_heads;
  const half = cos.shape[cos.shape.length - 1];
  const heads = g.reshape(x, [b, s, num_heads, d]);
  const angle = (t: Value) => g.reshape(t, [...t.shape.slice(0, -1), 1, half]); // [(b,) s, 1, half]
  const turn = interleaved ? turnPairs : turnHalves;
  const turned = turn(
    g,
    half * 2 === d ? heads : g.slice(heads, 3, 0, 2 * half),
    angle(cos),
    angle(sin),
  );
  const all = half * 2 === d ? turned : g.concat([turned, g.slice(heads, 3, 2 * half, d)], 3);
  return [g.reshape(all, x.shape)];
};

// (a, b) → (a cos − b sin, b cos + a sin)
function rotate(g: Builder, a: Value, b: Value, cos: Value, sin: Value): [Value, Value] {
  return [g.sub(g.mul(a, cos), g.mul(b, sin)), g.add(g.mul(b, cos), g.mul(a, sin))];
}

/** Pairs are channel i and channel i + half. */
function turnHalves(g: Builder, x: Value, cos: Value, sin: Value): Value {
  const half = x.shape[3] / 2;
  return g.concat(rotate(g, g.slice(x, 3, 0, half), g.slice(x, 3, half, 2 * half), cos, sin), 3);
}

/** Pairs are channels 2i and 2i + 1. */
function turnPairs(g: Builder, x: Value, cos: Value, sin: Value): Value {
  const width = x.shape[3];
  const parts = rotate(g, g.slice(x, 3, 0, width, 2), g.slice(x, 3, 1, width, 2), cos, sin);
  const column = (t: Value) => g.reshape(t, [...t.shape, 1]);
  return g.reshape(g.concat(parts.map(column), 4), x.shape);
}
