// The keys of other trainers of language models (axolotl, LLaMA-Factory, mlx-lm, PEFT, TRL), read as ours.
import type { ConfigKey } from './schema.ts';

type Values = Readonly<Record<string, unknown>>;
/** Our keys for a value of theirs; a text says why it cannot be had here; `ignored` has no effect. */
type Reading = (value: unknown, given: Values) => Partial<Record<ConfigKey, unknown>> | string | 'ignored';

export interface Translated {
  /** With our keys alone, and those that nobody knows. */
  readonly values: Values;
  readonly problems: readonly { readonly key: string; readonly what: string; readonly fix?: string }[];
  /** Keys without effect. */
  readonly ignored: readonly string[];
  /** Our key -> the one it was given as. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Reads other spellings. A key of ours that is there too, or is meant twice, is a problem. */
export function translate(given: Values): Translated {
  const values: Record<string, unknown> = {};
  const problems: { key: string; what: string; fix?: string }[] = [];
  const ignored: string[] = [];
  const renamed = new Map<string, string>();
  for (const [key, value] of Object.entries(given)) if (!Object.hasOwn(readings, key)) values[key] = value;
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(readings, key) || value === null || value === undefined) continue;
    const read = readings[key](value, given);
    if (read === 'ignored') ignored.push(key);
    else if (typeof read === 'string') problems.push({ key, what: read });
    else {
      for (const [ours, meant] of Object.entries(read)) {
        const other = renamed.get(ours) ?? (ours !== key && Object.hasOwn(given, ours) ? ours : undefined);
        if (other !== undefined) problems.push({ key, what: `means the same as ${other}, which is there too`, fix: 'Keep one of the two lines.' });
        else renamed.set(ours, key);
        values[ours] = meant;
      }
    }
  }
  return { values, problems, ignored, renamed };
}

// ---- how a value is read -------------------------------------------------------------------------------------------------

const as = (key: ConfigKey): Reading => (value) => ({ [key]: value });
const ignored: Reading = () => 'ignored';
const isTrue = (value: unknown): boolean => value === true || /^(true|yes|on|1)$/i.test(String(value));
const isEmpty = (value: unknown): boolean => value === false || value === '' || /^(false|none|no|off)$/i.test(String(value)) || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** Something that does not exist here: fine where it is switched off. */
const absent = (what: string): Reading => (value) => (isEmpty(value) ? {} : what);
/** A key that must have one of these values. */
const only = (wanted: readonly string[], what: (value: string) => string): Reading => (value) => (wanted.includes(String(value).toLowerCase()) ? {} : what(String(value)));
const flag = (key: ConfigKey, whenTrue: unknown, whenFalse: unknown): Reading => (value) => ({ [key]: isTrue(value) ? whenTrue : whenFalse });

const neither = 'neither PEFT files without it nor llama.cpp adapters could hold what would be trained';
const quantised = absent('bases of 8 or 4 bits are not trained; name the model in float32, float16 or bfloat16');
const wholeModules = absent(`whole modules are not trained beside the adapters: ${neither}`);
const dora = absent(`DoRA is not trained: ${neither}`);
const initialisation: Reading = (value) => (value === true || /^(true|kaiming|default)$/i.test(String(value)) ? {} : `adapters begin as PEFT's default does (A random, B zero), not with ${String(value)}`);
const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value);

/** axolotl's list of data sets, LLaMA-Factory's names with commas. */
function sources(value: unknown): (string | { path: unknown; weight?: unknown })[] {
  const items: unknown[] = Array.isArray(value) ? value : String(value).split(',').map((part) => part.trim());
  return items.map((item) => (isObject(item) ? { path: item.data_files ?? item.path, ...(item.weight !== undefined && { weight: item.weight }) } : String(item)));
}

function share(value: unknown): ReturnType<Reading> {
  if (!(Number(value) >= 1)) return { validation_split: value };
  return 'counts samples there; validation_split is the share of all samples, such as 0.05';
}

/** mlx-lm's block: its scale is ours times the rank. */
function mlxParameters(value: unknown): ReturnType<Reading> {
  if (!isObject(value)) return 'expected rank, scale, dropout and keys, indented below it';
  const { rank = 8, scale = 20, dropout = 0, keys } = value;
  return { lora_rank: rank, lora_alpha: Number(scale) * Number(rank), lora_dropout: dropout, ...(keys !== undefined && { target_modules: keys }) };
}

const betas: Reading = (_, { adam_beta1 = 0.9, adam_beta2 = 0.999 }) => ({ betas: [Number(adam_beta1), Number(adam_beta2)] });
const optimizer: Reading = (value) => ({ optimizer: /^adamw(_torch|_torch_fused|_hf)?$/i.test(String(value)) ? 'adamw' : value });

