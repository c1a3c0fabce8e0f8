// Mistral 7B, Nemo and Small in their text form (arXiv 2310.06825): Llama with a window on all
// layers, or none.

import type { z } from 'zod';
import { preNorms } from '../nn/decoder-layer.ts';
import { ggufLlama } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
  kvHeadsOr,
  layersAlike,
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
  num_key_value_heads: kvHeadsOr(8),
  hidden_act: withDefault(activation, 'silu'),
  max_position_embeddings: whole(131_072),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(false),
  sliding_window: orNone(4096),
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
    const sight = { rope, window: c.sliding_window };
    return {
      model_type: 'mistral',
      ...asGiven(c),
      embedding_scale: 1,
      layer: {
        attention: {
          ...heads,
          scale: heads.headDim ** -0.5,
          bias: { qkv: false, out: false },
          fused: false,
        },
        mlp: { width: c.intermediate_size, activation: c.hidden_act, bias: false, fused: false },
        norm: { epsilon: c.rms_norm_eps, offset: 0 },
        norms: preNorms,
      },
      layers: layersAlike(c, sight),
    };
  });

export const mistral: LanguageFamily = {
  config,
  keys: Object.keys(file.shape),
  gguf: { ...ggufLlama, windows: { kind: 'unseen', told: false } },
};
