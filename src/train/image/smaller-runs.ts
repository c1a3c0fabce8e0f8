// Settings of a training of pictures that need less memory, with what each needs.

import { bucketFor } from '../../dataset/buckets.ts';
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

/** Smaller batches with as many more of them, then smaller pictures, then the UNet alone. */
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
  return [...batches, ...frozen, ...pictures];
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
  const size = settings.find(({ key }) => key === 'batch_size')?.value;
  const set =
    typeof size === 'number' ? { ...source, config: { ...config, batch_size: size } } : source;
  return { settings, bytes: memoryPlan(context, adapted, base, set, tokens).bytes };
}

/** The same pictures in the buckets of a lower resolution, where the model can take them. */
function scaled(
  source: Source,
  share: number,
): { readonly set: Source; readonly resolution: string | number }[] {
  const { config, base, pictures } = source;
  const step = config.bucket_reso_steps;
  const shorter = (side: number) => Math.max(step, Math.floor((side * share) / step) * step);
  const [width, height] = config.resolution;
  const resolution = [shorter(width), shorter(height)] as const;
  if (resolution[0] >= width && resolution[1] >= height) return [];
  const limits = { min_bucket_reso: undefined, max_bucket_reso: undefined };
  const options = bucketOptions({ ...config, ...limits, resolution }, base.config);
  const set = {
    ...source,
    pictures: pictures.map((picture) => ({
      ...picture,
      ...bucketFor(picture.width, picture.height, options),
    })),
  };
  const isSquare = resolution[0] === resolution[1];
  return [{ set, resolution: isSquare ? resolution[0] : resolution.join(',') }];
}
