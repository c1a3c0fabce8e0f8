// One look at the whole plan before the first step: a run that would change nothing is refused, and
// each key that has no effect in it is reported. Pure functions of configuration and plan.

import { isOfTask, placeOf, type LoadedConfig } from '../config/load.ts';
import {
  configJsonSchema,
  trainSchema,
  type ConfigKey,
  type TrainConfig,
} from '../config/schema.ts';
import { ConfigError, type Problem } from '../errors.ts';
import { optimisers } from '../optim/optimisers.ts';
import type { OptimiserRule } from '../optim/rule.ts';
import { learningRateFactor } from '../optim/schedule.ts';
import { problemsByKind, type FoundProblem } from '../util/problems-by-kind.ts';
import type { ParameterGroup } from './optimiser.ts';

/** What of a plan decides whether a key has an effect. */
export interface PlanFacts {
  readonly totalSteps: number;
  /** Absent where batches are given. */
  readonly stepsPerEpoch?: number;
  readonly groups: readonly Pick<ParameterGroup, 'name' | 'learningRate'>[];
  /** What data and model say: a key without effect -> why. */
  readonly idle?: Partial<Record<ConfigKey, string>>;
}

/** Throws ConfigError where no weight has a learning rate above 0 in any step. */
export function requireRates({ config, source }: PlanJob, { totalSteps, groups }: PlanFacts): void {
  const moves = (rate: number) =>
    rate > 0 &&
    lookedAt(totalSteps).some((step) => learningRateFactor(step, totalSteps, config) > 0);
  if (groups.some(({ learningRate }) => moves(learningRate))) return;
  const steps = totalSteps === 1 ? '1 step' : `${totalSteps} steps`;
  throw new ConfigError([
    {
      where: placeOf('lr_warmup_steps', source),
      what: `nothing would be trained: in this run of ${steps} the learning rate is 0 in each, because the warm-up starts at 0`,
      fix: 'Set lr_warmup_steps: 0, or train for more steps.',
    },
  ]);
}

type PlanJob = Pick<LoadedConfig, 'config' | 'source'>;

/** A warning for each key that was given and has no effect in this run, or another than it says. */
export function planWarnings({ config, source }: PlanJob, facts: PlanFacts): Problem[] {
  // config and schema have the same keys
  const keys = [...source.given] as ConfigKey[];
  const given = keys.filter((key) => isChanged(key, keys, config));
  const idle = given.flatMap((key): FoundProblem[] => {
    const why = whyIdle(key, config, facts);
    if (why === undefined) return [];
    const [what, plural] = [`has no effect: ${why}`, `have no effect: ${why}`];
    return [{ where: placeOf(key, source), what, plural }];
  });
  return [
    ...problemsByKind(idle),
    ...longWarmup({ config, source }, facts),
    ...partOfEpoch({ config, source }, facts),
  ];
}

/** Keys of the other task were reported when the configuration was read. */
const whyIdle = (key: ConfigKey, config: TrainConfig, facts: PlanFacts): string | undefined =>
  isOfTask(key, config.task_type)
    ? (facts.idle?.[key] ??
      idleRules[key]?.(config, facts) ??
      unreadByOptimiser(key, config) ??
      sameRates(key, config, facts))
    : undefined;

/**
 * Whether a key has another value than it would have unwritten beside the others that are given: a
 * run's own config.yaml has every key, and none of them is needless.
 */
function isChanged(key: ConfigKey, given: readonly ConfigKey[], config: TrainConfig): boolean {
  if (config[key] === undefined) return false;
  const others = given.filter((other) => other !== key).map((other) => [other, config[other]]);
  const { data: unwritten } = trainSchema.safeParse(Object.fromEntries(others));
  return JSON.stringify(config[key]) !== JSON.stringify(unwritten?.[key]);
}

/** Why a key has no effect, if it has none. */
type IdleRule = (config: TrainConfig, facts: PlanFacts) => string | undefined;

