// Phi-3 and Phi-4 (arXiv 2404.14219): Llama with fused projections, part of each head turning, and
// LongRoPE.

import { z } from 'zod';
import { preNorms } from '../nn/decoder-layer.ts';
import { ggufLlama, ggufNames } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
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

/** Names of LongRoPE in older files. */
const aliases = { su: 'longrope', yarn: 'longrope' };

const file = sizes.extend({
  partial_rotary_factor: withDefault(z.number().positive().max(1), 1),
  hidden_act: withDefault(activation, 'silu'),
  max_position_embeddings: whole(4096),
  original_max_position_embeddings: whole(4096),
  rms_norm_eps: number(1e-5),
  tie_word_embeddings: flag(false),
  sliding_window: orNone(null),
});

const config: z.ZodType<LanguageModelConfig> = file
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c);
    const rope = ropeOf(
      ropeFieldsOf(c),
      {
        ...c,
        headDim: heads.headDim,
        theta: c.rope_theta ?? 10_000,
        aliases,
        kinds: ['default', 'longrope'],
      },
      ctx,
    );
    const sight = { rope, window: c.sliding_window };
    return {
      model_type: 'phi3',
      ...asGiven(c),
      embedding_scale: 1,
      layer: {
        attention: {
          ...heads,
          scale: heads.headDim ** -0.5,
          bias: { qkv: false, out: false },
          fused: true,
        },
        mlp: { width: c.intermediate_size, activation: c.hidden_act, bias: false, fused: true },
        norm: { epsilon: c.rms_norm_eps, offset: 0 },
        norms: preNorms,
      },
      layers: layersAlike(c, sight),
    };
  });

export const phi3: LanguageFamily = {
  config,
  keys: Object.keys(file.shape),
  gguf: {
    ...ggufLlama,
    architecture: 'phi3',
    layer: { ...ggufNames.fused, ...ggufNames.twoNorms },
    permuted: false,
    scalings: ['default', 'linear', 'yarn', 'longrope'],
    windows: { kind: 'unseen', told: true },
  },
};
