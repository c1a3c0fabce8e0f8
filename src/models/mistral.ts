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
import { ropeOf } from './rope-config.ts';

const config: z.ZodType<LanguageModelConfig> = sizes
  .extend({
    hidden_act: withDefault(activation, 'silu'),
    max_position_embeddings: whole(131_072),
    rms_norm_eps: number(1e-6),
    tie_word_embeddings: flag(false),
    sliding_window: orNone(4096),
  })
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c);
    const rope = ropeOf(
      c.rope_parameters ?? c.rope_scaling,
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
      layers: layersOf({ ...c, layer_types: undefined }, () => true, sight, sight),
    };
  });

export const mistral: LanguageFamily = {
  config,
  gguf: { ...ggufLlama, windows: { kind: 'unseen', told: false } },
};