const when =
  (isIdle: (config: TrainConfig, facts: PlanFacts) => boolean, why: string): IdleRule =>
  (config, facts) =>
    isIdle(config, facts) ? why : undefined;
const either =
  (...rules: readonly IdleRule[]): IdleRule =>
  (config, facts) =>
    rules.map((rule) => rule(config, facts)).find((why) => why !== undefined);
/** A key that says after how many steps something happens. */
const steps =
  (key: 'save_steps' | 'validation_steps' | 'sample_every', why: string): IdleRule =>
  (config, { totalSteps }) =>
    config[key] > totalSteps ? `the run ends after ${amount(totalSteps)}; ${why}` : undefined;

const amount = (count: number): string => `${count} ${count === 1 ? 'step' : 'steps'}`;

const noPrompts = when(
  ({ sample_prompts }) => sample_prompts.length === 0,
  'there are no sample_prompts',
);
const noBuckets = when(({ enable_bucket }) => !enable_bucket, 'enable_bucket is false');
const noLimits = either(
  noBuckets,
  when(
    ({ bucket_no_upscale }) => bucket_no_upscale,
    'with bucket_no_upscale the buckets are made to fit the pictures',
  ),
);
/** A setting that one schedule alone reads. */
const onlyOf = (scheduler: TrainConfig['lr_scheduler']): IdleRule =>
  when(({ lr_scheduler }) => lr_scheduler !== scheduler, `only lr_scheduler: ${scheduler} uses it`);
const frozenUnet = when(({ train_unet }) => !train_unet, 'the UNet is not trained');
const idleRules: { readonly [K in ConfigKey]?: IdleRule } = {
  currency: when(({ price_per_kwh }) => price_per_kwh === undefined, 'there is no price_per_kwh'),
  epochs: when(
    ({ max_train_steps }) => max_train_steps !== undefined,
    'max_train_steps decides how long the run is',
  ),
  continue_data: when(
    ({ continue_from }) => continue_from === undefined,
    'there is no continue_from',
  ),
  caption_extension: when(
    ({ metadata_path }) => metadata_path !== undefined,
    'the captions are in metadata_path',
  ),
  min_bucket_reso: noLimits,
  max_bucket_reso: noLimits,
  bucket_reso_steps: noBuckets,
  bucket_no_upscale: noBuckets,
  conv_rank: frozenUnet,
  conv_alpha: when(({ conv_rank }) => conv_rank === 0, 'conv_rank is 0'),
  unet_lr: when(({ train_unet, unet_lr }) => !train_unet && unet_lr > 0, 'the UNet is not trained'),
  learning_rate: when(
    ({ task_type, learning_rate, ...config }) =>
      task_type === 'image' &&
      learning_rate > 0 &&
      !(config.train_unet && config.unet_lr === learning_rate) &&
      !(config.train_text_encoder && config.text_encoder_lr === learning_rate),
    'unet_lr and text_encoder_lr are the learning rates of all that is trained',
  ),
  text_encoder_lr: when(
    ({ train_text_encoder, text_encoder_lr }) => !train_text_encoder && text_encoder_lr > 0,
    'the text encoder is not trained',
  ),
  lr_num_cycles: onlyOf('cosine_with_restarts'),
  lr_power: onlyOf('polynomial'),
  group_by_length: either(
    when(({ packing }) => packing, 'packing fills the rows'),
    when(({ batch_size }) => batch_size === 1, 'a batch has one row (batch_size: 1)'),
  ),
  save_steps: steps('save_steps', 'the adapter is saved at that point anyway'),
  validation_steps: steps(
    'validation_steps',
    'the model is validated before the first step and at that point anyway',
  ),
  sample_every: either(
    noPrompts,
    steps('sample_every', 'the prompts are answered at that point anyway'),
  ),
  sample_negative_prompt: either(
    noPrompts,
    when(({ sample_cfg }) => sample_cfg === 1, 'sample_cfg: 1 follows the prompt alone'),
  ),
  sample_steps: noPrompts,
  sample_cfg: noPrompts,
  sample_seed: either(
    noPrompts,
    when(
      ({ task_type, sample_temperature }) =>
        task_type === 'text-generation' && sample_temperature === 0,
      'at sample_temperature: 0 the most probable token is always chosen, and nothing is random',
    ),
  ),
  sample_max_tokens: noPrompts,
  sample_temperature: noPrompts,
  eval_general_path: when(({ eval_path }) => eval_path === undefined, 'there is no eval_path'),
};

