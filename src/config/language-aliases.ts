// The keys of other trainers of language models as aliases: of ours, of nothing, or of something
// that is not there.
import { isObject } from '../util/is-object.ts';
import {
  absent,
  all,
  as,
  flag,
  isTrue,
  only,
  unused,
  type Alias,
  type Meaning,
  type Values,
} from './language-alias.ts';
import { dataSources } from './language-data.ts';
import { goingOnAliases } from './language-going-on.ts';
import { unusedKeys } from './language-keys-unused.ts';

// ---- adapters

const neither = 'plain LoRA files and llama.cpp adapters have no place for it';
const start = "adapters begin as PEFT's default does (A random, B zero)";

/** mlx-lm's block: its scale is ours times the rank. */
const mlxParameters: Alias = (value) => {
  if (!isObject(value))
    return { refused: 'expected rank, scale, dropout and keys, indented below it' };
  const { rank = 8, scale = 20, dropout = 0, keys } = value;
  return {
    means: {
      lora_rank: rank,
      lora_alpha: Number(scale) * Number(rank),
      lora_dropout: dropout,
      ...(keys !== undefined && keys !== null && { target_modules: keys }),
    },
  };
};

/** LLaMA-Factory's alpha is twice the rank where it is not written. */
const factoryType: Alias = (value, { lora_alpha, lora_rank = 8 }) => {
  if (String(value).toLowerCase() !== 'lora')
    return { refused: `only adapters are trained, finetuning_type: lora, not ${String(value)}` };
  return lora_alpha === undefined || lora_alpha === null
    ? {
        means: { lora_alpha: 2 * Number(lora_rank) },
        note: `lora_alpha is ${2 * Number(lora_rank)}, twice the rank, as LLaMA-Factory has it`,
      }
    : {};
};

const adapters: Readonly<Record<string, Alias>> = {
  ...all(['r', 'rank', 'lora_r', 'network_dim'], as('lora_rank')),
  ...all(['alpha', 'network_alpha'], as('lora_alpha')),
  dropout: as('lora_dropout'),
  ...all(['lora_target_modules', 'lora_target'], as('target_modules')),
  lora_target_linear: (value) => (isTrue(value) ? { means: { target_modules: 'all-linear' } } : {}),
  lora_rank_pattern: as('rank_pattern'),
  lora_alpha_pattern: as('alpha_pattern'),
  peft_use_rslora: as('use_rslora'),
  lora_parameters: mlxParameters,
  ...all(
    ['adapter', 'peft_type'],
    only(['lora'], (value) => `adapters are LoRA, not ${value}`),
  ),
  finetuning_type: factoryType,
  fine_tune_type: only(
    ['lora'],
    (value) => `only adapters are trained, fine_tune_type: lora, not ${value}`,
  ),
  full_finetuning: absent('only adapters are trained'),
  ...all(['use_dora', 'peft_use_dora'], absent(`DoRA is not trained: ${neither}`)),
  ...all(
    ['modules_to_save', 'lora_modules_to_save', 'additional_target', 'unfrozen_parameters'],
    absent(`whole modules are not trained beside the adapters: ${neither}`),
  ),
  lora_bias: absent(`no bias is trained in the adapters: ${neither}`),
  bias: absent(`biases are not trained: ${neither}`),
  trainable_token_indices: absent(`tokens are not trained: ${neither}`),
  ...all(
    ['layer_replication', 'peft_layer_replication'],
    absent('layers are not replicated: llama.cpp adapters cannot hold it'),
  ),
  ...all(
    ['target_parameters', 'lora_target_parameters'],
    absent('only layers get adapters, not single parameters'),
  ),
  ...all(
    ['layers_to_transform', 'peft_layers_to_transform'],
    absent('a regular expression in target_modules says the same: .*\\.layers\\.(0|1)\\..*'),
  ),
  layers_pattern: absent('a regular expression in target_modules says the same'),
  exclude_modules: absent('a regular expression in target_modules says the same'),
  // what the base's configuration makes clear is read before (language-data.ts)
  num_layers: (value) =>
    Number(value) === -1
      ? {}
      : {
          refused: `this means the last ${String(value)} layers; a regular expression in target_modules says which: .*\\.layers\\.(14|15)\\..*`,
        },
  ...all(['init_lora_weights', 'peft_init_lora_weights'], (value) =>
    value === true || /^(true|kaiming|default)$/i.test(String(value))
      ? {}
      : { refused: `${start}, not with ${String(value)}` },
  ),
  ...all(
    ['pissa_init', 'loftq_config', 'eva_config', 'corda_config', 'lora_ga_config', 'peft'],
    absent(start),
  ),
  ...all(
    [
      'use_qalora',
      'use_bdlora',
      'alora_invocation_tokens',
      'arrow_config',
      'monteclora_config',
      'kasa_config',
      'velora_config',
    ],
    absent('only plain LoRA is trained'),
  ),
  ...all(['fan_in_fan_out', 'lora_fan_in_fan_out'], absent('weights are [out, in]')),
  ...all(
    ['loraplus_lr_ratio', 'relora_steps', 'shift_attn'],
    absent('there is no such setting here; leave it out'),
  ),
};

