// The configuration where the caller gives the batches: every key has its effect there too, or is
// refused.

import { parseConfig } from '../config/load.ts';
import type { ConfigKey, TrainConfig } from '../config/schema.ts';
import { configJsonSchema } from '../config/schema.ts';
import { ConfigError, SystemError, type Problem } from '../errors.ts';
import { trainingSteps, type StepResult } from './loop.ts';
import { unsoundStepError } from './unsound-step.ts';
import { Optimiser, type ParameterGroup } from './optimiser.ts';
import { planWarnings, requireRates } from './plan-check.ts';
import { largestOf } from '../runtime/room.ts';
import { cpuRuntime, openRuntime, type Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import { sizeInBytes } from '../tensor/weights.ts';
import { lossActivations } from './loss-program.ts';
import { trainedBytes } from './micro-batch.ts';
import { LossPrograms, type MainShape, type MicroBatch, type ProgramsOptions } from './programs.ts';

const noData = 'the caller gives the batches, so no data is read';
const ownSize = 'the caller decides how large each batch is, and which belong to one step';
const noFiles = 'no file is written: lora() returns the adapters';
const noAccount = 'no account is kept: the program knows what it runs on';
const noTrial = 'no samples or answers are generated';

/**
 * Why a key cannot have its effect on given batches; undefined where it has it. Of the keys that
 * are for one task (`forImages`, `forTexts`) the other refuses them anyway.
 */
export const refusedForBatches: { readonly [K in ConfigKey]: string | undefined } = {
  task_type: undefined,
  base_model: undefined,
  use_ema: undefined,
  clip_skip: undefined,
  train_data_dir: noData,
  metadata_path: noData,
  caption_extension: noData,
  resolution: noData,
  enable_bucket: noData,
  min_bucket_reso: noData,
  max_bucket_reso: noData,
  bucket_reso_steps: noData,
  bucket_no_upscale: noData,
  cache_latents: noData,
  train_data: noData,
  max_seq_length: noData,
  excess_length: noData,
  chat_template: noData,
  template_date: noData,
  train_on: noData,
  packing: noData,
  group_by_length: noData,
  validation_data: noData,
  validation_split: noData,
  validation_steps: noData,
  continue_from: 'the caller gives the first weights as `initial`',
  continue_data: noData,
  stop_when_overfit: noData,
  batch_size: ownSize,
  gradient_accumulation_steps: ownSize,
  epochs: 'max_train_steps decides how long the run is',
  max_train_steps: undefined,
  seed: undefined,
  gradient_checkpointing: undefined,
  device: undefined,
  num_threads: undefined,
  lora_rank: undefined,
  lora_alpha: undefined,
  conv_rank: undefined,
  conv_alpha: undefined,
  train_unet: undefined,
  train_text_encoder: undefined,
  target_modules: undefined,
  rank_pattern: undefined,
  alpha_pattern: undefined,
  use_rslora: undefined,
  lora_dropout: 'given batches are trained without dropout: nothing is left to chance',
  learning_rate: undefined,
  unet_lr: undefined,
  text_encoder_lr: undefined,
  optimizer: undefined,
  betas: undefined,
  weight_decay: undefined,
  momentum: undefined,
  eps: undefined,
  max_grad_norm: undefined,
  lr_scheduler: undefined,
  lr_warmup_steps: undefined,
  lr_num_cycles: undefined,
  lr_power: undefined,
  noise_offset: 'the caller gives the noise',
  min_snr_gamma: undefined,
  output_dir: noFiles,
  output_name: noFiles,
  save_steps: noFiles,
  save_minutes: noFiles,
  backup_dir: noFiles,
  save_precision: noFiles,
  tensorboard: noFiles,
  sample_prompts: noTrial,
  sample_negative_prompt: noTrial,
  sample_steps: noTrial,
  sample_cfg: noTrial,
  sample_seed: noTrial,
  sample_every: noTrial,
  sample_max_tokens: noTrial,
  sample_temperature: noTrial,
  eval_path: noTrial,
  eval_general_path: noTrial,
  power_watts: noAccount,
  price_per_kwh: noAccount,
  currency: noAccount,
};

export interface GivenSettings {
  readonly config: TrainConfig;
  readonly totalSteps: number;
  /** Keys without effect in a run of these groups, and what runs otherwise than it was written. */
  warningsFor(groups: readonly ParameterGroup[]): readonly Problem[];
}

/**
 * The configuration of `task` that a program gives with its batches. Throws ConfigError, also for
 * every key that has no effect there, unless it says what is so anyway.
 */
export function givenSettings(
  task: TrainConfig['task_type'],
  settings: Readonly<Record<string, unknown>>,
): GivenSettings {
  // No data is read and no file written; the two keys only have to be there.
  const needed = { train_data_dir: '.', output_dir: 'output' };
  const { config, source, warnings } = parseConfig({ task_type: task, ...needed, ...settings });
  const isNeeded = (key: string) => Object.hasOwn(needed, key) && settings[key] === undefined;
  const keys = [...source.given].filter((key) => !isNeeded(key)) as ConfigKey[]; // parsed: ours
  const problems = keys.flatMap((key) => refusal(key, config, task));
  const totalSteps = config.max_train_steps;
  if (totalSteps === undefined)
    problems.push({ where: 'max_train_steps', what: 'is missing; it decides how long the run is' });
  if (problems.length > 0 || totalSteps === undefined) throw new ConfigError(problems);
  return {
    config,
    totalSteps,
    warningsFor(groups) {
      const facts = { totalSteps, groups };
      requireRates({ config, source }, facts);
      return [...warnings, ...planWarnings({ config, source }, facts)];
    },
  };
}

function refusal(key: ConfigKey, config: TrainConfig, task: TrainConfig['task_type']): Problem[] {
  const problem = (what: string): Problem[] => [{ where: key, what, fix: 'Leave it out.' }];
  const { task: only = task } = configJsonSchema.properties[key];
  if (key === 'task_type')
    return config.task_type === task ? [] : problem(`these batches are for task_type: ${task}`);
  if (only !== task)
    return problem(`is a key of task_type: ${only}; these batches are for ${task}`);
  const why = refusedForBatches[key];
  return why === undefined || isOff(config[key]) ? [] : problem(`has no effect here: ${why}`);
}

/** 0, false or nothing: what is so anyway. */
const isOff = (value: unknown): boolean =>
  value === 0 || value === false || value === '' || (Array.isArray(value) && value.length === 0);

export interface GivenRun {
  readonly settings: GivenSettings;
  readonly groups: readonly ParameterGroup[];
  readonly batchesAt: (step: number) => readonly MicroBatch[];
  readonly model: Pick<ProgramsOptions, 'lossGraph' | 'trainable' | 'weights' | 'segmentOf'>;
  /** The shape of the batches of the first step whose programs may spend memory on speed. */
  readonly mainShape?: (runtime: Runtime, first: readonly MicroBatch[]) => MainShape | undefined;
  /** Default: `openRuntime`. */
  readonly open?: OpenRuntime;
}

export type OpenRuntime = (options: RuntimeOptions) => Promise<Runtime>;

/** The steps of a training on given batches, whatever is trained. */
export async function* givenSteps(run: GivenRun): AsyncGenerator<StepResult> {
  const first = run.batchesAt(0);
  const runtime = await runtimeFor(run, first);
  try {
    const main = run.mainShape?.(runtime, first);
    const programs = new LossPrograms({ ...run.model, runtime, main });
    try {
      const batchesAt = (step: number) => (step === 0 ? first : run.batchesAt(step));
      yield* stepsWith(programs, { ...run, batchesAt });
    } finally {
      await programs.release();
    }
  } finally {
    await runtime.release();
  }
}

/**
 * The processor where `auto` took a card that has no room for the first step. Throws SystemError
 * where the card was asked for.
 */
async function runtimeFor(run: GivenRun, first: readonly MicroBatch[]): Promise<Runtime> {
  const { device, num_threads: threads } = run.settings.config;
  const runtime = await (run.open ?? openRuntime)({ device, threads });
  let what: string | undefined;
  try {
    what = lackingFor(run, first, runtime);
    if (what === undefined) return runtime;
  } catch (error) {
    await runtime.release();
    throw error;
  }
  await runtime.release();
  if (device === 'auto') return cpuRuntime(threads, what);
  const fix = 'Give smaller batches, or take device: cpu.';
  throw new SystemError([{ where: 'device', what, fix }]);
}

/** Why there is no room for these batches; undefined where there is. */
function lackingFor(
  { model: { lossGraph, trainable, weights, segmentOf }, groups }: GivenRun,
  batches: readonly MicroBatch[],
  runtime: Runtime,
): string | undefined {
  const graphs = [...new Set(batches.map(({ shapeKey }) => shapeKey))].map(lossGraph);
  const activations = largestOf(
    graphs.map((graph) => lossActivations(runtime, graph, trainable, weights, segmentOf)),
  );
  const held = runtime.weightBytes(graphs[0], weights);
  return runtime.room({
    activations,
    working: activations.taken + held,
    frozen: sizeInBytes(weights),
    own: trainedBytes(groups),
  }).lacking;
}

const stepsWith = (
  programs: LossPrograms,
  { settings: { config, totalSteps }, groups, batchesAt }: GivenRun,
): AsyncGenerator<StepResult> =>
  trainingSteps({
    optimiser: new Optimiser(groups, { ...config, totalSteps }),
    batchesAt,
    lossOf: (batch, parameters) => programs.run(batch, parameters),
    unsound: (found) =>
      unsoundStepError(found, { ...programs.options, learningRate: config.learning_rate }),
  });
