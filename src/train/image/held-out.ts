// Which pictures are held back to validate on: some of the set by its seed, or those of folders of
// their own.

import { placeOf, type LoadedConfig } from '../../config/load.ts';
import { loadPicture } from '../../dataset/image.ts';
import { readImageFolder } from '../../dataset/folder.ts';
import { heldBackCounts } from '../../dataset/held-back.ts';
import { PictureCollection } from '../../dataset/likeness/likeness.ts';
import type { Problem } from '../../errors.ts';
import { permutation } from '../../util/philox.ts';
import { plural } from '../../util/plural.ts';
import { problemsByKind, type FoundProblem } from '../../util/problems-by-kind.ts';
import { streamOf } from '../../util/streams.ts';
import { impliedNote } from '../old-data.ts';
import type { TrainingPicture } from './training-picture.ts';

export interface DividedPictures {
  readonly pictures: readonly TrainingPicture[];
  readonly heldOut: readonly TrainingPicture[];
  /** Whether it is held back without being asked for. */
  readonly isImplied: boolean;
  readonly warnings: readonly Problem[];
}

export interface DividingOptions {
  /** A folder's pictures with their buckets. */
  readonly place: (
    folder: Awaited<ReturnType<typeof readImageFolder>>,
  ) => readonly TrainingPicture[];
  /** Of each kind, the same share is held back. */
  readonly kindOf: (picture: TrainingPicture) => string;
  /** Held back where the configuration does not say. */
  readonly impliedShare: number;
}

/** What `validation_data` names, or the share that `validation_split` holds back of `pictures`. */
export async function divided(
  pictures: readonly TrainingPicture[],
  { config, source }: Pick<LoadedConfig, 'config' | 'source'>,
  { place, kindOf, impliedShare }: DividingOptions,
): Promise<DividedPictures> {
  if (config.validation_data.length > 0) return named(pictures, config, place);
  const isGiven = config.validation_split > 0;
  const share = config.validation_split || impliedShare;
  if (share === 0) return { pictures, heldOut: [], isImplied: false, warnings: [] };
  const counts = heldBackCounts(pictures.map(kindOf), { share, isGiven });
  const kept = await heldBack(pictures, counts, config.seed, kindOf);
  const parts = {
    pictures: pictures.filter((_, i) => !kept.has(i)),
    heldOut: pictures.filter((_, i) => kept.has(i)),
  };
  const told = { sampleName: 'picture', source };
  const warnings = isGiven
    ? shareNotes(parts, share, source)
    : impliedNote(parts.heldOut.length, pictures.length, told);
  return { ...parts, isImplied: !isGiven, warnings };
}

/** So few show little. */
const FEW = 4;

function shareNotes(
  parts: Pick<DividedPictures, 'pictures' | 'heldOut'>,
  share: number,
  source: LoadedConfig['source'],
): Problem[] {
  const what = shareNote(parts, share);
  return what === undefined ? [] : [{ where: placeOf('validation_split', source), what }];
}

function shareNote(
  { pictures, heldOut }: Pick<DividedPictures, 'pictures' | 'heldOut'>,
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
 * Positions of so many of each kind, never of all. Pictures that are one stay together, on the side
 * of the first: where too few would be left, others are held back.
 */
async function heldBack(
  pictures: readonly TrainingPicture[],
  wanted: ReadonlyMap<string, number>,
  seed: number,
  kindOf: (picture: TrainingPicture) => string,
): Promise<ReadonlySet<number>> {
  const kept = new Set<number>();
  const total = [...wanted.values()].reduce((sum, count) => sum + count, 0);
  if (pictures.length < 2 || total === 0) return kept;
  const has = new Map<string, number>();
  const set = new PictureCollection(await Promise.all(pictures.map(asTrained)));
  for (const candidate of permutation(seed, streamOf('heldOut'), pictures.length)) {
    if (kept.size >= total) break;
    const kind = kindOf(pictures[candidate]);
    const [most, found] = [wanted.get(kind) ?? 0, has.get(kind) ?? 0];
    if (kept.has(candidate) || found >= most) continue;
    const one = samePicture(candidate, set);
    const isRoom = one.size + kept.size < pictures.length;
    if (!isRoom || (found > 0 && one.size + found > most)) continue;
    for (const index of one) kept.add(index);
    has.set(kind, found + one.size);
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
  place: DividingOptions['place'],
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
  return {
    pictures,
    heldOut,
    isImplied: false,
    warnings: [...warnings, ...(await leaked(pictures, heldOut))],
  };
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