/** A setting of another optimiser. */
function unreadByOptimiser(key: ConfigKey, { optimizer }: TrainConfig): string | undefined {
  const isRead = ({ settings }: OptimiserRule) => settings.some((one) => one === key);
  return Object.values(optimisers).some(isRead) && !isRead(optimisers[optimizer])
    ? `optimizer: ${optimizer} has no such setting`
    : undefined;
}

const scheduleKeys: ReadonlySet<string> = new Set([
  'lr_scheduler',
  'lr_warmup_steps',
  'lr_num_cycles',
  'lr_power',
]);

/** A key of the schedule without which every step would have the same rate. */
function sameRates(key: ConfigKey, config: TrainConfig, { totalSteps }: PlanFacts) {
  if (!scheduleKeys.has(key)) return undefined;
  const other: TrainConfig = { ...config, [key]: configJsonSchema.properties[key].default };
  const isSame = lookedAt(totalSteps).every(
    (step) =>
      learningRateFactor(step, totalSteps, config) === learningRateFactor(step, totalSteps, other),
  );
  if (!isSame) return undefined;
  if (key === 'lr_warmup_steps' && config.lr_scheduler === 'constant')
    return 'lr_scheduler: constant starts at the full rate; constant_with_warmup rises to it';
  const without = `${key}: ${String(other[key])}`;
  return `in this run of ${amount(totalSteps)} the learning rates are those of ${without}`;
}

/** A warm-up that does not end within the run. */
function longWarmup({ config, source }: PlanJob, { totalSteps }: PlanFacts): Problem[] {
  const { lr_warmup_steps: given, lr_scheduler } = config;
  if (lr_scheduler === 'constant' || given < totalSteps) return [];
  const highest = Math.max(
    ...lookedAt(totalSteps).map((step) => learningRateFactor(step, totalSteps, config)),
  );
  const cut = given > totalSteps ? `, cut to ${totalSteps},` : '';
  return [
    {
      where: placeOf('lr_warmup_steps', source),
      what: `${amount(given)} of warm-up${cut} in a run of ${amount(totalSteps)}: the learning rate only rises, to ${Math.round(100 * highest)} % of the given value`,
      fix: 'Give fewer warm-up steps, or a share of the run such as 0.1.',
    },
  ];
}

/** A run that ends before each sample was seen once. */
function partOfEpoch(
  { config, source }: PlanJob,
  { totalSteps, stepsPerEpoch = 0 }: PlanFacts,
): Problem[] {
  if (config.max_train_steps === undefined || totalSteps >= stepsPerEpoch) return [];
  const what = `the run ends before all of the data is seen once: an epoch has ${amount(stepsPerEpoch)}`;
  return [{ where: placeOf('max_train_steps', source), what: `${totalSteps}: ${what}` }];
}

/** Steps of a long run that stand for all: those at its beginning, and some of the rest. */
function lookedAt(totalSteps: number): number[] {
  const first = Math.min(totalSteps, 1000);
  const rest = Math.min(totalSteps - first, 1000);
  return [
    ...Array.from({ length: first }, (_, step) => step),
    ...Array.from(
      { length: rest },
      (_, i) => first + Math.floor((i * (totalSteps - first)) / rest),
    ),
  ];
}