// ---- model and data

const share = (counted: unknown): Meaning =>
  Number(counted) >= 1
    ? {
        refused: 'counts samples there; validation_split is the share of all samples, such as 0.05',
      }
    : { means: { validation_split: counted } };

const sources =
  (key: 'train_data' | 'validation_data'): Alias =>
  (value) => {
    const { items, faults } = dataSources(value);
    const means = {
      [key]:
        key === 'train_data'
          ? items
          : items.map((item) => (typeof item === 'string' ? item : item.path)),
    };
    return faults.length > 0 ? { means, refused: faults.join('; ') } : { means };
  };

const template: Alias = (value, { chat_template_jinja: jinja }) =>
  String(value) === 'jinja' && jinja !== undefined ? {} : { means: { chat_template: value } };

const modelAndData: Readonly<Record<string, Alias>> = {
  ...all(
    [
      'model',
      'model_name',
      'model_name_or_path',
      'pretrained_model_name_or_path',
      'base_model_name_or_path',
    ],
    as('base_model'),
  ),
  ...all(
    ['load_in_8bit', 'load_in_4bit', 'quantization_bit', 'gptq'],
    absent('bases of 8 or 4 bits are not trained; name the model in float32, float16 or bfloat16'),
  ),
  ...all(
    [
      'rope_scaling',
      'resize_vocab',
      'tokens',
      'added_tokens_overrides',
      'add_tokens',
      'add_special_tokens',
      'new_special_tokens',
    ],
    absent('the model and its tokenizer stay as they are in its folder'),
  ),
  special_tokens: (value) =>
    isObject(value) && Object.keys(value).every((key) => key === 'pad_token')
      ? {}
      : { refused: "special tokens are those of the model's own tokenizer" },
  chat_template: template,
  template: as('chat_template'),
  chat_template_jinja: as('chat_template'),
  ...all(
    ['sequence_len', 'cutoff_len', 'max_length', 'model_max_length', 'max_seq_len'],
    as('max_seq_length'),
  ),
  data: as('train_data_dir'),
  ...all(['dataset', 'datasets'], sources('train_data')),
  ...all(['eval_dataset', 'test_datasets'], sources('validation_data')),
  ...all(['val_set_size', 'val_size'], share),
  ...all(['train_on_inputs', 'train_on_prompt'], flag('train_on', 'all', 'answers')),
  ...all(
    ['mask_prompt', 'completion_only_loss', 'assistant_only_loss', 'train_on_completions'],
    flag('train_on', 'answers', 'all'),
  ),
  ...all(['sample_packing', 'neat_packing'], as('packing')),
  excess_length_strategy: as('excess_length'),
  ...all(
    ['default_system', 'default_system_message'],
    absent('write the system message into the samples, or choose a chat_template with one'),
  ),
  mask_history: absent(
    'all answers of a conversation are trained; "train": false in the data leaves one out',
  ),
  mix_strategy: only(
    ['concat'],
    (value) => `data sets are joined, not ${value}; train_data gives each a weight`,
  ),
  ...all(
    ['hf_dataset', 'pretraining_dataset', 'streaming', 'interleave_probs', 'tokenized_path'],
    absent('data are files on this machine, named in train_data'),
  ),
  dataset_dir: unused,
};

// ---- run and optimiser

const betas = ({ adam_beta1 = 0.9, adam_beta2 = 0.999 }: Values): Meaning => ({
  means: { betas: [Number(adam_beta1), Number(adam_beta2)] },
});

