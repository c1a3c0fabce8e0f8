// The pictures of a run, each with the bucket it is trained in.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { bucketFor, shareCutOff, type BucketOptions, type Size } from '../../dataset/buckets.ts';
import { readImageFolder, type ImageFolder, type Sample } from '../../dataset/folder.ts';
import { DataError, type Problem } from '../../errors.ts';
import { pictureUnit, type StableDiffusionConfig } from '../../models/stable-diffusion-config.ts';
import { matchSamples, textHash, type RecordedSample } from '../../runs/samples.ts';
import { problemsByKind, type FoundProblem } from '../../util/problems-by-kind.ts';
import {
  comparedRun,
  recordedBesides,
  stillCompared,
  type ComparedRun,
  type OldAndNew,
} from '../old-data.ts';
import { continuedSamples } from '../continued-data.ts';
import type { TaskContext } from '../task.ts';
import { comparedPictures, type ComparedPictures } from './compared-pictures.ts';
import { decided } from './decisions.ts';
import { divided } from './held-out.ts';
import {
  bucketOptions,
  requireBuckets,
  sizeNotes,
  withResolution,
  type SizedConfig,
} from './sizes.ts';
import type { TrainingPicture } from './training-picture.ts';

export interface PictureSet {
  readonly config: SizedConfig;
  readonly pictures: readonly TrainingPicture[];
  /** Those that are not trained, only validated on. */
  readonly heldOut: readonly TrainingPicture[];
  /** All that it trains or holds back, as a run records them. */
  readonly samples: readonly RecordedSample[];
  /** Of an earlier run, and not trained. */
  readonly leftOut: readonly RecordedSample[];
  /** Of a run that goes on from an adapter. */
  readonly compared?: ComparedPictures;
  readonly warnings: readonly Problem[];
  /** The table of captions, where there is one. */
  readonly table?: string;
}

/**
 * Reads and checks the data folder and sorts its pictures into buckets. Throws DataError or
 * ConfigError with every problem.
 */
export async function readPictures(
  { config, source }: LoadedConfig,
  model: StableDiffusionConfig,
  context: Pick<TaskContext, 'recorded' | 'start'> = {},
): Promise<PictureSet> {
  const options = bucketOptions(config, model);
  requireBuckets(options, source);
  const found = await readImageFolder({
    trainDataDir: config.train_data_dir,
    metadataPath: config.metadata_path,
    captionExtension: config.caption_extension,
  });
  const { table } = found;
  const place = (folder: Pick<ImageFolder, 'samples'>) => placed(folder, options, model);
  const set = await dividedPictures(found, { config, source }, context, place);
  return {
    config: withResolution(config, model),
    ...set,
    table,
    warnings: [
      ...sizeNotes(options, config, source),
      ...set.warnings,
      ...illFitting(set.pictures, options),
      ...underfilled(set.pictures, config, source),
    ],
  };
}

/** What of a folder is trained, held back, and only measured. */
async function dividedPictures(
  found: ImageFolder,
  job: Pick<LoadedConfig, 'config' | 'source'>,
  context: Pick<TaskContext, 'recorded' | 'start'>,
  place: (folder: Pick<ImageFolder, 'samples'>) => readonly TrainingPicture[],
): Promise<Omit<PictureSet, 'config' | 'table'>> {
  const run = comparedRun(job, context, decided(context.recorded)?.compared);
  const both = asMeant(found, job, context, run);
  const old = new Set([...both.old].map(({ path }) => path));
  const isOld = ({ path }: TrainingPicture) => old.has(path);
  const kindOf = (picture: TrainingPicture) => (isOld(picture) ? 'old' : 'new');
  const impliedShare = run?.share ?? 0;
  const parts = await divided(place(both), job, { place, kindOf, impliedShare });
  const compared = run && (await comparedPictures({ run, both, parts, isOld, found, place, job }));
  const heldOut = new Set(parts.heldOut.map(({ path }) => path));
  const record = (one: Sample) => ({
    ...recordOfPicture(one),
    ...(both.old.has(one) && { old: true }),
    ...(heldOut.has(one.path) && { heldOut: true }),
  });
  return {
    pictures: parts.pictures,
    // what nobody asked to hold back is only compared
    heldOut: parts.isImplied ? [] : parts.heldOut,
    samples: both.samples.map(record),
    leftOut: context.recorded?.leftOut ?? recordedBesides(both, recordOfPicture),
    ...(compared !== undefined && { compared }),
    warnings: [...both.warnings, ...parts.warnings, ...(compared?.warnings ?? [])],
  };
}

/** Each picture with its bucket. Throws DataError for those that are too small. */
function placed(
  { samples }: Pick<ImageFolder, 'samples'>,
  options: BucketOptions,
  model: StableDiffusionConfig,
): TrainingPicture[] {
  if (options.noUpscale === true) requireSize(samples, pictureUnit(model));
  return samples.map((sample) => ({
    ...sample,
    ...bucketFor(sample.width, sample.height, options),
  }));
}

