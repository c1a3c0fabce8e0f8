// Gemma 2 (arXiv 2408.00118): scaled embeddings, norms before and after each part, capped scores
// and logits, a window on every other layer.

import type { z } from 'zod';
import { sandwichNorms } from '../nn/decoder-layer.ts';
import { ggufNames } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
  kvHeadsOr,
  layerTypes,
  only,
  layersOf,
  number,
  orNone,
  sizes,
  sizesFit,
  whole,
  withDefault,
  type LanguageModelConfig,
} from './language-config.ts';
import type { LanguageFamily } from './language-family.ts';
import { ropeFieldsOf, ropeOf } from './rope-config.ts';

const file = sizes.extend({
  num_key_value_heads: kvHeadsOr(4),
  layer_types: layerTypes,
  use_bidirectional_attention: only(false),
  hidden_activation: withDefault(activation, 'gelu_pytorch_tanh'),
  max_position_embeddings: whole(8192),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(true),
  attention_bias: flag(false),
  query_pre_attn_scalar: number(256),
  sliding_window: orNone(4096),
  attn_logit_softcapping: orNone(50),
  final_logit_softcapping: orNone(30),
});

const config: z.ZodType<LanguageModelConfig> = file
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c, 256);
    const rope = ropeOf(
      ropeFieldsOf(c),
      { ...c, headDim: heads.headDim, theta: c.rope_theta ?? 10_000 },
      ctx,
    );
    return {
      model_type: 'gemma2',
      ...asGiven(c),
      embedding_scale: Math.sqrt(c.hidden_size),
      final_logit_softcapping: c.final_logit_softcapping,
      layer: {
        attention: {
          ...heads,
          scale: c.query_pre_attn_scalar ** -0.5,
          softcap: c.attn_logit_softcapping,
          bias: { qkv: c.attention_bias, out: c.attention_bias },
          fused: false,
        },
        mlp: {
          width: c.intermediate_size,
          activation: c.hidden_activation,
          bias: false,
          fused: false,
        },
        norm: { epsilon: c.rms_norm_eps, offset: 1 },
        norms: sandwichNorms,
      },
      layers: layersOf(
        c,
        (layer) => layer % 2 === 0,
        { full: { rope }, sliding: { rope, window: c.sliding_window } },
        ctx,
      ),
    };
  });

export const gemma2: LanguageFamily = {
  config,
  keys: Object.keys(file.shape),
  gguf: {
    architecture: 'gemma2',
    layer: { ...ggufNames.attention, ...ggufNames.mlp, ...ggufNames.fourNorms },
    activation: 'gelu_pytorch_tanh',
    permuted: false,
    normShift: 1,
    scalings: ['default', 'linear', 'yarn'],
    partialRotary: false,
    windows: { kind: 'periodic', period: 2 },
    outputBias: false,
    capped: true,
    ownHead: false,
    queryScale: { layer: 'self_attn.q_proj', largest: 46 },
  },
};
