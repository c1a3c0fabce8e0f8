// The UNet's transformer: a picture's places attend to each other and to the prompt (Rombach et al.
// 2022, §3.3).

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { attention } from '../nn/attention.ts';
import { conv2d } from '../nn/conv2d.ts';
import { feedForward } from '../nn/feed-forward.ts';
import { groupNorm } from '../nn/group-norm.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import { fromTokens, toTokens } from '../nn/tokens.ts';

export interface TransformerOptions {
  /** Text states [N, T, D]. */
  readonly context: Value;
  readonly heads: number;
  readonly groups: number;
}

/** diffusers' Transformer2DModel normalizes with this, whatever the UNet's `norm_eps` is. */
const GROUP_EPSILON = 1e-6;

/** x [N, C, h, w] -> the same shape: x + proj_out(block(proj_in(norm(x)))). */
export function transformer2d(
  g: Builder,
  path: string,
  x: Value,
  options: TransformerOptions,
): Value {
  const [, channels, height, width] = x.shape;
  return g.scoped(path, () => {
    const normed = groupNorm(g, 'norm', x, { groups: options.groups, epsilon: GROUP_EPSILON });
    // [N, h·w, C]
    const tokens = toTokens(g, conv2d(g, 'proj_in', normed, channels, { kernel: 1 }));
    const mixed = fromTokens(
      g,
      transformerBlock(g, 'transformer_blocks.0', tokens, options),
      height,
      width,
    );
    return g.add(conv2d(g, 'proj_out', mixed, channels, { kernel: 1 }), x);
  });
}

/**
 * Self-attention, attention to the prompt and feed-forward on tokens [N, S, C], each normalized
 * before and added.
 */
function transformerBlock(
  g: Builder,
  path: string,
  tokens: Value,
  { context, heads }: TransformerOptions,
): Value {
  return g.scoped(path, () => {
    const normed = layerNorm(g, 'norm1', tokens);
    const looked = g.add(attention(g, 'attn1', normed, normed, { heads }), tokens);
    const told = g.add(
      attention(g, 'attn2', layerNorm(g, 'norm2', looked), context, { heads }),
      looked,
    );
    return g.add(feedForward(g, 'ff', layerNorm(g, 'norm3', told)), told);
  });
}
