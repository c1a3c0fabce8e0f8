// Keys of a config.json that mean something in other families, and that this one does not read:
// what transformers' class of it ignores, we ignore, and say so.

import type { LanguageFamily } from './language-family.ts';

type File = Readonly<Record<string, unknown>>;

const isSet = (value: unknown) => value !== null && value !== undefined && value !== false;
const isOn = (value: unknown) => value === true;
const isNotOne = (value: unknown) => typeof value === 'number' && value !== 1;
const isCount = (value: unknown) => typeof value === 'number' && value > 0;

/** Each with the values with which the family that reads it computes otherwise. */
const keys: Readonly<Record<string, (value: unknown, file: File) => boolean>> = {
  partial_rotary_factor: isNotOne,
  rotary_pct: isNotOne,
  rope_local_base_freq: isSet,
  no_rope_layers: (value) => Array.isArray(value) && value.includes(0),
  sliding_window: (value, { use_sliding_window: used }) => isSet(value) && used !== false,
  use_sliding_window: isOn,
  sliding_window_pattern: isSet,
  layer_types: (value) =>
    Array.isArray(value) && value.some((one) => one !== 'full_attention' && one !== undefined),
  use_bidirectional_attention: isOn,
  attention_bias: isOn,
  qkv_bias: isOn,
  use_qkv_bias: isOn,
  mlp_bias: isOn,
  use_bias: isOn,
  qk_norm: isOn,
  use_qk_norm: isOn,
  qk_layernorm: isOn,
  clip_qkv: isSet,
  attn_logit_softcapping: isSet,
  final_logit_softcapping: isSet,
  query_pre_attn_scalar: isSet,
  embedding_multiplier: isNotOne,
  attention_multiplier: isSet,
  residual_multiplier: isNotOne,
  logits_scaling: isNotOne,
  logit_scale: isNotOne,
  scale_emb: isNotOne,
  scale_depth: isNotOne,
  layer_norm_eps: isSet,
  norm_epsilon: isSet,
  use_parallel_residual: isOn,
  alibi: isOn,
  num_experts: isCount,
  num_local_experts: isCount,
  // Gemma's files have both; some programs wrote the one, some the other
  hidden_act: (value, { hidden_activation: read }) =>
    isSet(value) && value !== (read ?? 'gelu_pytorch_tanh'),
  hidden_activation: (value, { hidden_act: read }) => isSet(value) && value !== (read ?? 'silu'),
};

/** Keys of `file` that `family` does not read, and with which another would compute otherwise. */
export function ignoredKeys(file: File, family: LanguageFamily): string[] {
  const top = Object.entries(keys).flatMap(([key, matters]) =>
    Object.hasOwn(file, key) && !family.keys.includes(key) && matters(file[key], file) ? [key] : [],
  );
  const nested = ['rope_scaling', 'rope_parameters'].flatMap((key) => {
    const fields = file[key];
    const turnsPart =
      typeof fields === 'object' &&
      fields !== null &&
      'partial_rotary_factor' in fields &&
      isNotOne(fields.partial_rotary_factor);
    return turnsPart && !family.keys.includes('partial_rotary_factor')
      ? [`${key}.partial_rotary_factor`]
      : [];
  });
  return [...top, ...nested];
}
