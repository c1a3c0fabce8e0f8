// Attention between two sequences (Vaswani et al. 2017), with the parameter names of diffusers'
// Attention.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { linear } from './linear.ts';

export interface AttentionOptions {
  readonly heads: number;
  /** Whether to_q, to_k and to_v have a bias; to_out.0 always has one. */
  readonly bias?: boolean;
}

/**
 * Tokens x [N, S, C] look at the tokens of context [N, T, D] -> [N, S, C]; self-attention where
 * context is x. Parameters `<path>.{to_q,to_k,to_v,to_out.0}`.
 */
export function attention(
  g: Builder,
  path: string,
  x: Value,
  context: Value,
  options: AttentionOptions,
): Value {
  const { heads, bias = false } = options;
  const width = x.shape[2];
  return g.scoped(path, () => {
    const q = linear(g, 'to_q', x, width, { bias });
    const k = linear(g, 'to_k', context, width, { bias });
    const v = linear(g, 'to_v', context, width, { bias });
    return linear(g, 'to_out.0', headsAttention(g, q, k, v, heads), width);
  });
}

/**
 * softmax(q kᵀ / sqrt(head width)) v, head by head: q [N, S, C], k and v [N, T, C] -> [N, S, C].
 */
export function headsAttention(
  g: Builder,
  q: Value,
  k: Value,
  v: Value,
  heads: number,
  { causal = false } = {},
): Value {
  const scale = 1 / Math.sqrt(q.shape[2] / heads);
  return g.attention(q, k, v, {
    q_num_heads: heads,
    kv_num_heads: heads,
    scale,
    is_causal: causal,
  });
}