/** mlx-lm's Adam has no decay: then it is AdamW. Other names are understood in load.ts. */
const optimizer: Alias = (value, { weight_decay }) => {
  if (String(value).toLowerCase() !== 'adam') return { means: { optimizer: value } };
  return { means: { optimizer: 'adamw', ...(weight_decay === undefined && { weight_decay: 0 }) } };
};

/** mlx-lm's block. */
const mlxSchedule: Alias = (value, { iters }) => {
  if (!isObject(value))
    return { refused: 'expected name, warmup and arguments, indented below it' };
  const { name, warmup = 0, arguments: list } = value;
  const [first, ...rest] = Array.isArray(list) ? list.map(Number) : [];
  const [steps, last] = name === 'linear_schedule' ? [rest[1], rest[0]] : rest;
  const known =
    name === 'cosine_decay' ? 'cosine' : name === 'linear_schedule' ? 'linear' : undefined;
  if (known === undefined || first === undefined)
    return {
      refused: `${String(name)} is not supported; use lr_scheduler: cosine or linear, with lr_warmup_steps and learning_rate`,
    };
  const other =
    (steps !== undefined && iters !== undefined && steps !== Number(iters)) ||
    (last ?? 0) > first / 10;
  const note = `lr_scheduler: ${known} falls to 0 at the end of the run`;
  return {
    means: { lr_scheduler: known, lr_warmup_steps: warmup, learning_rate: first },
    ...((other || (last ?? 0) > 0) && { note }),
  };
};

const run: Readonly<Record<string, Alias>> = {
  ...all(['micro_batch_size', 'per_device_train_batch_size'], as('batch_size')),
  grad_accumulation_steps: as('gradient_accumulation_steps'),
  ...all(['num_epochs', 'num_train_epochs'], as('epochs')),
  // -1 there: epochs say it
  max_steps: (value) => (Number(value) <= 0 ? {} : { means: { max_train_steps: value } }),
  iters: as('max_train_steps'),
  random_state: as('seed'),
  grad_checkpoint: as('gradient_checkpointing'),
  use_gradient_checkpointing: (value) => ({
    means: { gradient_checkpointing: isTrue(value) || value === 'unsloth' },
  }),
  disable_gradient_checkpointing: flag('gradient_checkpointing', false, true),
  lr: as('learning_rate'),
  lr_schedule: mlxSchedule,
  // the block of mlx-lm gives another rate to begin with
  learning_rate: (value, { lr_schedule }) =>
    isObject(lr_schedule) ? {} : { means: { learning_rate: value } },
  optim: optimizer,
  optimizer,
  ...all(
    ['optim_args', 'optimizer_config'],
    absent('use weight_decay, betas and eps to set up the optimiser'),
  ),
  lr_scheduler_type: as('lr_scheduler'),
  ...all(
    [
      'cosine_min_lr_ratio',
      'lr_scheduler_kwargs',
      'neftune_noise_alpha',
      'label_smoothing_factor',
      'pref_ftx',
      'deepspeed',
      'fsdp',
    ],
    absent('there is no such setting here; leave it out'),
  ),
  warmup_steps: (value, { warmup_ratio }) =>
    Number(value) === 0 && Number(warmup_ratio) > 0 ? {} : { means: { lr_warmup_steps: value } },
  warmup_ratio: (value, { warmup_steps }) =>
    Number(warmup_steps) > 0 ? {} : { means: { lr_warmup_steps: value } }, // steps go before
  adam_beta1: (_, given) => betas(given),
  adam_beta2: (_, given) => (given.adam_beta1 === undefined ? betas(given) : {}),
  adam_epsilon: as('eps'),
  adam_weight_decay: as('weight_decay'),
  stage: only(['sft', 'pt'], (value) => `only stage: sft, not ${value}`),
  rl: absent('only supervised training is supported'),
  adapter_path: as('output_dir'),
  save_every: as('save_steps'),
  checkpoint_every_n_minutes: as('save_minutes'),
  ...all(['eval_steps', 'steps_per_eval'], as('validation_steps')),
  ...all(['train', 'do_train'], (value) =>
    isTrue(value) ? {} : { refused: 'lora train trains; lora eval and lora export do the rest' },
  ),
};

export const aliases: Readonly<Record<string, Alias>> = {
  ...adapters,
  ...modelAndData,
  ...run,
  ...goingOnAliases,
  ...all(unusedKeys, unused),
};
