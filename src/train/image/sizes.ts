// The sizes of a run's pictures: what the configuration wants, as far as the base model can take
// it.

import { placeOf, type ConfigSource } from '../../config/load.ts';
import type { TrainConfig } from '../../config/schema.ts';
import {
  bucketFaults,
  bucketRules,
  makeBuckets,
  type BucketFault,
  type BucketOptions,
} from '../../dataset/buckets.ts';
import { ConfigError, type Problem } from '../../errors.ts';
import {
  nativeSide,
  pictureUnit,
  stableDiffusion15,
  type StableDiffusionConfig,
} from '../../models/stable-diffusion-config.ts';

/** The configuration with the sizes that follow from the base model. */
export type SizedConfig = ReturnType<typeof withResolution>;

/** `config` with `resolution`, the steps and the limits of buckets filled in for a base model. */
export function withResolution(
  config: TrainConfig,
  model: Pick<StableDiffusionConfig, 'unet' | 'vae'> = stableDiffusion15,
) {
  const { resolution, minSize, maxSize, step } = bucketRules(bucketOptions(config, model));
  return {
    ...config,
    resolution,
    min_bucket_reso: minSize,
    max_bucket_reso: maxSize,
    bucket_reso_steps: step,
  };
}

/** The options of the buckets, as the configuration has them for a base model. */
export function bucketOptions(
  config: TrainConfig,
  model: Pick<StableDiffusionConfig, 'unet' | 'vae'>,
): BucketOptions {
  const native = nativeSide(model);
  return {
    resolution: config.resolution ?? [native, native],
    minSize: config.min_bucket_reso,
    maxSize: config.max_bucket_reso,
    step: config.bucket_reso_steps,
    unit: pictureUnit(model),
    noUpscale: config.bucket_no_upscale,
    enabled: config.enable_bucket,
  };
}

const keys: { readonly [K in BucketFault['option']]: keyof TrainConfig } = {
  resolution: 'resolution',
  minSize: 'min_bucket_reso',
  maxSize: 'max_bucket_reso',
  step: 'bucket_reso_steps',
};

/** Throws ConfigError with the true reason where no picture could be trained at these sizes. */
export function requireBuckets(options: BucketOptions, source: ConfigSource): void {
  const problems = bucketFaults(options).map(({ option, ...fault }) => ({
    where: placeOf(keys[option], source),
    ...fault,
  }));
  if (problems.length > 0) throw new ConfigError(problems);
}

/** What is done to sizes that were written: they are rounded, or no bucket has them. */
export function sizeNotes(options: BucketOptions, config: TrainConfig, source: ConfigSource) {
  const { minSize, maxSize, step, noUpscale, enabled } = bucketRules(options);
  const note = (key: keyof TrainConfig, what: string, fix?: string): Problem => ({
    where: placeOf(key, source),
    what,
    ...(fix !== undefined && { fix }),
  });
  if (!enabled) return [];
  const limits = [
    ['min_bucket_reso', config.min_bucket_reso, minSize],
    ['max_bucket_reso', config.max_bucket_reso, maxSize],
  ] as const;
  const notes = limits.flatMap(([key, given, used]): Problem[] => {
    return given === undefined || noUpscale || given === used
      ? []
      : [note(key, `${given} is not a multiple of ${step}; ${used} is used`)];
  });
  return [
    ...notes,
    ...missedResolution(options, config).map((what) => note('resolution', ...what)),
  ];
}

/** Says so where no bucket has the resolution that was asked for. */
function missedResolution(
  options: BucketOptions,
  config: TrainConfig,
): (readonly [what: string, fix: string])[] {
  const {
    resolution: [width, height],
    step,
    unit,
    noUpscale,
  } = bucketRules(options);
  if (config.resolution === undefined || noUpscale) return [];
  if (width % step === 0 && height % step === 0) return [];
  const square = makeBuckets(options)
    .filter(([w, h]) => w === h)
    .at(-1);
  const finer = finerStep([width, height], step, unit);
  return [
    [
      `there is no bucket of ${width}x${height}, because sides are multiples of ${step}; square pictures are trained at ${square?.join('x')}`,
      finer === undefined
        ? `Use multiples of ${step}.`
        : `Set bucket_reso_steps: ${finer} for a bucket of this size.`,
    ],
  ];
}

/** The largest step below `step` that both sides, and the model, allow. */
function finerStep(sides: readonly number[], step: number, unit: number): number | undefined {
  for (let finer = Math.ceil(step / unit - 1) * unit; finer >= unit; finer -= unit)
    if (sides.every((side) => side % finer === 0)) return finer;
  return undefined;
}
