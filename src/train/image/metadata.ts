// What the LoRA file of a run says about it: kohya's `ss_` entries and the model metadata standard.

import { createHash } from 'node:crypto';
import { basename, dirname, resolve } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { legacyHashOfFile, sha256OfFile } from '../../adapter-files/hashes.ts';
import { modelspecMetadata, trainingMetadata, type TrainingFacts } from '../../export/metadata.ts';
import { pythonFloat } from '../../adapter-files/python-json.ts';
import { optimisers } from '../../optim/optimisers.ts';
import type { Description } from '../../optim/rule.ts';
import { warmupSteps } from '../../optim/schedule.ts';
import type { SavePoint } from '../task.ts';
import { bucketCounts } from './samples.ts';
import type { TrainingPicture } from './training-picture.ts';
import type { SizedConfig } from './sizes.ts';

/** The hashes by which other programs know the base model; a folder has none. */
export interface ModelHashes {
  readonly sd_model_hash?: string;
  readonly new_sd_model_hash?: string;
}

export function modelHashes({ layout, path }: StableDiffusionWeights): ModelHashes {
  if (layout === 'diffusers') return {};
  return { sd_model_hash: legacyHashOfFile(path), new_sd_model_hash: sha256OfFile(path) };
}

export interface MetadataSource {
  readonly config: SizedConfig;
  readonly pictures: readonly TrainingPicture[];
  readonly base: StableDiffusionWeights;
  readonly hashes: ModelHashes;
  /** Micro-batches in an epoch. */
  readonly batchesPerEpoch: number;
}

/** One for each run: sd-scripts draws one for each process. 32 bits. */
const sessionId = (id: string): number => createHash('sha256').update(id).digest().readUInt32BE();

/** The metadata of the adapter saved at a point of the run. */
export function imageMetadata(source: MetadataSource, at: SavePoint): Record<string, string> {
  const { config, base } = source;
  const now = new Date();
  return {
    ...trainingMetadata({
      ...trainerFacts(source, at),
      ...datasetFacts(source),
      training_finished_at: now.getTime() / 1000,
    }),
    ...modelspecMetadata({
      title: config.output_name,
      resolution: config.resolution,
      date: now,
      implementationVersion: `lora-scripts/${packageJson.version}`,
      predictionType: isV(base) ? 'v' : 'epsilon',
      ...(config.clip_skip > 1 && { encoderLayer: config.clip_skip }),
    }),
  };
}

const isV = ({ config }: StableDiffusionWeights): boolean =>
  config.scheduler.prediction_type === 'v_prediction';

function trainerFacts({ config, base, hashes, batchesPerEpoch }: MetadataSource, at: SavePoint) {
  return {
    session_id: sessionId(at.id),
    training_started_at: at.started.getTime() / 1000,
    output_name: config.output_name,
    learning_rate: config.learning_rate,
    unet_lr: config.train_unet ? config.unet_lr : null,
    text_encoder_lr: config.train_text_encoder ? config.text_encoder_lr : null,
    num_batches_per_epoch: batchesPerEpoch,
    num_epochs: at.epochs,
    gradient_accumulation_steps: config.gradient_accumulation_steps,
    max_train_steps: at.totalSteps,
    lr_warmup_steps: warmupSteps(at.totalSteps, config),
    lr_scheduler: config.lr_scheduler,
    network_dim: config.lora_rank,
    network_alpha: config.lora_alpha,
    ...(isV(base) && { base_model_version: 'sd_v1_v', v_parameterization: true }),
    zero_terminal_snr: base.config.scheduler.rescale_betas_zero_snr,
    clip_skip: config.clip_skip > 1 ? config.clip_skip : null,
    cache_latents: config.cache_latents,
    seed: config.seed,
    noise_offset: config.noise_offset > 0 ? config.noise_offset : null,
    min_snr_gamma: config.min_snr_gamma > 0 ? config.min_snr_gamma : null,
    optimizer: optimizerFact(optimisers[config.optimizer].describe(config)),
    max_grad_norm: config.max_grad_norm,
    ...(config.conv_rank > 0 && {
      network_args: { conv_dim: String(config.conv_rank), conv_alpha: String(config.conv_alpha) },
    }),
    sd_model_name: basename(base.path),
    ...hashes,
    steps: at.step,
    epoch: at.epoch,
  } satisfies Partial<TrainingFacts>;
}

/** Class and arguments, as sd-scripts writes `ss_optimizer`. */
function optimizerFact({ name, options }: Description): string {
  const spelled = (value: Description['options'][string]): string => {
    if (typeof value === 'number') return pythonFloat(value);
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    return `(${value.map(pythonFloat).join(', ')})`;
  };
  const list = Object.entries(options).map(([key, value]) => `${key}=${spelled(value)}`);
  return `${name}(${list.join(',')})`;
}

function datasetFacts({ config, pictures }: MetadataSource) {
  const { batch_size, gradient_accumulation_steps: accumulation } = config;
  return {
    num_train_images: pictures.reduce((sum, { repeats }) => sum + repeats, 0),
    batch_size_per_device: batch_size,
    total_batch_size: batch_size * accumulation,
    resolution: config.resolution.join(','),
    enable_bucket: config.enable_bucket,
    bucket_no_upscale: config.bucket_no_upscale,
    // As in sd-scripts, these are None or null without buckets.
    ...(config.enable_bucket && {
      min_bucket_reso: config.min_bucket_reso,
      max_bucket_reso: config.max_bucket_reso,
      bucket_info: bucketInfo(pictures),
    }),
    dataset_dirs: datasetDirs(config, pictures),
    tag_frequency: tagFrequency(config, pictures),
  };
}

/** The last part of a picture's folder: `10_cat`, or the data folder's own name. */
const folderOf = (config: SizedConfig, { name }: TrainingPicture): string =>
  basename(name.includes('/') ? dirname(name) : resolve(config.train_data_dir));

function datasetDirs(
  config: SizedConfig,
  pictures: readonly TrainingPicture[],
): ReadonlyMap<string, { n_repeats: number; img_count: number }> {
  const dirs = new Map<string, { n_repeats: number; img_count: number }>();
  for (const picture of pictures) {
    const folder = folderOf(config, picture);
    const { n_repeats, img_count } = dirs.get(folder) ?? {
      n_repeats: picture.repeats,
      img_count: 0,
    };
    dirs.set(folder, { n_repeats, img_count: img_count + 1 });
  }
  return dirs;
}

/** How often each tag (a part of a caption between commas) occurs, by folder. */
function tagFrequency(
  config: SizedConfig,
  pictures: readonly TrainingPicture[],
): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const byFolder = new Map<string, Map<string, number>>();
  for (const picture of pictures) {
    const folder = folderOf(config, picture);
    const tags = byFolder.get(folder) ?? new Map<string, number>();
    byFolder.set(folder, tags);
    const found = picture.caption.split(',').map((tag) => tag.trim().toLowerCase());
    for (const tag of found.filter((text) => text !== '')) tags.set(tag, (tags.get(tag) ?? 0) + 1);
  }
  return byFolder;
}

function bucketInfo(pictures: readonly TrainingPicture[]): object {
  const buckets = bucketCounts(pictures).map(
    ({ width, height, count }, i) => [i, { resolution: [width, height], count }] as const,
  );
  const errors = pictures.map(({ width, height, bucket }) =>
    Math.abs(bucket[0] / bucket[1] - width / height),
  );
  return {
    buckets: Object.fromEntries(buckets),
    mean_img_ar_error: errors.reduce((sum, error) => sum + error, 0) / errors.length,
  };
}
