// Which pictures are held back to validate on: some of the set by its seed, or those of folders of
// their own.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { loadPicture } from '../../dataset/image.ts';
import { readImageFolder } from '../../dataset/folder.ts';
import { PictureCollection } from '../../dataset/likeness/likeness.ts';
import type { Problem } from '../../errors.ts';
import { permutation } from '../../util/philox.ts';
import { plural } from '../../util/plural.ts';
import { problemsByKind, type FoundProblem } from '../../util/problems-by-kind.ts';
import { streamOf } from '../../util/streams.ts';
import type { TrainingPicture } from './training-picture.ts';

export interface DividedPictures {
  readonly pictures: readonly TrainingPicture[];
  readonly heldOut: readonly TrainingPicture[];
  readonly warnings: readonly Problem[];
}

/** What `validation_data` names, or the share that `validation_split` holds back of `pictures`. */
export async function divided(
  pictures: readonly TrainingPicture[],
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  place: (folder: Awaited<ReturnType<typeof readImageFolder>>) => readonly TrainingPicture[],
): Promise<DividedPictures> {
  if (config.validation_data.length > 0) return named(pictures, config, place);
  const share = config.validation_split;
  if (share === 0) return { pictures, heldOut: [], warnings: [] };
  const kept = await heldBack(pictures, share, config.seed);
  const parts = {
    pictures: pictures.filter((_, i) => !kept.has(i)),
    heldOut: pictures.filter((_, i) => kept.has(i)),
  };
  const what = shareNote(parts, share);
  const warnings = what === undefined ? [] : [{ where: placeOf('validation_split', source), what }];
  return { ...parts, warnings };
}

/** So few show little. */
const FEW = 4;

function shareNote(
  { pictures, heldOut }: Omit<DividedPictures, 'warnings'>,
  share: number,
): string | undefined {
  const all = pictures.length + heldOut.length;
  if (heldOut.length === 0)
    return all === 1
      ? 'leaves nothing to validate on: there is only one picture'
      : `leaves nothing to validate on: the ${all} pictures are all one picture, scaled, cut or mirrored`;
  if (heldOut.length >= FEW) return undefined;
  const rounded = share * all < 0.5 ? ', the fewest there can be' : '';
  return `holds back ${heldOut.length} of ${plural(all, 'picture')}${rounded}; so few show only roughly what is learned, and ${pictures.length} ${pictures.length === 1 ? 'is' : 'are'} left to train on`;
}

/**
 * Positions of round(share × pictures) of them, at least one and never all. Pictures that are one
 * stay together: where too few would be left, others are held back.
 */
async function heldBack(
  pictures: readonly TrainingPicture[],
  share: number,
  seed: number,
): Promise<ReadonlySet<number>> {
  const wanted = Math.min(pictures.length - 1, Math.max(1, Math.round(share * pictures.length)));
  const kept = new Set<number>();
  if (pictures.length < 2) return kept;
  const set = new PictureCollection(await Promise.all(pictures.map(asTrained)));
  for (const candidate of permutation(seed, streamOf('heldOut'), pictures.length)) {
    if (kept.size >= wanted) break;
    if (kept.has(candidate)) continue;
    const one = samePicture(candidate, set);
    if (
      one.size + kept.size < pictures.length &&
      (kept.size === 0 || one.size + kept.size <= wanted)
    )
      for (const index of one) kept.add(index);
  }
  return kept;
}

/** A picture with all that are the same, and those that are the same as these. */
function samePicture(first: number, set: PictureCollection): ReadonlySet<number> {
  const found = new Set([first]);
  for (const index of found) for (const twin of set.twinsOf(index)) found.add(twin);
  return found;
}

/** The part of it that is trained. */
export const asTrained = (picture: TrainingPicture) => loadPicture(picture.path, picture);

/** Folders of their own. What is trained too is told: it does not show what is learned. */
async function named(
  pictures: readonly TrainingPicture[],
  config: LoadedConfig['config'],
  place: Parameters<typeof divided>[2],
): Promise<DividedPictures> {
  const heldOut: TrainingPicture[] = [];
  const warnings: Problem[] = [];
  for (const trainDataDir of config.validation_data) {
    const folder = await readImageFolder({
      trainDataDir,
      captionExtension: config.caption_extension,
    });
    heldOut.push(...place(folder));
    warnings.push(...folder.warnings);
  }
  return { pictures, heldOut, warnings: [...warnings, ...(await leaked(pictures, heldOut))] };
}

async function leaked(
  pictures: readonly TrainingPicture[],
  heldOut: readonly TrainingPicture[],
): Promise<Problem[]> {
  const set = new PictureCollection(await Promise.all(pictures.map(asTrained)));
  const found: FoundProblem[] = [];
  for (const picture of heldOut) {
    const twin = set.same(await asTrained(picture));
    if (twin === undefined) continue;
    found.push({
      where: picture.name,
      detail: `like ${pictures[twin].name}`,
      what: 'is in the training data too; it does not show what was learned',
    });
  }
  return problemsByKind(found);
}
