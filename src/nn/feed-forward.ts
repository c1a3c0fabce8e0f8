// The transformer's feed-forward layer with a GEGLU gate (Shazeer 2020), named as diffusers'
// FeedForward.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { linear } from './linear.ts';

/**
 * x [N, S, C] -> [N, S, C] through a hidden width of 4C. Parameters `<path>.net.0.proj` [8C, C] and
 * `<path>.net.2` [C, 4C].
 */
export function feedForward(g: Builder, path: string, x: Value): Value {
  const width = x.shape[2];
  return g.scoped(path, () => linear(g, 'net.2', geglu(g, 'net.0.proj', x, 4 * width), width));
}

/** h · gelu(gate), with [h, gate] = one linear layer of 2 · outFeatures. */
function geglu(g: Builder, path: string, x: Value, outFeatures: number): Value {
  const both = linear(g, path, x, 2 * outFeatures); // [N, S, 2·out]
  return g.scoped(path, () => {
    const hidden = g.slice(both, 2, 0, outFeatures);
    const gate = g.slice(both, 2, outFeatures, 2 * outFeatures);
    return g.mul(hidden, g.gelu(gate));
  });
}
