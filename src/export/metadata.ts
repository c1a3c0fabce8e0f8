// The metadata of a LoRA file, with the keys and spellings of kohya's sd-scripts (v0.10.1), which
// other programs read.

import { pythonFloat, pythonJson } from '../adapter-files/python-json.ts';

/** How a value becomes text: as Python's str() writes it, or as JSON. */
type Spelling = 'int' | 'float' | 'bool' | 'text' | 'json';

/**
 * Every `ss_` key (without the prefix): its spelling, and its value where our trainer has no such
 * option.
 */
const keys = {
  session_id: ['int'],
  training_started_at: ['float'],
  output_name: ['text'],
  learning_rate: ['float'],
  text_encoder_lr: ['float', null],
  unet_lr: ['float', null],
  num_train_images: ['int'],
  num_validation_images: ['int', 0],
  num_reg_images: ['int', 0],
  num_batches_per_epoch: ['int'],
  num_epochs: ['int'],
  gradient_checkpointing: ['bool', false],
  gradient_accumulation_steps: ['int', 1],
  max_train_steps: ['int'],
  lr_warmup_steps: ['int', 0],
  lr_scheduler: ['text', 'constant'],
  network_module: ['text', 'networks.lora'],
  network_dim: ['int'],
  network_alpha: ['float'],
  network_dropout: ['float', null],
  mixed_precision: ['text', 'no'],
  full_fp16: ['bool', false],
  v2: ['bool', false], // the architecture of Stable Diffusion 2, whatever it predicts
  base_model_version: ['text', 'sd_v1'],
  clip_skip: ['int', null],
  max_token_length: ['int', null],
  cache_latents: ['bool', false],
  seed: ['int', null],
  lowram: ['bool', false],
  noise_offset: ['float', null],
  multires_noise_iterations: ['int', null],
  multires_noise_discount: ['float', 0.3],
  adaptive_noise_scale: ['float', null],
  zero_terminal_snr: ['bool', false],
  training_comment: ['text', null],
  sd_scripts_commit_hash: ['text', '(unknown)'],
  optimizer: ['text'],
  max_grad_norm: ['float', 1],
  caption_dropout_rate: ['float', 0],
  caption_dropout_every_n_epochs: ['int', 0],
  caption_tag_dropout_rate: ['float', 0],
  face_crop_aug_range: ['text', null],
  prior_loss_weight: ['float', 1],
  min_snr_gamma: ['float', null],
  scale_weight_norms: ['float', null],
  ip_noise_gamma: ['float', null],
  debiased_estimation: ['bool', false],
  noise_offset_random_strength: ['bool', false],
  ip_noise_gamma_random_strength: ['bool', false],
  loss_type: ['text', 'l2'],
  huber_schedule: ['text', 'snr'],
  huber_scale: ['float', 1],
  huber_c: ['float', 0.1],
  fp8_base: ['bool', false],
  fp8_base_unet: ['bool', false],
  validation_seed: ['int', null],
  validation_split: ['float', 0],
  max_validation_steps: ['int', null],
  validate_every_n_epochs: ['int', null],
  validate_every_n_steps: ['int', null],
  resize_interpolation: ['text', null],
  batch_size_per_device: ['int'],
  total_batch_size: ['int'],
  resolution: ['text'],
  color_aug: ['bool', false],
  flip_aug: ['bool', false],
  random_crop: ['bool', false],
  shuffle_caption: ['bool', false],
  enable_bucket: ['bool', false],
  bucket_no_upscale: ['bool', false],
  min_bucket_reso: ['int', null],
  max_bucket_reso: ['int', null],
  keep_tokens: ['int', 0],
  dataset_dirs: ['json'],
  reg_dataset_dirs: ['json', {}],
  tag_frequency: ['json', {}],
  bucket_info: ['json', null],
  network_args: ['json', undefined],
  sd_model_name: ['text', undefined],
  sd_model_hash: ['text', undefined],
  new_sd_model_hash: ['text', undefined],
  vae_name: ['text', undefined],
  vae_hash: ['text', undefined],
  new_vae_hash: ['text', undefined],
  v_parameterization: ['bool', undefined], // not of sd-scripts; other programs look for it
  training_finished_at: ['float', undefined],
  steps: ['int', undefined],
  epoch: ['int', undefined],
} as const satisfies Record<string, readonly [Spelling] | readonly [Spelling, unknown]>;

interface Types {
  int: number;
  float: number;
  bool: boolean;
  text: string;
  json: object;
}

type Keys = typeof keys;
type Required = { [K in keyof Keys]: Keys[K]['length'] extends 1 ? K : never }[keyof Keys];

/**
 * What a run must say about itself; everything else has the value that "not used" has in
 * sd-scripts.
 */
export type TrainingFacts = { readonly [K in Required]: Types[Keys[K][0]] } & {
  readonly [K in Exclude<keyof Keys, Required>]?: Types[Keys[K][0]] | null;
};

/**
 * All `ss_` entries of a run. `learning_rate` and the like are numbers, times are seconds since
 * 1970.
 */
export function trainingMetadata(facts: TrainingFacts): Record<string, string> {
  // The facts' keys are the table's keys; a general lookup cannot be typed key by key.
  const given = facts as Readonly<Record<string, unknown>>;
  const entries = Object.entries(keys).flatMap(([key, [spelling, absent]]) => {
    const value = given[key] === undefined ? absent : given[key];
    return value === undefined ? [] : [[`ss_${key}`, spell(value, spelling)]];
  });
  return Object.fromEntries(entries);
}

function spell(value: unknown, spelling: Spelling): string {
  if (spelling === 'json') return pythonJson(value);
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'number' && spelling === 'float' ? pythonFloat(value) : String(value);
}

export interface ModelSpec {
  readonly title: string;
  /** Width and height in pixels. */
  readonly resolution: readonly [number, number];
  readonly date: Date;
  /** Our name and version. */
  readonly implementationVersion: string;
  readonly predictionType?: 'epsilon' | 'v';
  readonly encoderLayer?: number;
  readonly author?: string;
  readonly description?: string;
  readonly license?: string;
  readonly tags?: string;
  readonly triggerPhrase?: string;
}

/**
 * The `modelspec.` entries of a Stable Diffusion 1.x LoRA (Stability AI's model metadata standard,
 * 1.0.1).
 */
export function modelspecMetadata(spec: ModelSpec): Record<string, string> {
  const entries: readonly (readonly [string, string | undefined])[] = [
    ['sai_model_spec', '1.0.1'],
    ['architecture', 'stable-diffusion-v1/lora'],
    ['implementation', 'diffusers'],
    ['implementation_version', spec.implementationVersion],
    ['title', spec.title],
    ['resolution', spec.resolution.join('x')],
    ['date', spec.date.toISOString().slice(0, 19)],
    ['prediction_type', spec.predictionType ?? 'epsilon'],
    ['encoder_layer', spec.encoderLayer?.toString()],
    ['author', spec.author],
    ['description', spec.description],
    ['license', spec.license],
    ['tags', spec.tags],
    ['trigger_phrase', spec.triggerPhrase],
  ];
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (value === undefined ? [] : [[`modelspec.${key}`, value]])),
  );
}
