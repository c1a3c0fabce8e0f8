// The pictures of a run, each with the bucket it is trained in.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { withResolution } from '../../config/schema.ts';
import { bucketFor, type BucketChoice, type Size } from '../../dataset/buckets.ts';
import { readImageFolder, type Sample } from '../../dataset/folder.ts';
import { ConfigError } from '../../errors.ts';
import { latentFactor, type StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';

export type TrainingPicture = Sample & BucketChoice;
/** The configuration with the sizes that follow from the base model. */
export type SizedConfig = ReturnType<typeof withResolution>;

export interface PictureSet {
  readonly config: SizedConfig;
  readonly pictures: readonly TrainingPicture[];
  readonly warnings: readonly string[];
}

/**
 * Reads and checks the data folder and sorts its pictures into buckets. Throws DataError or
 * ConfigError with every problem.
 */
export async function readPictures(
  { config: given, source }: LoadedConfig,
  model: StableDiffusionConfig,
): Promise<PictureSet> {
  const config = withResolution(given, model.unet.sample_size * latentFactor(model.vae));
  const { samples, warnings } = await readImageFolder({
    trainDataDir: config.train_data_dir,
    metadataPath: config.metadata_path,
    captionExtension: config.caption_extension,
  });
  const options = {
    resolution: config.resolution,
    minSize: config.min_bucket_reso,
    maxSize: config.max_bucket_reso,
    step: config.bucket_reso_steps,
    noUpscale: config.bucket_no_upscale,
    enabled: config.enable_bucket,
  };
  const pictures = samples.map((sample) => ({
    ...sample,
    ...bucketFor(sample.width, sample.height, options),
  }));
  requireMultiples(
    pictures,
    sideUnit(model),
    config.enable_bucket ? placeOf('bucket_reso_steps', source) : placeOf('resolution', source),
  );
  return { config, pictures, warnings: [...warnings, ...illFitting(pictures)] };
}

/** Warnings of pictures that training will see as a blur, or only a strip of. */
export function illFitting(pictures: readonly TrainingPicture[]): string[] {
  const named = (found: readonly TrainingPicture[], what: string) => {
    if (found.length === 0) return [];
    const names = found
      .slice(0, 3)
      .map(({ name, width, height }) => `${name} (${width}x${height})`)
      .join(', ');
    return [`${names}${found.length > 3 ? ` and ${found.length - 3} more` : ''}: ${what}`];
  };
  const small = pictures.filter(({ width, resized }) => resized[0] > 4 * width);
  const long = pictures.filter(({ resized: [w, h], bucket }) => 2 * bucket[0] * bucket[1] < w * h);
  return [
    ...named(
      small,
      'enlarged more than four times, which trains on a blur. Use larger pictures, or a lower resolution.',
    ),
    ...named(
      long,
      'too long and narrow for any bucket; more than half is cut off. Cut them to size, or raise max_bucket_reso.',
    ),
  ];
}

/** Pixels of which the sides must be multiples: so that every level of the UNet halves evenly. */
export function sideUnit({ unet, vae }: StableDiffusionConfig): number {
  return latentFactor(vae) * 2 ** (unet.block_out_channels.length - 1);
}

function requireMultiples(pictures: readonly TrainingPicture[], unit: number, where: string): void {
  const odd = pictures.find(({ bucket }) => bucket.some((side) => side % unit !== 0));
  if (odd === undefined) return;
  const what = `this base model takes pictures whose sides are multiples of ${unit}; these settings give ${odd.bucket.join('x')}`;
  throw new ConfigError([
    {
      where,
      what,
      fix: `Make resolution, min_bucket_reso and bucket_reso_steps multiples of ${unit}.`,
    },
  ]);
}

/** How many pictures, with repeats, fall in each bucket: by width, then height. */
export function bucketCounts(
  pictures: readonly TrainingPicture[],
): { readonly width: number; readonly height: number; readonly count: number }[] {
  const counts = new Map<string, { size: Size; count: number }>();
  for (const { bucket, repeats } of pictures) {
    const name = bucketName(bucket);
    counts.set(name, { size: bucket, count: (counts.get(name)?.count ?? 0) + repeats });
  }
  const rows = [...counts.values()].map(({ size: [width, height], count }) => ({
    width,
    height,
    count,
  }));
  return rows.sort((a, b) => a.width - b.width || a.height - b.height);
}

export const bucketName = ([width, height]: Size): string => `${width}x${height}`;
