// A folder of pictures with metadata.csv, with text files beside them, or in `<repeats>_<name>`
// folders, as a list of samples.
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DataError, type Problem, UserError } from '../errors.ts';
import { faultsByKind, problemsByKind, type FoundProblem } from '../util/problems-by-kind.ts';
import { apart, apartFrom, printOf } from '../util/look-alike.ts';
import { withCodes } from '../util/visible.ts';
import { codeOf } from '../util/caught.ts';
import { collectFromFolders, WITHOUT_CAPTION } from './captions-beside.ts';
import { collectFromTable } from './captions-from-table.ts';
import { byNumber } from '../util/order.ts';
import { type Collector, type Found, NOT_USED, warnUnread } from './folder-files.ts';
import { inspectImage } from './image.ts';
import {
  nothingFound,
  ownConcept,
  neverShown,
  ownRepeats,
  tablesBelow,
  warnDeeper,
} from './picture-levels.ts';

/** One picture of a data set. */
export interface Sample {
  /** Absolute path of the file. */
  readonly path: string;
  /**
   * Path relative to the data folder, forward slashes, Unicode's composed form where that is no
   * other's name.
   */
  readonly name: string;
  readonly caption: string;
  /** How many times an epoch shows it. */
  readonly repeats: number;
  /** Pixels as seen, EXIF rotation applied. */
  readonly width: number;
  readonly height: number;
  /** SHA-256 of the file. */
  readonly hash: string;
}

export interface ImageFolder {
  /** In the order of their names, whatever order the file system has. */
  readonly samples: readonly Sample[];
  readonly warnings: readonly Problem[];
  /** The table of captions, where there is one. */
  readonly table?: string;
}

export interface ImageFolderOptions {
  readonly trainDataDir: string;
  /** The table of captions; without it, `metadata.csv` in the folder where there is one. */
  readonly metadataPath?: string;
  /** Extension of caption files beside the pictures, default `.txt`. */
  readonly captionExtension?: string;
  /** Whether what is at fault is left out, as long as something else is there. */
  readonly leavesOutFaults?: boolean;
}

/**
 * Reads a data set and checks all of it, each picture decoded once. Throws one DataError with every
 * problem: rows that name no picture, pictures and rows without caption, duplicates, damaged files,
 * an empty folder.
 */
export async function readImageFolder(options: ImageFolderOptions): Promise<ImageFolder> {
  const root = resolve(options.trainDataDir);
  await requireFolder(root, options.trainDataDir);
  const collector: Collector = {
    shown: options.trainDataDir,
    found: [],
    problems: [],
    warnings: [],
  };
  const extension = options.captionExtension ?? '.txt';
  const suffix = extension.startsWith('.') ? extension : `.${extension}`;
  const table = await tablePath(root, options.metadataPath, collector);
  if (table !== undefined) await collectFromTable(root, table, suffix, collector);
  else if (collector.problems.length === 0) await collectFromFolders(root, suffix, collector);
  await warnUnread(root, collector);
  await warnLevels(root, table, collector);
  const samples = await inspectAll({ ...collector, found: named(collector.found) });
  const warnings = problemsByKind([
    ...collector.warnings,
    ...lookingAlike(samples),
    ...twins(samples),
  ]);
  if (samples.length === 0 && collector.problems.length === 0)
    collector.problems.push(await nothingFound(root, collector.shown, warnings.filter(isOfFile)));
  const isUsable = options.leavesOutFaults === true && samples.length > 0;
  if (collector.problems.length > 0 && !isUsable)
    throw new DataError(faultsByKind(collector.problems));
  return { samples, warnings, ...(table !== undefined && { table }) };
}

/** Folders without effect are part of the answer where there are no pictures at all. */
const isOfFile = ({ what }: Problem): boolean => what !== NOT_USED;

/** What the names and the depth of folders do not do. */
async function warnLevels(
  root: string,
  table: string | undefined,
  collector: Collector,
): Promise<void> {
  const { shown, problems, warnings } = collector;
  problems.push(...neverShown(collector));
  const repeats = ownRepeats(root, shown);
  if (repeats !== undefined) warnings.push(repeats);
  const concept = problems.some(({ what }) => what === WITHOUT_CAPTION)
    ? ownConcept(root, shown)
    : undefined;
  if (concept !== undefined) problems.push(concept);
  if (collector.found.length > 0) await warnDeeper(root, collector);
  warnings.push(...(await tablesBelow(root, collector)).filter(({ path }) => path !== table));
}

