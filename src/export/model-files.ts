// A language model's config.json as the exports read it: by the file's own keys, of old and new
// spelling; and the model's files.

import { join } from 'node:path';
import { z } from 'zod';
import { languageModelFolder } from '../checkpoints/hf-folder.ts';
import { folderFiles, parseFile } from '../checkpoints/model-folder.ts';
import type { SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import type { ExternalTensor } from '../tensor/tensor.ts';

const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
  factor: z.number().optional(),
  low_freq_factor: z.number().optional(),
  high_freq_factor: z.number().optional(),
  original_max_position_embeddings: z.number().optional(),
  attention_factor: z.number().nullish(),
  beta_fast: z.number().nullish(),
  beta_slow: z.number().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  partial_rotary_factor: z.number().optional(),
  short_factor: z.array(z.number()).optional(),
  long_factor: z.array(z.number()).optional(),
});

const tokenId = z.union([z.number(), z.array(z.number())]).nullish();

const configSchema = z.looseObject({
  model_type: z.string(),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int().nullish(),
  head_dim: z.int().nullish(),
  vocab_size: z.int(),
  rms_norm_eps: z.number(),
  max_position_embeddings: z.int(),
  tie_word_embeddings: z.boolean().optional(),
  rope_theta: z.number().nullish(),
  rope_local_base_freq: z.number().nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: z
    .union([z.object({ full_attention: ropeSchema, sliding_attention: ropeSchema }), ropeSchema])
    .nullish(),
  partial_rotary_factor: z.number().nullish(),
  original_max_position_embeddings: z.int().nullish(),
  sliding_window: z.int().nullish(),
  use_sliding_window: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  layer_types: z.array(z.string()).nullish(),
  sliding_window_pattern: z.int().nullish(),
  query_pre_attn_scalar: z.number().nullish(),
  attn_logit_softcapping: z.number().nullish(),
  final_logit_softcapping: z.number().nullish(),
  hidden_act: z.string().nullish(),
  hidden_activation: z.string().nullish(),
  bos_token_id: tokenId,
  eos_token_id: tokenId,
  pad_token_id: tokenId,
});

/** What the exports read of a config.json, of old and new spelling. */
export type LanguageConfig = z.infer<typeof configSchema>;

export interface ModelFiles {
  /** The folder, absolute, symbolic links resolved. */
  readonly path: string;
  readonly config: LanguageConfig;
  /** The safetensors files, in the order of their names. */
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, ExternalTensor>;
}

/** Opens a folder with config.json and one or more safetensors files. Throws CheckpointError. */
export function openModelFiles(folder: string): ModelFiles {
  const path = languageModelFolder(folder);
  const files = folderFiles(path);
  return {
    path,
    config: readLanguageConfig(path),
    files,
    tensors: new Map(files.flatMap(({ tensors }) => [...tensors])),
  };
}

/**
 * Reads and checks a folder's config.json. Throws CheckpointError that lists the keys that are
 * missing or wrong.
 */
export const readLanguageConfig = (folder: string): LanguageConfig =>
  parseFile(join(folder, 'config.json'), configSchema);

/**
 * The rotary embedding as one record, whichever spelling the file has; `local`: of gemma3's sliding
 * layers.
 */
export function ropeOf(config: LanguageConfig): {
  theta: number;
  type: string;
  parameters: z.infer<typeof ropeSchema>;
  local: number | undefined;
} {
  const written = config.rope_parameters ?? config.rope_scaling ?? {};
  const { full, sliding } = isPair(written)
    ? { full: written.full_attention, sliding: written.sliding_attention }
    : { full: written, sliding: undefined };
  const theta = full.rope_theta ?? config.rope_theta ?? 10_000;
  const named = full.rope_type ?? full.type ?? 'default';
  // LongRoPE in older files of Phi-3
  const type =
    config.model_type === 'phi3' && (named === 'su' || named === 'yarn') ? 'longrope' : named;
  return {
    theta,
    type,
    parameters: full,
    local: sliding?.rope_theta ?? config.rope_local_base_freq ?? undefined,
  };
}

type RopePair = Extract<
  NonNullable<LanguageConfig['rope_parameters']>,
  { full_attention: z.infer<typeof ropeSchema> }
>;

function isPair(written: NonNullable<LanguageConfig['rope_parameters']>): written is RopePair {
  return 'full_attention' in written && typeof written.full_attention === 'object';
}

export function headDim(
  config: Pick<LanguageConfig, 'head_dim' | 'hidden_size' | 'num_attention_heads'>,
): number {
  return config.head_dim ?? config.hidden_size / config.num_attention_heads;
}

export function kvHeads(config: LanguageConfig): number {
  return config.num_key_value_heads ?? config.num_attention_heads;
}