/** What a run is known by when it goes on. */
const recordOfPicture = ({ name, hash, caption, repeats }: Sample): RecordedSample => ({
  ...{ name, sha256: hash, caption: textHash(caption) },
  ...(repeats !== 1 && { repeats }),
});

/** The pictures of the run that goes on, or those that a new one is to be trained on. */
function asMeant(
  { samples, warnings }: Pick<ImageFolder, 'samples' | 'warnings'>,
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  { recorded, start }: Pick<TaskContext, 'recorded' | 'start'>,
  run: ComparedRun | undefined,
): OldAndNew<Sample> {
  const sampleName = 'picture';
  if (recorded !== undefined) {
    const where = placeOf('train_data_dir', source);
    const told = { sampleName, where, byName: true };
    const matched = matchSamples(samples, recorded, recordOfPicture, told);
    return {
      ...stillCompared(samples, matched, run?.recorded, ({ hash }) => hash),
      warnings: [...warnings, ...matched.warnings],
    };
  }
  const nothing = { old: new Set<Sample>(), leftOut: [], missing: [], earlier: [] };
  if (start === undefined) return { samples, ...nothing, warnings };
  const where = placeOf('continue_data', source);
  const told = { sampleName, where, before: start.before };
  const { kept, notes, ...both } = continuedSamples(samples, recordOfPicture, config, told);
  return { samples: kept, ...both, warnings: [...warnings, ...notes] };
}

/** A picture that must not be enlarged has to be as large as the smallest that the model takes. */
function requireSize(samples: readonly Sample[], unit: number): void {
  const small = samples.filter(({ width, height }) => Math.min(width, height) < unit);
  if (small.length === 0) return;
  throw new DataError(
    problemsByKind(
      small.map(({ path, width, height }) => ({
        where: path,
        detail: `${width}x${height}`,
        what: `is smaller than ${unit}x${unit}, the smallest size that this base model takes, and bucket_no_upscale forbids enlarging it`,
        fix: 'Replace it with a larger picture, or set bucket_no_upscale: false.',
      })),
    ),
  );
}

/** A picture of which more than this share is cut off is named. */
const SHARE_TOLD = 0.1;
/** A picture that is enlarged more than so many times is named. */
const ENLARGED_TOLD = 4;

/** Warnings of pictures that training will see blurred or cropped. */
export function illFitting(
  pictures: readonly TrainingPicture[],
  options: Pick<BucketOptions, 'enabled' | 'noUpscale'> = {},
): Problem[] {
  return problemsByKind(pictures.flatMap((picture) => misfits(picture, options)));
}

function misfits(
  picture: TrainingPicture,
  { enabled = true, noUpscale = false }: Pick<BucketOptions, 'enabled' | 'noUpscale'>,
): FoundProblem[] {
  const { name, width, height, resized } = picture;
  const size = `${width}x${height}`;
  const blurred: FoundProblem = {
    where: name,
    detail: size,
    what: `enlarged to more than ${ENLARGED_TOLD} times its size, so it is blurred`,
    fix: 'Use larger pictures, or a lower resolution.',
  };
  const cut: FoundProblem = {
    where: name,
    detail: `${size}, ${(100 * shareCutOff(picture)).toFixed(1)} %`,
    what: `more than ${100 * SHARE_TOLD} % of the picture is cropped away to fit its bucket`,
    fix: cropRemedy(enabled, noUpscale),
  };
  const isBlurred = Math.max(resized[0] / width, resized[1] / height) > ENLARGED_TOLD;
  return [...(isBlurred ? [blurred] : []), ...(shareCutOff(picture) > SHARE_TOLD ? [cut] : [])];
}

function cropRemedy(enabled: boolean, noUpscale: boolean): string {
  if (!enabled) return 'Crop it yourself to what matters, or set enable_bucket: true.';
  return noUpscale
    ? 'Crop it yourself to what matters, or set a smaller bucket_reso_steps.'
    : 'Crop it yourself to what matters, or set a smaller bucket_reso_steps, or a larger max_bucket_reso for a long picture.';
}

/** A batch size that no batch of a bucket has is reported. */
function underfilled(
  pictures: readonly TrainingPicture[],
  { batch_size }: LoadedConfig['config'],
  source: LoadedConfig['source'],
): Problem[] {
  const found = bucketCounts(pictures)
    .filter(({ count }) => count < batch_size)
    .map(({ width, height, count }) => ({
      where: `${width}x${height}`,
      detail: `${count}`,
      what: 'fewer pictures',
    }));
  return problemsByKind(found).map(({ where: buckets }) => ({
    where: placeOf('batch_size', source),
    what: `some buckets have fewer pictures than a batch of ${batch_size}, so their batches are smaller: ${buckets}`,
  }));
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
