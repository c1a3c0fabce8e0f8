// The keys with which other trainers go on with a run, or from an adapter, and keep what was saved:
// kohya's scripts and their forms, OneTrainer, ai-toolkit, diffusion-pipe, SimpleTuner, diffusers,
// transformers, axolotl, LLaMA-Factory, unsloth, mlx-lm.

import type { ConfigKey } from './schema.ts';

/** Turns a key into what the user types: a flag, or itself. */
type Shown = (key: ConfigKey) => string;

/** What such a key asks for. */
export type GoingOnKind =
  | 'weights'
  | 'run'
  | 'position'
  | 'state'
  | 'kept'
  | 'anew'
  | 'always'
  | 'reset'
  | 'merged'
  | 'best'
  | 'early';

const kinds: Readonly<Record<GoingOnKind, readonly string[]>> = {
  weights: [
    ...['network_weights', 'lora_network_weights', 'network_weight', 'lora_model_for_resume'],
    ...['pretrained_lora_path', 'init_from_existing', 'init_lora', 'lora_model_name', 'lora_path'],
    ...['lora_model_dir', 'adapter_name_or_path', 'resume_adapter_file', 'checkpoint_dir'],
    ...['existing_lora', 'lora_weights', 'lora_init_path', 'pretrained_lora', 'resume_lora_path'],
    ...['from_weights', 'init_adapter', 'adapter_checkpoint', 'lora_ckpt', 'peft_model_id'],
  ],
  run: [
    ...['resume', 'resume_from', 'resume_path', 'resume_state', 'resume_training', 'resume_run'],
    ...['resume_from_checkpoint', 'auto_resume_from_checkpoints', 'auto_resume', 'autoresume'],
    ...['resume_from_huggingface', 'continue_last_backup', 'resume_lora_training', 'load_state'],
    ...[
      'resume_checkpoint',
      'resume_from_last',
      'continue_training',
      'resume_from_last_checkpoint',
    ],
  ],
  position: [
    ...['initial_step', 'initial_epoch', 'start_step', 'start_epoch', 'starting_epoch'],
    ...['init_lora_step', 'global_step', 'resume_step', 'initial_global_step', 'current_epoch'],
  ],
  always: [
    ...['skip_until_initial_step', 'ignore_data_skip', 'skip_first_batches', 'load_optimizer'],
    ...['restore_callback_states_from_checkpoint', 'load_scheduler'],
    ...['dim_from_weights', 'lora_network_dim_from_weights'],
  ],
  reset: [
    ...['reset_optimizer_params', 'reset_optimizer', 'reset_dataloader', 'resume_only_model'],
    ...['reset_scheduler', 'reset_lr_scheduler'],
  ],
  state: [
    ...[
      'save_state',
      'save_state_on_train_end',
      'save_state_to_huggingface',
      'save_training_state',
    ],
    ...['save_every_n_epochs_state', 'save_every_n_steps_state', 'save_only_model'],
    ...['checkpoint_every_n_epochs', 'backup_after', 'backup_after_unit', 'backup_before_save'],
  ],
  kept: [
    ...['save_total_limit', 'checkpoints_total_limit', 'max_step_saves_to_keep'],
    ...['save_last_n_steps', 'save_last_n_epochs', 'save_last_n_steps_state'],
    ...['save_last_n_epochs_state', 'rolling_backup', 'rolling_backup_count', 'keep_checkpoints'],
    ...['keep_last_n_checkpoints', 'max_checkpoints', 'keep_only_last_n_checkpoints'],
  ],
  anew: [
    'overwrite_output_dir',
    'overwrite',
    'override_output_dir',
    'force_restart',
    'from_scratch',
  ],
  merged: ['base_weights', 'base_weights_multiplier'],
  best: ['load_best_model_at_end', 'save_best', 'save_best_only'],
  early: [
    'early_stopping_patience',
    'early_stopping_steps',
    'early_stopping',
    'early_stopping_threshold',
  ],
};

const kindOf: ReadonlyMap<string, GoingOnKind> = new Map(
  // Object.entries only promises strings
  (Object.entries(kinds) as [GoingOnKind, readonly string[]][]).flatMap(([kind, keys]) =>
    keys.map((key) => [key, kind] as const),
  ),
);

export const keysOfKind = (kind: GoingOnKind): readonly string[] => kinds[kind];

/** What is done here in place of it. */
const remedies: Readonly<Record<GoingOnKind, (shown: Shown) => string>> = {
  weights: (shown) =>
    `Here it is called ${shown('continue_from')}: it begins a new run with the weights of that adapter.`,
  run: (shown) =>
    `Leave it out: the same command goes on with an interrupted run of output_dir; --resume RUN names another run. A new run that begins with the weights of an adapter: ${shown('continue_from')}.`,
  position: (shown) =>
    `Leave it out: a run that goes on knows its step and its place in the data. A new run that begins with the weights of an adapter, ${shown('continue_from')}, counts from 0.`,
  always: (shown) =>
    `Leave it out: a run that goes on keeps its place in the data, its optimiser and its schedule, and one that begins with ${shown('continue_from')} the ranks of that adapter.`,
  reset: (shown) =>
    `A run that goes on keeps its optimiser, its schedule and its place in the data; ${shown('continue_from')} begins a new run with the weights alone.`,
  state: (shown) =>
    `Leave it out: the state is saved by itself, with each adapter and at least every ${shown('save_minutes')}; the two newest are kept.`,
  kept: () =>
    'Leave it out: every adapter is kept, and the two newest states; lora runs prune RUN --keep N removes adapters, never the best.',
  anew: () =>
    'Leave it out: --fresh begins a new run in the same folder; the earlier one is kept in its runs/.',
  merged: () =>
    'Merge the adapter into the base model first: lora merge ADAPTER --base MODEL --output MERGED.',
  best: (shown) =>
    `Leave it out: with ${shown('validation_split')} the best adapter is saved and named at the end; lora runs rollback RUN@best makes it the result.`,
  early: (shown) => `Set ${shown('stop_when_overfit')} to true, and ${shown('validation_split')}.`,
};

/** What to do about such a key; undefined for any other. */
export function goingOnRemedy(key: string, shown: Shown): string | undefined {
  const kind = kindOf.get(key);
  return kind === undefined ? undefined : remedies[kind](shown);
}
