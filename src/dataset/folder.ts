// A folder of pictures with metadata.csv, with text files beside them, or in `<repeats>_<name>`
// folders, as a list of samples.
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DataError, type Problem, UserError } from '../errors.ts';
import { collectFromFolders } from './captions-beside.ts';
import { collectFromTable } from './captions-from-table.ts';
import { readable, warnUnread, type Collector } from './folder-files.ts';
import { byNumber } from '../util/order.ts';
import { inspectImage } from './image.ts';

/** One picture of a data set. */
export interface Sample {
  /** Absolute path of the file. */
  readonly path: string;
  /** Path relative to the data folder, forward slashes, Unicode's composed form. */
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
  readonly warnings: readonly string[];
}

export interface ImageFolderOptions {
  readonly trainDataDir: string;
  /** The table of captions; without it, `metadata.csv` in the folder where there is one. */
  readonly metadataPath?: string;
  /** Extension of caption files beside the pictures, default `.txt`. */
  readonly captionExtension?: string;
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
  const table = await tablePath(root, options.metadataPath, collector);
  if (table !== undefined) await collectFromTable(root, table, collector);
  else if (collector.problems.length === 0)
    await collectFromFolders(root, options.captionExtension ?? '.txt', collector);
  await warnUnread(root, collector);
  const samples = await inspectAll(collector);
  if (samples.length === 0 && collector.problems.length === 0)
    collector.problems.push(nothingFound(collector));
  if (collector.problems.length > 0) throw new DataError(collector.problems);
  return { samples, warnings: [...collector.warnings, ...twins(samples)] };
}

async function requireFolder(root: string, shown: string): Promise<void> {
  const code = await readdir(root).then(() => undefined, codeOf);
  if (code === undefined) return;
  const what =
    code === 'ENOTDIR'
      ? 'is a file, not a folder'
      : code === 'ENOENT'
        ? 'the data folder does not exist'
        : `the data folder may not be read (${code})`;
  throw new DataError([
    { where: shown, what, fix: 'Set train_data_dir to the folder that holds your pictures.' },
  ]);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

async function tablePath(
  root: string,
  given: string | undefined,
  { problems }: Collector,
): Promise<string | undefined> {
  const path =
    given === undefined
      ? join(
          root,
          (await readdir(root)).sort().find((name) => name.toLowerCase() === 'metadata.csv') ??
            'metadata.csv',
        )
      : resolve(given);
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
async function inspectAll({ found, problems, shown }: Collector): Promise<Sample[]> {
  const samples: Sample[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let picture = found[next++]; picture !== undefined; picture = found[next++]) {
      try {
        samples.push({ ...picture, ...(await inspectImage(picture.path)) });
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
  return samples.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function twins(samples: readonly Sample[]): string[] {
  const first = new Map<string, string>();
  return samples.flatMap(({ hash, name }) => {
    const other = first.get(hash);
    if (other === undefined) first.set(hash, name);
    return other === undefined ? [] : [`${name} is the same file as ${other}.`];
  });
}

const nothingFound = ({ shown, warnings }: Collector): Problem => ({
  where: shown,
  what: `the data folder holds no pictures (${readable})`,
  fix: [
    'Put your pictures and a metadata.csv with the header filename,prompt into it.',
    ...warnings,
  ].join('\n      '),
});
