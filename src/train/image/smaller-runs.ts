// Settings of a training of pictures that need less memory, with what each needs.

import { bucketFaults, bucketFor, bucketRules } from '../../dataset/buckets.ts';
import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import type { ConfigKey } from '../../config/schema.ts';
import type { SmallerRun, TaskContext } from '../task.ts';
import { adaptModel, type AdaptedModel } from './adapted-model.ts';
import { memoryPlan } from './memory-plan.ts';
import type { PictureSet } from './samples.ts';
import { bucketOptions } from './sizes.ts';

interface Source extends PictureSet {
  readonly context: Pick<TaskContext, 'runtime'>;
  readonly adapted: AdaptedModel;
  readonly base: StableDiffusionWeights;
  readonly tokens: number;
}

const halves = (most: number): number[] =>
  most <= 1 ? [] : [Math.ceil(most / 2), ...halves(Math.ceil(most / 2))];

/** Shares of the pictures' sides. */
const SIDES = [3 / 4, 1 / 2, 3 / 8, 1 / 4];

/**
 * Smaller batches with as many more of them, then the UNet alone, then no contact sheet, then
 * smaller pictures.
 */
export function smallerRuns(source: Source): SmallerRun[] {
  const { config, base } = source;
  const batches = halves(config.batch_size).map((size) => run(source, batchSettings(source, size)));
  const [smallest] = batches.slice(-1);
  const one = smallest === undefined ? [] : smallest.settings;
  const small = { ...source, config: { ...config, batch_size: 1 } };
  const pictures = SIDES.flatMap((share) => scaled(small, share)).map(({ set, resolution }) =>
    run(set, [...one, { key: 'resolution', value: resolution }]),
  );
  const unetOnly = { ...config, batch_size: 1, train_text_encoder: false };
  const frozen =
    config.train_text_encoder && config.train_unet
      ? [
          run({ ...source, config: unetOnly, adapted: adaptModel(base.config, unetOnly) }, [
            ...one,
            { key: 'train_text_encoder', value: false },
          ]),
        ]
      : [];
  const undrawn =
    config.sample_prompts.length > 0
      ? [run(small, [...one, { key: 'sample_prompts', value: [] }])]
      : [];
  return [...batches, ...frozen, ...undrawn, ...pictures];
}

type Settings = readonly { readonly key: ConfigKey; readonly value: unknown }[];

const batchSettings = ({ config }: Source, size: number): Settings => [
  { key: 'batch_size', value: size },
  {
    key: 'gradient_accumulation_steps',
    value: Math.ceil((config.batch_size * config.gradient_accumulation_steps) / size),
  },
];

function run(source: Source, settings: Settings): SmallerRun {
  const { context, adapted, base, tokens, config } = source;
  const changed = Object.fromEntries(
    settings
      .filter(({ key }) => key === 'batch_size' || key === 'sample_prompts')
      .map(({ key, value }) => [key, value]),
  );
  const set = { ...source, config: { ...config, ...changed } };
  return { settings, bytes: memoryPlan(context, adapted, base, set, tokens).bytes };
}

/** The same pictures in the buckets of a lower resolution, where the model can take them. */
function scaled(
  source: Source,
  share: number,
): { readonly set: Source; readonly resolution: string | number }[] {
  const { config, base, pictures, heldOut } = source;
  const step = config.bucket_reso_steps;
  const shorter = (side: number) => Math.max(step, Math.floor((side * share) / step) * step);
  const [width, height] = config.resolution;
  const resolution = [shorter(width), shorter(height)] as const;
  if (resolution[0] >= width && resolution[1] >= height) return [];
  const options = bucketOptions({ ...config, ...givenLimits(source), resolution }, base.config);
  if (bucketFaults(options).length > 0) return [];
  const placed = (list: PictureSet['pictures']) =>
    list.map((picture) => ({ ...picture, ...bucketFor(picture.width, picture.height, options) }));
  const set = { ...source, pictures: placed(pictures), heldOut: placed(heldOut) };
  const isSquare = resolution[0] === resolution[1];
  return [{ set, resolution: isSquare ? resolution[0] : resolution.join(',') }];
}

/** Those that do not follow from the resolution stay when it changes. */
function givenLimits({ config, base }: Source) {
  const open = { min_bucket_reso: undefined, max_bucket_reso: undefined };
  const usual = bucketRules(bucketOptions({ ...config, ...open }, base.config));
  const { min_bucket_reso: least, max_bucket_reso: most } = config;
  return {
    min_bucket_reso: least === usual.minSize ? undefined : least,
    max_bucket_reso: most === usual.maxSize ? undefined : most,
  };
}