const readings: Readonly<Record<string, Reading>> = {
  // model
  model: as('base_model'),
  model_name_or_path: as('base_model'),
  pretrained_model_name_or_path: as('base_model'),
  base_model_name_or_path: as('base_model'),
  template: as('chat_template'),
  chat_template_jinja: as('chat_template'),
  sequence_len: as('max_seq_length'),
  cutoff_len: as('max_seq_length'),
  max_length: as('max_seq_length'),
  model_max_length: as('max_seq_length'),
  load_in_8bit: quantised,
  load_in_4bit: quantised,
  quantization_bit: quantised,
  // adapter
  r: as('lora_rank'),
  rank: as('lora_rank'),
  lora_r: as('lora_rank'),
  network_dim: as('lora_rank'),
  alpha: as('lora_alpha'),
  network_alpha: as('lora_alpha'),
  dropout: as('lora_dropout'),
  lora_target_modules: as('target_modules'),
  lora_target: as('target_modules'),
  lora_target_linear: (value) => (isTrue(value) ? { target_modules: 'all-linear' } : {}),
  lora_rank_pattern: as('rank_pattern'),
  lora_alpha_pattern: as('alpha_pattern'),
  peft_use_rslora: as('use_rslora'),
  lora_parameters: mlxParameters,
  adapter: only(['lora'], (value) => `adapters are LoRA, not ${value}`),
  peft_type: only(['lora'], (value) => `adapters are LoRA, not ${value}`),
  finetuning_type: only(['lora'], (value) => `only adapters are trained, finetuning_type: lora, not ${value}`),
  fine_tune_type: only(['lora'], (value) => `only adapters are trained, fine_tune_type: lora, not ${value}`),
  stage: only(['sft', 'pt'], (value) => `only stage: sft, not ${value}`),
  rl: absent('only supervised training is there'),
  use_dora: dora,
  peft_use_dora: dora,
  lora_bias: absent(`no bias is trained in the adapters: ${neither}`),
  bias: absent(`biases are not trained: ${neither}`),
  modules_to_save: wholeModules,
  lora_modules_to_save: wholeModules,
  additional_target: wholeModules,
  trainable_token_indices: absent(`tokens are not trained: ${neither}`),
  layer_replication: absent('layers are not replicated: llama.cpp adapters cannot hold it'),
  target_parameters: absent('only layers get adapters, not single parameters'),
  layers_to_transform: absent('a regular expression in target_modules says the same: .*\\.layers\\.(0|1)\\..*'),
  peft_layers_to_transform: absent('a regular expression in target_modules says the same: .*\\.layers\\.(0|1)\\..*'),
  exclude_modules: absent('a regular expression in target_modules says the same'),
  num_layers: (value) => (Number(value) === -1 ? {} : 'a regular expression in target_modules says which layers: .*\\.layers\\.(14|15)\\..*'),
  init_lora_weights: initialisation,
  peft_init_lora_weights: initialisation,
  pissa_init: absent("adapters begin as PEFT's default does (A random, B zero)"),
  fan_in_fan_out: absent('weights are [out, in]'),
  // data
  data: as('train_data_dir'),
  dataset: (value) => ({ train_data: sources(value) }),
  datasets: (value) => ({ train_data: sources(value) }),
  eval_dataset: (value) => ({ validation_data: sources(value) }),
  test_datasets: (value) => ({ validation_data: sources(value).map((item) => (typeof item === 'string' ? item : item.path)) }),
  val_set_size: share,
  val_size: share,
  train_on_inputs: flag('train_on', 'all', 'answers'),
  train_on_prompt: flag('train_on', 'all', 'answers'),
  mask_prompt: flag('train_on', 'answers', 'all'),
  completion_only_loss: flag('train_on', 'answers', 'all'),
  sample_packing: as('packing'),
  neat_packing: as('packing'),
  excess_length_strategy: as('excess_length'),
  // run
  micro_batch_size: as('batch_size'),
  per_device_train_batch_size: as('batch_size'),
  grad_accumulation_steps: as('gradient_accumulation_steps'),
  num_epochs: as('epochs'),
  num_train_epochs: as('epochs'),
  max_steps: (value) => (Number(value) > 0 ? { max_train_steps: value } : {}), // -1 there: epochs say it
  iters: as('max_train_steps'),
  random_state: as('seed'),
  grad_checkpoint: as('gradient_checkpointing'),
  use_gradient_checkpointing: flag('gradient_checkpointing', true, false),
  disable_gradient_checkpointing: flag('gradient_checkpointing', false, true),
  // optimiser
  lr: as('learning_rate'),
  optim: optimizer,
  optimizer,
  lr_scheduler_type: as('lr_scheduler'),
  warmup_steps: as('lr_warmup_steps'),
  warmup_ratio: as('lr_warmup_steps'),
  adam_beta1: betas,
  adam_beta2: (value, given) => (given.adam_beta1 === undefined ? betas(value, given) : {}),
  adam_epsilon: as('eps'),
  adam_weight_decay: as('weight_decay'),
  // output
  adapter_path: as('output_dir'),
  save_every: as('save_steps'),
  eval_steps: as('validation_steps'),
  steps_per_eval: as('validation_steps'),
  // of no effect
  ...Object.fromEntries(['do_train', 'train', 'do_eval', 'bf16', 'fp16', 'tf32', 'flash_attn', 'flash_attention', 'sdp_attention', 'xformers_attention', 'attn_implementation',
    'model_type', 'tokenizer_type', 'trust_remote_code', 'overwrite_cache', 'overwrite_output_dir', 'preprocessing_num_workers', 'dataloader_num_workers', 'logging_steps', 'steps_per_report',
    'plot_loss', 'report_to', 'wandb_project', 'wandb_entity', 'dataset_prepared_path', 'pad_to_sequence_len', 'eval_sample_packing', 'use_unsloth', 'inference_mode', 'revision'].map((key) => [key, ignored])),
};
