// Qwen 1.5, 2 and 2.5 (arXiv 2412.15115): Llama with biases of q, k and v, and a window above some
// layer where the configuration has one.

import { z } from 'zod';
import { preNorms } from '../nn/decoder-layer.ts';
import { ggufLlama } from './gguf-family.ts';
import {
  activation,
  asGiven,
  flag,
  headsOf,
  kvHeadsOr,
  layerTypes,
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
  num_key_value_heads: kvHeadsOr(32),
  layer_types: layerTypes,
  hidden_act: withDefault(activation, 'silu'),
  max_position_embeddings: whole(32_768),
  rms_norm_eps: number(1e-6),
  tie_word_embeddings: flag(false),
  use_sliding_window: flag(false),
  sliding_window: orNone(4096),
  max_window_layers: withDefault(z.int().min(0), 28),
});

const config: z.ZodType<LanguageModelConfig> = file
  .superRefine(sizesFit)
  .transform((c, ctx): LanguageModelConfig => {
    const heads = headsOf(c);
    const norm = { epsilon: c.rms_norm_eps, offset: 0 } as const;
    const rope = ropeOf(
      ropeFieldsOf(c),
      { ...c, headDim: heads.headDim, theta: c.rope_theta ?? 10_000 },
      ctx,
    );
    const window = c.use_sliding_window ? c.sliding_window : undefined;
    return {
      model_type: 'qwen2',
      ...asGiven(c),
      embedding_scale: 1,
      layer: {
        attention: {
          ...heads,
          scale: heads.headDim ** -0.5,
          bias: { qkv: true, out: false },
          fused: false,
        },
        mlp: { width: c.intermediate_size, activation: c.hidden_act, bias: false, fused: false },
        norm,
        norms: preNorms,
      },
      layers: layersOf(
        c,
        (layer) => window !== undefined && layer >= c.max_window_layers,
        { full: { rope }, sliding: { rope, window } },
        ctx,
      ),
    };
  });

export const qwen2: LanguageFamily = {
  config,
  keys: Object.keys(file.shape),
  gguf: {
    ...ggufLlama,
    architecture: 'qwen2',
    permuted: false,
    partialRotary: false,
    scalings: ['default', 'linear', 'yarn'],
  },
};
