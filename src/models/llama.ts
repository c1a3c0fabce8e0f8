// Llama 2 and 3 (Touvron et al. 2023, arXiv 2407.21783) and what is saved as they are: Yi,
// TinyLlama, SmolLM 2 and others.

import type { z } from 'zod';
import { preNorms } from '../nn/decoder-layer.ts';
import { ggufLlama } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
  layersAlike,
  number,
  sizes,
  sizesFit,
  whole,
  withDefault,
  type LanguageModelConfig,
} from './language-config.ts';
import type { LanguageFamily } from './language-family.ts';
import { ropeFieldsOf, ropeOf } from './rope-config.ts';

const file = sizes.extend({
  hidden_act: withDefault(activation, 'silu'),
  max_position_embeddings: whole(2048),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(false),
  attention_bias: flag(false),
  mlp_bias: flag(false),
});

const config: z.ZodType<LanguageModelConfig> = file
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c);
    const rope = ropeOf(
      ropeFieldsOf(c),
      { ...c, headDim: heads.headDim, theta: c.rope_theta ?? 10_000 },
      ctx,
    );
    return {
      model_type: 'llama',
      ...asGiven(c),
      embedding_scale: 1,
      layer: {
        attention: {
          ...heads,
          scale: heads.headDim ** -0.5,
          bias: { qkv: c.attention_bias, out: c.attention_bias },
          fused: false,
        },
        mlp: {
          width: c.intermediate_size,
          activation: c.hidden_act,
          bias: c.mlp_bias,
          fused: false,
        },
        norm: { epsilon: c.rms_norm_eps, offset: 0 },
        norms: preNorms,
      },
      layers: layersAlike(c, { rope }),
    };
  });

export const llama: LanguageFamily = { config, keys: Object.keys(file.shape), gguf: ggufLlama };
