// The text models of Gemma 3 (arXiv 2503.19786): Gemma 2 with norms on q and k in place of caps,
// and a rotary embedding of its own for the layers with a window.

import type { z } from 'zod';
import { sandwichNorms } from '../nn/decoder-layer.ts';
import { gemma2 } from './gemma2.ts';
import { ggufNames } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
  kvHeadsOr,
  layerTypes,
  layersOf,
  number,
  only,
  orNone,
  sizes,
  sizesFit,
  whole,
  withDefault,
  type LanguageModelConfig,
  type RopeFields,
  type Sizes,
} from './language-config.ts';
import type { LanguageFamily } from './language-family.ts';
import { ropeOf } from './rope-config.ts';

const file = sizes.extend({
  num_key_value_heads: kvHeadsOr(4),
  layer_types: layerTypes,
  use_bidirectional_attention: only(false),
  hidden_activation: withDefault(activation, 'gelu_pytorch_tanh'),
  max_position_embeddings: whole(131_072),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(true),
  attention_bias: flag(false),
  query_pre_attn_scalar: number(256),
  sliding_window: orNone(4096),
  sliding_window_pattern: whole(6),
  rope_local_base_freq: number(10_000),
  final_logit_softcapping: orNone(null),
});

const config: z.ZodType<LanguageModelConfig> = file
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c, 256);
    const norm = { epsilon: c.rms_norm_eps, offset: 1 } as const;
    const fields = ropeFields(c, ctx);
    const around = {
      headDim: heads.headDim,
      max_position_embeddings: c.max_position_embeddings,
    };
    const full = ropeOf(fields.full, { ...around, theta: c.rope_theta ?? 1_000_000 }, ctx);
    const sliding = ropeOf(fields.sliding, { ...around, theta: c.rope_local_base_freq }, ctx);
    return {
      model_type: 'gemma3_text',
      ...asGiven(c),
      embedding_scale: Math.sqrt(c.hidden_size),
      final_logit_softcapping: c.final_logit_softcapping,
      layer: {
        attention: {
          ...heads,
          scale: c.query_pre_attn_scalar ** -0.5,
          bias: { qkv: c.attention_bias, out: c.attention_bias },
          qkNorm: norm,
          fused: false,
        },
        mlp: {
          width: c.intermediate_size,
          activation: c.hidden_activation,
          bias: false,
          fused: false,
        },
        norm,
        norms: sandwichNorms,
      },
      layers: layersOf(
        c,
        (layer) => (layer + 1) % c.sliding_window_pattern !== 0,
        { full: { rope: full }, sliding: { rope: sliding, window: c.sliding_window } },
        ctx,
      ),
    };
  });

/** By kind of layer since transformers 5; `rope_scaling` is that of the full layers. */
function ropeFields(
  { rope_parameters, rope_scaling }: Sizes,
  ctx: z.RefinementCtx,
): { full: RopeFields; sliding: RopeFields } {
  const { full_attention, sliding_attention } = rope_parameters ?? {};
  if (rope_scaling?.type !== undefined && rope_scaling.rope_type === undefined)
    ctx.addIssue({
      code: 'custom',
      path: ['rope_scaling', 'type'],
      message: 'some versions of transformers ignore it in this family; use rope_type',
    });
  return {
    full: { ...(isFields(full_attention) ? full_attention : {}), ...rope_scaling },
    sliding: isFields(sliding_attention) ? sliding_attention : {},
  };
}

const isFields = (value: unknown): value is RopeFields =>
  typeof value === 'object' && value !== null;

export const gemma3_text: LanguageFamily = {
  config,
  keys: Object.keys(file.shape),
  gguf: {
    ...gemma2.gguf,
    architecture: 'gemma3',
    layer: { ...gemma2.gguf.layer, ...ggufNames.headNorms },
    windows: { kind: 'periodic', period: 6 },
    localTheta: 10_000,
    capped: false,
    ownHead: true,
    queryScale: { layer: 'self_attn.q_norm', largest: 62 },
  },
};
