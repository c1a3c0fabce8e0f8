// Which settings may change while a run goes on: a total table over the configuration's keys.

import type { LoadedConfig } from '../config/load.ts';
import { placeOf } from '../config/load.ts';
import { isOfTask } from '../config/load.ts';
import { configKeys, trainSchema, type ConfigKey, type TrainConfig } from '../config/schema.ts';
import { ConfigError, type Problem } from '../errors.ts';
import { own } from '../util/own.ts';

/**
 * - `free`: it takes effect from the step on at which the run goes on.
 * - `fixed`: with another value it would be another run.
 * - `content`: a path may be written otherwise; what lies there is compared.
 */
type Rule = 'free' | 'fixed' | 'content';

export const resumeRules: { readonly [K in ConfigKey]: Rule } = {
  task_type: 'fixed',
  base_model: 'content',
  use_ema: 'fixed',
  clip_skip: 'fixed',
  train_data_dir: 'content',
  metadata_path: 'content',
  caption_extension: 'content',
  resolution: 'fixed',
  enable_bucket: 'fixed',
  min_bucket_reso: 'fixed',
  max_bucket_reso: 'fixed',
  bucket_reso_steps: 'fixed',
  bucket_no_upscale: 'fixed',
  cache_latents: 'free',
  train_data: 'content',
  max_seq_length: 'fixed',
  excess_length: 'fixed',
  chat_template: 'fixed',
  template_date: 'fixed',
  train_on: 'fixed',
  packing: 'fixed',
  group_by_length: 'fixed',
  validation_data: 'content',
  validation_split: 'fixed',
  validation_steps: 'free',
  stop_when_overfit: 'free',
  batch_size: 'fixed',
  gradient_accumulation_steps: 'fixed',
  epochs: 'free',
  max_train_steps: 'free',
  continue_from: 'fixed',
  continue_data: 'fixed',
  seed: 'fixed',
  gradient_checkpointing: 'free',
  device: 'free',
  num_threads: 'free',
  lora_rank: 'fixed',
  lora_alpha: 'fixed',
  conv_rank: 'fixed',
  conv_alpha: 'fixed',
  train_unet: 'fixed',
  train_text_encoder: 'fixed',
  target_modules: 'fixed',
  rank_pattern: 'fixed',
  alpha_pattern: 'fixed',
  use_rslora: 'fixed',
  lora_dropout: 'fixed',
  learning_rate: 'free',
  unet_lr: 'free',
  text_encoder_lr: 'free',
  optimizer: 'fixed',
  betas: 'free',
  weight_decay: 'free',
  momentum: 'free',
  eps: 'free',
  max_grad_norm: 'free',
  lr_scheduler: 'free',
  lr_warmup_steps: 'free',
  lr_num_cycles: 'free',
  lr_power: 'free',
  noise_offset: 'fixed',
  min_snr_gamma: 'fixed',
  output_dir: 'content',
  output_name: 'free',
  save_steps: 'free',
  save_minutes: 'free',
  backup_dir: 'free',
  save_precision: 'free',
  tensorboard: 'free',
  sample_prompts: 'free',
  sample_negative_prompt: 'free',
  sample_steps: 'free',
  sample_cfg: 'free',
  sample_seed: 'free',
  sample_every: 'free',
  sample_max_tokens: 'free',
  sample_temperature: 'free',
  eval_path: 'free',
  eval_general_path: 'free',
  power_watts: 'free',
  price_per_kwh: 'free',
  currency: 'free',
};

/** A setting that has another value than before. */
export interface ChangedSetting {
  readonly key: ConfigKey;
  readonly from: unknown;
  readonly to: unknown;
}

/** Settings as they are recorded: those that mean something to the task. */
export const recordedSettings = (config: TrainConfig): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(config).filter(
      ([key, value]) => value !== undefined && isOfTask(key, config.task_type),
    ),
  );

/**
 * The free settings that differ from the recorded ones. Throws ConfigError that lists those that
 * differ and must not.
 */
export function changedSettings(
  before: Readonly<Record<string, unknown>>,
  job: LoadedConfig,
): ChangedSetting[] {
  const changed = differingSettings(before, job);
  const refused = changed.filter(({ key }) => resumeRules[key] === 'fixed');
  if (refused.length > 0)
    throw new ConfigError(refused.map((one) => refusal(one, placeOf(one.key, job.source))));
  return changed;
}

/**
 * The settings that differ from the recorded ones, without those that only follow from another, as
 * lora_alpha does from lora_rank where it is not written, and those without effect.
 */
export function differingSettings(
  before: Readonly<Record<string, unknown>>,
  { published, source }: Pick<LoadedConfig, 'published' | 'source'>,
): ChangedSetting[] {
  const now = recordedSettings(published);
  const all = configKeys.flatMap((key): ChangedSetting[] => {
    const [from, to] = [own(before, key), own(now, key)];
    return resumeRules[key] === 'content' || !isDifferent(from, to) ? [] : [{ key, from, to }];
  });
  const given = configKeys.filter((key) => source.given.has(key));
  const { data: unwritten } = trainSchema.safeParse(
    Object.fromEntries(given.map((key) => [key, own(before, key)])),
  );
  const follows = ({ key, from }: ChangedSetting) =>
    !source.given.has(key) && unwritten !== undefined && !isDifferent(from, unwritten[key]);
  const isIdle = ({ key }: ChangedSetting) =>
    key === 'epochs' && published.max_train_steps !== undefined;
  return all.filter((one) => !follows(one) && !isIdle(one));
}

export const isDifferent = (a: unknown, b: unknown): boolean =>
  JSON.stringify(a) !== JSON.stringify(b);

function refusal({ from, to }: ChangedSetting, where: string): Problem {
  const what = `is ${shownValue(to)}, but the interrupted run in output_dir was begun with ${shownValue(from)}, and cannot go on with another value`;
  const remedy = from === undefined ? 'Delete the line' : `Write ${shownValue(from)}`;
  const fix = `${remedy} to go on with that run; add --fresh to begin a new one (the other is kept in runs/).`;
  return { where, what, fix };
}

export const shownValue = (value: unknown): string =>
  value === undefined ? 'no value' : typeof value === 'string' ? value : JSON.stringify(value);
