// Which key was meant: by the aliases of other trainers, or the nearest of ours.
import { goingOnRemedy } from './going-on-keys.ts';
import { suggest } from '../util/suggest.ts';
import { configKeys, type ConfigKey } from './schema.ts';

/**
 * Keys of kohya's trainer, lora-scripts' forms and diffusers' script -> the key that does the same
 * here.
 */
const aliases: Readonly<Record<string, ConfigKey>> = {
  pretrained_model_name_or_path: 'base_model',
  pretrained_model: 'base_model',
  model: 'base_model',
  model_path: 'base_model',
  network_dim: 'lora_rank',
  rank: 'lora_rank',
  lora_r: 'lora_rank',
  r: 'lora_rank',
  network_alpha: 'lora_alpha',
  alpha: 'lora_alpha',
  conv_dim: 'conv_rank',
  lr: 'learning_rate',
  lr_restart_cycles: 'lr_num_cycles',
  lr_scheduler_num_cycles: 'lr_num_cycles',
  lr_scheduler_power: 'lr_power',
  optimizer_type: 'optimizer',
  train_batch_size: 'batch_size',
  max_train_epochs: 'epochs',
  max_train_epoches: 'epochs',
  num_train_epochs: 'epochs',
  num_epochs: 'epochs',
  max_steps: 'max_train_steps',
  num_train_steps: 'max_train_steps',
  total_steps: 'max_train_steps',
  iters: 'max_train_steps',
  steps: 'max_train_steps',
  epoch: 'epochs',
  checkpoint_every_n_minutes: 'save_minutes',
  save_every: 'save_steps',
  checkpoint_step_interval: 'save_steps',
  force_constant_lr: 'learning_rate',
  save_every_n_steps: 'save_steps',
  checkpointing_steps: 'save_steps',
  sample_every_n_steps: 'sample_every',
  validate_every_n_steps: 'validation_steps',
  image_dir: 'train_data_dir',
  data_dir: 'train_data_dir',
  metadata_file: 'metadata_path',
  in_json: 'metadata_path',
  positive_prompts: 'sample_prompts',
  negative_prompts: 'sample_negative_prompt',
  caption_extention: 'caption_extension',
  max_token_length: 'max_seq_length',
  adam_epsilon: 'eps',
  adam_weight_decay: 'weight_decay',
};

/** Keys of others that say the opposite of ours. */
const opposites: Readonly<Record<string, ConfigKey>> = {
  network_train_unet_only: 'train_text_encoder',
  train_unet_only: 'train_text_encoder',
  network_train_text_encoder_only: 'train_unet',
};

/** Keys of others for what is always so here, or does not exist here. */
const unneeded: ReadonlySet<string> = new Set([
  'mixed_precision',
  'full_fp16',
  'full_bf16',
  'xformers',
  'sdpa',
  'mem_eff_attn',
  'lowram',
  'network_module',
  'network_args',
  'cache_latents_to_disk',
  'persistent_data_loader_workers',
  'max_data_loader_n_workers',
  'save_model_as',
  'logging_dir',
  'log_with',
  'log_prefix',
  'prior_loss_weight',
  'v2',
  'v_parameterization',
  'reg_data_dir',
  'keep_tokens',
  'shuffle_caption',
  'gpu_ids',
  'model_train_type',
]);

/** Turns a key into what the user types: a flag, or itself. */
type Shown = (key: ConfigKey) => string;

const asKey: Shown = (key) => key;

/** The remedy for a key that does not exist. */
export function suggestKey(unknownKey: string): string {
  const plain = plainKey(unknownKey);
  const remedy = otherTrainersKey(plain, asKey);
  if (remedy !== undefined) return remedy;
  if (unneeded.has(plain)) return 'There is no such setting in lora-scripts: delete the line.';
  const nearest = suggest(plain, configKeys);
  return nearest === undefined ? 'All keys are in docs/config.md.' : `Did you mean ${nearest}?`;
}

const plainKey = (key: string): string => key.toLowerCase().replaceAll('-', '_');

/** What does the same here as a key of another trainer; undefined where it is not known. */
export function otherTrainersKey(key: string, shown: Shown): string | undefined {
  const plain = plainKey(key);
  // hasOwn: a key may be called constructor
  if (Object.hasOwn(aliases, plain)) return `Here it is called ${shown(aliases[plain])}.`;
  if (Object.hasOwn(opposites, plain)) return `Set ${shown(opposites[plain])} to false instead.`;
  if (plain === 'save_every_n_epochs')
    return `Use ${shown('save_steps')}, which counts steps, not epochs.`;
  return goingOnRemedy(plain, shown);
}
