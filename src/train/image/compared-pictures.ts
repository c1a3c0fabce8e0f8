// The pictures that a run which goes on from an adapter is measured on before and after: old ones,
// and new ones.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { readImageFolder, type ImageFolder, type Sample } from '../../dataset/folder.ts';
import { UserError, type Problem } from '../../errors.ts';
import {
  chosenSets,
  decisionOf,
  measuredCount,
  recordedSets,
  type BothSets,
  type ComparedDecision,
  type Elsewhere,
} from '../both-sets.ts';
import { foundPath, goneNote, type ComparedRun, type OldAndNew } from '../old-data.ts';
import type { DividedPictures } from './held-out.ts';
import type { TrainingPicture } from './training-picture.ts';
import { TIMESTEPS } from './validation.ts';

export interface ComparedPictures {
  readonly sets: BothSets<TrainingPicture>;
  /** Those of them that the run neither trains nor holds back. */
  readonly besides: readonly TrainingPicture[];
  readonly decision: ComparedDecision;
  readonly warnings: readonly Problem[];
}

export interface ComparingOptions {
  readonly run: ComparedRun;
  readonly both: OldAndNew<Sample>;
  readonly parts: DividedPictures;
  readonly isOld: (picture: TrainingPicture) => boolean;
  readonly found: Pick<ImageFolder, 'samples'>;
  readonly place: (folder: Pick<ImageFolder, 'samples'>) => readonly TrainingPicture[];
  readonly job: Pick<LoadedConfig, 'config' | 'source'>;
}

/** Looks for old pictures that are not in the data of this run where the earlier run had them. */
export async function comparedPictures(options: ComparingOptions): Promise<ComparedPictures> {
  const { run, both, parts, isOld, place, job } = options;
  const { samples, warnings } = await picturesElsewhere(options);
  const leftOut = [...place({ samples: both.leftOut }), ...place({ samples })];
  const isLeftOut = new Set(leftOut);
  const { pictures, heldOut } = parts;
  const measurable = {
    trained: pictures,
    heldOut: job.config.validation_data.length > 0 ? [] : heldOut,
    leftOut,
    isOld: (picture: TrainingPicture) => isOld(picture) || isLeftOut.has(picture),
    keyOf: ({ hash }: TrainingPicture) => hash,
  };
  const trained = trainedPictures(pictures, job);
  const sets =
    run.recorded === undefined
      ? chosenSets(measurable, measuredCount(trained, TIMESTEPS))
      : recordedSets(run.recorded, measurable);
  const measured = new Set(
    [sets.old, sets.new].flatMap((set) => set?.samples ?? []).map(({ of }) => of),
  );
  const only = [...leftOut, ...(parts.isImplied ? heldOut : [])];
  const { share, isUnknown, elsewhere } = run;
  return {
    sets,
    besides: only.filter((picture) => measured.has(picture)),
    decision: decisionOf(sets, { share, isUnknown, elsewhere }),
    warnings,
  };
}

/** How many pictures the run trains in all, each as often as it comes. */
function trainedPictures(
  pictures: readonly TrainingPicture[],
  { config }: ComparingOptions['job'],
): number {
  const { max_train_steps, batch_size, gradient_accumulation_steps, epochs } = config;
  return max_train_steps === undefined
    ? epochs * pictures.reduce((sum, { repeats }) => sum + repeats, 0)
    : max_train_steps * batch_size * gradient_accumulation_steps;
}

/** Old pictures that the data of this run lack, and what has become of the others. */
async function picturesElsewhere({
  run: { elsewhere, recorded },
  both: { missing, old },
  found,
  job: { source },
}: ComparingOptions): Promise<{
  readonly samples: readonly Sample[];
  readonly warnings: readonly Problem[];
}> {
  if (missing.length === 0) return { samples: [], warnings: [] };
  const where = placeOf('continue_from', source);
  const { samples: there, warnings } = await readElsewhere(elsewhere, where);
  const wanted = new Set(missing.map(({ sha256 }) => sha256));
  const samples = there.filter(({ hash }) => wanted.delete(hash));
  const gone = missing.filter(({ sha256 }) => wanted.has(sha256));
  const names = new Set([...found.samples, ...there].map(({ name }) => name));
  const of = missing.length + old.size;
  const told =
    recorded === undefined ? goneNote(gone, names, { where, sampleName: 'picture', of }) : [];
  return { samples, warnings: [...warnings, ...told] };
}

/** A folder that cannot be read any more is told. */
async function readElsewhere(
  elsewhere: Elsewhere | undefined,
  where: string,
): Promise<Pick<ImageFolder, 'samples' | 'warnings'>> {
  const nothing = { samples: [], warnings: [] };
  if (elsewhere === undefined) return nothing;
  const { paths, near, metadata_path, caption_extension } = elsewhere;
  const trainDataDir = paths.length === 1 ? foundPath(paths[0], near) : undefined;
  if (trainDataDir === undefined) return nothing;
  const table = metadata_path === undefined ? undefined : foundPath(metadata_path, near);
  try {
    const folder = await readImageFolder({
      ...{ trainDataDir, metadataPath: table, captionExtension: caption_extension },
      leavesOutFaults: true,
    });
    return { ...folder, warnings: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [problem] = error.problems;
    const what = `the pictures of the earlier run cannot be read where it had them: ${problem.where}: ${problem.what}`;
    return { samples: [], warnings: [{ where, what }] };
  }
}
