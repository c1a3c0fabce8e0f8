// Causal self-attention with rotary positions and shared keys (Ainslie et al. 2023), named as
// transformers' *Attention of decoders.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { linear } from './linear.ts';
import { rmsNorm, type RmsNormOptions } from './rms-norm.ts';
import { rotate, type Rotation } from './rotary.ts';

export interface SelfAttentionOptions {
  readonly heads: number;
  /** Heads of keys and values, each shared by heads / kvHeads neighbouring queries. */
  readonly kvHeads: number;
  /** Channels of one head. */
  readonly headDim: number;
  /** Factor of the scores. */
  readonly scale: number;
  /** Cap c of the scores: c · tanh(score / c). */
  readonly softcap?: number;
  /** Which projections have a bias. */
  readonly bias: { readonly qkv: boolean; readonly out: boolean };
  /** Normalizes each head of q and k before it turns. */
  readonly qkNorm?: RmsNormOptions;
  /** One layer `qkv_proj` of rows [q | k | v] in place of three. */
  readonly fused: boolean;
}

/** What one layer looks at. */
export interface Sight {
  readonly rotation: Rotation;
  /** Added to the scores, broadcastable to [B, heads, S, T]. */
  readonly mask?: Value;
  /** Whether token i sees tokens 0 … i only; otherwise the mask says so. */
  readonly causal: boolean;
  /**
   * The keys and values to look at, given those of these tokens, turned: [B, S, kvHeads · headDim]
   * -> [B, T, kvHeads · headDim].
   */
  readonly extend?: (keys: Value, values: Value) => readonly [Value, Value];
}

/**
 * x [B, S, C] -> [B, S, C]. Parameters `<path>.{q_proj,k_proj,v_proj,o_proj}`, and
 * `{q_norm,k_norm}` where there are any.
 */
export function selfAttention(
  g: Builder,
  path: string,
  x: Value,
  options: SelfAttentionOptions,
  sight: Sight,
): Value {
  const { heads, kvHeads, scale, softcap, bias } = options;
  return g.scoped(path, () => {
    const [q, k, v] = projections(g, x, options);
    const queries = rotate(g, headNorm(g, 'q_norm', q, options), heads, sight.rotation);
    const turned = rotate(g, headNorm(g, 'k_norm', k, options), kvHeads, sight.rotation);
    const [keys, values] = sight.extend?.(turned, v) ?? [turned, v];
    const cap = softcap === undefined ? {} : { softcap };
    const seen = g.attention(
      queries,
      keys,
      values,
      { q_num_heads: heads, kv_num_heads: kvHeads, scale, is_causal: sight.causal, ...cap },
      sight.mask,
    );
    return linear(g, 'o_proj', seen, x.shape[2], { bias: bias.out });
  });
}

/** q [B, S, heads · d], k and v [B, S, kvHeads · d]. */
function projections(
  g: Builder,
  x: Value,
  { heads, kvHeads, headDim, bias, fused }: SelfAttentionOptions,
): Value[] {
  const widths = [heads, kvHeads, kvHeads].map((count) => count * headDim);
  if (!fused)
    return ['q_proj', 'k_proj', 'v_proj'].map((name, i) =>
      linear(g, name, x, widths[i], { bias: bias.qkv }),
    );
  const [q, k, v] = widths;
  const all = linear(g, 'qkv_proj', x, q + k + v, { bias: bias.qkv });
  return [g.slice(all, 2, 0, q), g.slice(all, 2, q, q + k), g.slice(all, 2, q + k, q + k + v)];
}

/** Parameter `<path>.weight` [headDim]. */
function headNorm(
  g: Builder,
  path: string,
  x: Value,
  { qkNorm, headDim }: SelfAttentionOptions,
): Value {
  if (qkNorm === undefined) return x;
  const [b, s, width] = x.shape;
  return g.reshape(
    rmsNorm(g, path, g.reshape(x, [b, s, width / headDim, headDim]), qkNorm),
    x.shape,
  );
}