async function requireFolder(root: string, shown: string): Promise<void> {
  const code = await readdir(root).then(
    () => undefined,
    (error: unknown) => codeOf(error) ?? String(error),
  );
  if (code === undefined) return;
  const what =
    code === 'ENOTDIR'
      ? 'is a file, not a folder'
      : code === 'ENOENT'
        ? 'the data folder does not exist'
        : `the data folder cannot be read (${code})`;
  throw new DataError([
    { where: shown, what, fix: 'Set train_data_dir to the folder that holds your pictures.' },
  ]);
}

async function tablePath(
  root: string,
  given: string | undefined,
  { problems, warnings }: Collector,
): Promise<string | undefined> {
  const [first = 'metadata.csv', ...others] = (await readdir(root))
    .filter((name) => name.toLowerCase() === 'metadata.csv')
    .sort();
  if (given === undefined)
    warnings.push(
      ...others.map((name) => ({ where: name, what: `not read, because ${first} is the table` })),
    );
  const path = given === undefined ? join(root, first) : resolve(given);
  const kind = await stat(path).catch(() => undefined);
  if (kind?.isFile() === true) return path;
  if (given === undefined) return undefined;
  const what = kind === undefined ? 'the table of captions does not exist' : 'is not a file';
  problems.push({
    where: given,
    what,
    fix: 'Correct metadata_path, or leave it out to use text files beside the pictures.',
  });
  return undefined;
}

/** Decodes every picture, four at a time; damaged ones become problems. */
async function inspectAll({ found, problems, warnings, shown }: Collector): Promise<Sample[]> {
  const seen: { readonly sample: Sample; readonly notes: readonly FoundProblem[] }[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let picture = found[next++]; picture !== undefined; picture = found[next++]) {
      try {
        const { width, height, hash, notes } = await inspectImage(picture.path);
        seen.push({
          sample: { ...picture, width, height, hash },
          notes: notes.map((note) => ({ ...note, where: picture.name })),
        });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(
          ...error.problems.map((problem) => ({
            ...problem,
            where: problem.where === picture.path ? join(shown, picture.name) : problem.where,
          })),
        );
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  problems.sort((a, b) => byNumber(a.where, b.where));
  seen.sort(({ sample: a }, { sample: b }) => byName(a, b));
  warnings.push(...seen.flatMap(({ notes }) => notes));
  return seen.map(({ sample }) => sample);
}

/** In the composed form, the same on every machine; as on disk where two would be one. */
function named(found: readonly Found[]): Found[] {
  const composed = found.map(({ name }) => name.normalize('NFC'));
  const counts = new Map<string, number>();
  for (const name of composed) counts.set(name, (counts.get(name) ?? 0) + 1);
  return found.map((picture, i) =>
    counts.get(composed[i]) === 1 ? { ...picture, name: composed[i] } : picture,
  );
}

const byName = (a: Sample, b: Sample): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** `café.png` twice, once with é as one character and once as two. */
function lookingAlike(samples: readonly Sample[]): FoundProblem[] {
  const first = new Map<string, string>();
  return samples.flatMap(({ name }) => {
    const other = first.get(printOf(withCodes(name)));
    if (other === undefined) first.set(printOf(withCodes(name)), name);
    if (other === undefined) return [];
    const [one, two] = apart(other, name);
    return [
      {
        where: `"${one}" and "${two}"`,
        kind: 'names that look the same',
        what: 'these names look the same, but are of different characters: both pictures are trained',
        fix: 'If they are one picture, delete one of them.',
      },
    ];
  });
}

function twins(samples: readonly Sample[]): FoundProblem[] {
  const first = new Map<string, string>();
  return samples.flatMap(({ hash, name }) => {
    const other = first.get(hash);
    if (other === undefined) first.set(hash, name);
    if (other === undefined) return [];
    return [
      {
        where: apartFrom(name, other),
        detail: `as ${apartFrom(other, name)}`,
        what: 'the same file as another, so it is trained more than once',
      },
    ];
  });
}
