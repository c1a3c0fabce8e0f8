// Each key of the configuration once, for the tests that walk all of them: the file that acts by
// it, a value that is not the default, and where that shows in a run.

import { join } from 'node:path';
import type { ConfigKey } from '../src/config/schema.ts';

export type Settings = Readonly<Record<string, unknown>>;

/** What of a run is looked at; `told`: its warnings, `refused`: there is none. */
export type Shown =
  | 'account'
  | 'answers'
  | 'cached'
  | 'drawn'
  | 'evaluation'
  | 'files'
  | 'folder'
  | 'losses'
  | 'plan'
  | 'rates'
  | 'refused'
  | 'saved'
  | 'states'
  | 'told'
  | 'validation'
  | 'weights';

export interface KeyFacts {
  /** Path in src/. */
  readonly reader: string;
  readonly value: unknown;
  /** What the value needs to show. */
  readonly beside?: Settings;
  readonly shows: Shown;
}

/** Writes the moment, so that a template with it needs template_date. */
export const DATED =
  "{% for m in messages %}{{ strftime_now('%Y %H %M %S') + m.content + '<|im_end|>' }}{% endfor %}";

/**
 * The keys, with the paths of files that a test has in `folder`. A new one does not compile until
 * it is here.
 */
export function keysOf(folder: string): { readonly [K in ConfigKey]: KeyFacts } {
  const at = (name: string): string => join(folder, name);
  return {
    task_type: { reader: 'train/run.ts', value: 'other', shows: 'refused' },
    base_model: { reader: 'train/image/task.ts', value: at('other-base'), shows: 'losses' },
    use_ema: { reader: 'train/image/task.ts', value: true, shows: 'refused' },
    clip_skip: { reader: 'train/image/adapted-model.ts', value: 2, shows: 'losses' },
    train_data_dir: { reader: 'train/image/samples.ts', value: at('other-data'), shows: 'plan' },
    metadata_path: { reader: 'train/image/samples.ts', value: at('other.csv'), shows: 'losses' },
    caption_extension: {
      reader: 'train/image/samples.ts',
      value: '.cap',
      beside: { train_data_dir: at('captioned') },
      shows: 'losses',
    },
    resolution: { reader: 'train/image/sizes.ts', value: 128, shows: 'plan' },
    enable_bucket: {
      reader: 'train/image/sizes.ts',
      value: false,
      beside: { train_data_dir: at('shapes') },
      shows: 'plan',
    },
    min_bucket_reso: {
      reader: 'train/image/sizes.ts',
      value: 64,
      beside: { train_data_dir: at('shapes') },
      shows: 'plan',
    },
    max_bucket_reso: {
      reader: 'train/image/sizes.ts',
      value: 64,
      beside: { train_data_dir: at('shapes') },
      shows: 'plan',
    },
    bucket_reso_steps: {
      reader: 'train/image/sizes.ts',
      value: 64,
      beside: { train_data_dir: at('shapes') },
      shows: 'plan',
    },
    bucket_no_upscale: {
      reader: 'train/image/sizes.ts',
      value: true,
      beside: { train_data_dir: at('shapes') },
      shows: 'plan',
    },
    cache_latents: { reader: 'train/image/task.ts', value: false, shows: 'cached' },
    train_data: {
      reader: 'dataset/text/configured.ts',
      value: [{ path: at('other-data'), weight: 2 }],
      shows: 'plan',
    },
    max_seq_length: { reader: 'dataset/text/configured.ts', value: 40, shows: 'plan' },
    excess_length: {
      reader: 'dataset/text/configured.ts',
      value: 'drop',
      beside: { max_seq_length: 40 },
      shows: 'plan',
    },
    chat_template: { reader: 'train/text/data.ts', value: 'alpaca', shows: 'losses' },
    template_date: {
      reader: 'train/text/data.ts',
      value: '1999-09-09',
      beside: { chat_template: DATED },
      shows: 'losses',
    },
    train_on: { reader: 'dataset/text/configured.ts', value: 'all', shows: 'losses' },
    packing: { reader: 'train/text/task.ts', value: true, shows: 'plan' },
    group_by_length: {
      reader: 'train/text/task.ts',
      value: true,
      beside: { batch_size: 2 },
      shows: 'losses',
    },
    validation_data: {
      reader: 'dataset/text/configured.ts',
      value: [at('other-data')],
      shows: 'validation',
    },
    validation_split: { reader: 'dataset/text/configured.ts', value: 0.5, shows: 'validation' },
    validation_steps: {
      reader: 'train/look-schedule.ts',
      value: 2,
      beside: { validation_split: 0.5, batch_size: 4 },
      shows: 'validation',
    },
    stop_when_overfit: { reader: 'train/run.ts', value: true, shows: 'told' },
    batch_size: { reader: 'train/image/batches.ts', value: 2, shows: 'losses' },
    gradient_accumulation_steps: { reader: 'train/image/batches.ts', value: 2, shows: 'losses' },
    epochs: {
      reader: 'train/run.ts',
      value: 2,
      beside: { max_train_steps: undefined },
      shows: 'plan',
    },
    max_train_steps: { reader: 'train/run.ts', value: 1, shows: 'losses' },
    seed: { reader: 'train/image/looks.ts', value: 7, shows: 'losses' },
    gradient_checkpointing: { reader: 'train/text/task.ts', value: true, shows: 'plan' },
    device: { reader: 'train/open-task.ts', value: 'cuda', shows: 'refused' },
    num_threads: { reader: 'train/open-task.ts', value: 2, shows: 'plan' },
    lora_rank: { reader: 'adapters/language-targets.ts', value: 3, shows: 'losses' },
    lora_alpha: { reader: 'adapters/language-targets.ts', value: 5, shows: 'losses' },
    conv_rank: { reader: 'adapters/stable-diffusion-targets.ts', value: 2, shows: 'losses' },
    conv_alpha: {
      reader: 'adapters/stable-diffusion-targets.ts',
      value: 7,
      beside: { conv_rank: 2 },
      shows: 'losses',
    },
    train_unet: {
      reader: 'adapters/stable-diffusion-targets.ts',
      value: false,
      beside: { train_text_encoder: true },
      shows: 'losses',
    },
    train_text_encoder: {
      reader: 'adapters/stable-diffusion-targets.ts',
      value: false,
      beside: { train_text_encoder: true },
      shows: 'losses',
    },
    target_modules: {
      reader: 'adapters/language-targets.ts',
      value: ['q_proj', 'v_proj'],
      shows: 'losses',
    },
    rank_pattern: { reader: 'adapters/language-targets.ts', value: { q_proj: 1 }, shows: 'losses' },
    alpha_pattern: {
      reader: 'adapters/language-targets.ts',
      value: { q_proj: 9 },
      shows: 'losses',
    },
    use_rslora: { reader: 'adapters/language-targets.ts', value: true, shows: 'losses' },
    lora_dropout: { reader: 'train/text/adapted-model.ts', value: 0.5, shows: 'losses' },
    learning_rate: { reader: 'train/text/adapted-model.ts', value: 3e-3, shows: 'losses' },
    unet_lr: { reader: 'train/image/groups.ts', value: 3e-3, shows: 'losses' },
    text_encoder_lr: {
      reader: 'train/image/groups.ts',
      value: 3e-3,
      beside: { train_text_encoder: true },
      shows: 'losses',
    },
    optimizer: { reader: 'train/optimiser.ts', value: 'sgd', shows: 'weights' },
    momentum: {
      reader: 'optim/sgd.ts',
      value: 0.5,
      beside: { optimizer: 'sgd', learning_rate: 0.1 },
      shows: 'weights',
    },
    betas: { reader: 'optim/adamw.ts', value: [0.5, 0.6], shows: 'weights' },
    weight_decay: { reader: 'optim/adamw.ts', value: 0.7, shows: 'weights' },
    eps: { reader: 'optim/adamw.ts', value: 0.1, shows: 'weights' },
    max_grad_norm: {
      reader: 'train/optimiser.ts',
      value: 1e-3,
      beside: { optimizer: 'sgd', learning_rate: 0.1 },
      shows: 'weights',
    },
    lr_scheduler: { reader: 'optim/schedule.ts', value: 'linear', shows: 'rates' },
    lr_warmup_steps: {
      reader: 'optim/schedule.ts',
      value: 2,
      beside: { lr_scheduler: 'linear' },
      shows: 'rates',
    },
    lr_num_cycles: {
      reader: 'optim/schedule.ts',
      value: 2,
      beside: { lr_scheduler: 'cosine_with_restarts' },
      shows: 'rates',
    },
    lr_power: {
      reader: 'optim/schedule.ts',
      value: 3,
      beside: { lr_scheduler: 'polynomial' },
      shows: 'rates',
    },
    noise_offset: { reader: 'train/image/noisy-batch.ts', value: 0.1, shows: 'losses' },
    min_snr_gamma: { reader: 'train/image/looks.ts', value: 5, shows: 'losses' },
    output_dir: { reader: 'train/run.ts', value: at('elsewhere'), shows: 'folder' },
    output_name: { reader: 'train/image/task.ts', value: 'neon', shows: 'files' },
    continue_from: { reader: 'train/starting-point.ts', value: at('no-run'), shows: 'refused' },
    continue_data: { reader: 'train/continued-data.ts', value: 'other', shows: 'refused' },
    save_steps: { reader: 'train/run.ts', value: 1, shows: 'files' },
    save_minutes: { reader: 'train/run.ts', value: 1e-6, shows: 'states' },
    backup_dir: { reader: 'train/run.ts', value: at('disk'), shows: 'saved' },
    save_precision: { reader: 'train/image/task.ts', value: 'float32', shows: 'weights' },
    tensorboard: { reader: 'train/records/record.ts', value: false, shows: 'files' },
    sample_prompts: { reader: 'train/image/sheet.ts', value: ['a cat'], shows: 'files' },
    sample_negative_prompt: {
      reader: 'train/image/sheet.ts',
      value: 'a hat',
      beside: { sample_prompts: ['a cat'] },
      shows: 'drawn',
    },
    sample_steps: {
      reader: 'train/image/sheet.ts',
      value: 3,
      beside: { sample_prompts: ['a cat'] },
      shows: 'drawn',
    },
    sample_cfg: {
      reader: 'train/image/sheet.ts',
      value: 2,
      beside: { sample_prompts: ['a cat'] },
      shows: 'drawn',
    },
    sample_seed: {
      reader: 'train/image/sheet.ts',
      value: 9,
      beside: { sample_prompts: ['a cat'], sample_temperature: 2 },
      shows: 'drawn',
    },
    sample_every: {
      reader: 'train/look-schedule.ts',
      value: 1,
      beside: { sample_prompts: ['a cat'] },
      shows: 'answers',
    },
    sample_max_tokens: {
      reader: 'train/text/answers.ts',
      value: 2,
      beside: { sample_prompts: ['a cat'] },
      shows: 'answers',
    },
    sample_temperature: {
      reader: 'train/text/answers.ts',
      value: 9,
      beside: { sample_prompts: ['a cat'] },
      shows: 'answers',
    },
    eval_path: { reader: 'train/text/answers.ts', value: at('questions.jsonl'), shows: 'files' },
    eval_general_path: {
      reader: 'train/text/answers.ts',
      value: at('general.jsonl'),
      beside: { eval_path: at('questions.jsonl') },
      shows: 'evaluation',
    },
    power_watts: { reader: 'train/accounted.ts', value: 111, shows: 'account' },
    price_per_kwh: { reader: 'train/accounted.ts', value: 0.3, shows: 'account' },
    currency: {
      reader: 'train/accounted.ts',
      value: 'EUR',
      beside: { price_per_kwh: 0.3 },
      shows: 'account',
    },
  };
}
