// A layer of a decoder: self-attention and a gated feed-forward layer, each beside a residual path,
// named as transformers' *DecoderLayer.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { gatedMlp, type GatedMlpOptions } from './gated-mlp.ts';
import { rmsNorm, type RmsNormOptions } from './rms-norm.ts';
import { selfAttention, type SelfAttentionOptions, type Sight } from './self-attention.ts';

export interface DecoderLayerOptions {
  readonly attention: SelfAttentionOptions;
  readonly mlp: GatedMlpOptions;
  readonly norm: RmsNormOptions;
  /** Which norms stand before the two parts, and which after them, ahead of the sum. */
  readonly norms: {
    readonly beforeAttention: string;
    readonly afterAttention?: string;
    readonly beforeMlp: string;
    readonly afterMlp?: string;
  };
}

/** x [B, S, C] -> [B, S, C]. Parameters `<path>.self_attn`, `<path>.mlp` and the norms. */
export function decoderLayer(
  g: Builder,
  path: string,
  x: Value,
  { attention, mlp, norm, norms }: DecoderLayerOptions,
  sight: Sight,
): Value {
  const normed = (name: string | undefined, value: Value) =>
    name === undefined ? value : rmsNorm(g, name, value, norm);
  return g.scoped(path, () => {
    const seen = selfAttention(g, 'self_attn', normed(norms.beforeAttention, x), attention, sight);
    const looked = g.add(x, normed(norms.afterAttention, seen));
    return g.add(
      looked,
      normed(norms.afterMlp, gatedMlp(g, 'mlp', normed(norms.beforeMlp, looked), mlp)),
    );
  });
}

/** Two norms a layer. */
export const preNorms = {
  beforeAttention: 'input_layernorm',
  beforeMlp: 'post_attention_layernorm',
} as const;

/** Four: Gemma 2 and 3. */
export const sandwichNorms = {
  beforeAttention: 'input_layernorm',
  afterAttention: 'post_attention_layernorm',
  beforeMlp: 'pre_feedforward_layernorm',
  afterMlp: 'post_feedforward_layernorm',
} as const;
