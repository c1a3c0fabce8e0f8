// A folder of pictures with metadata.csv, with text files beside them, or in `<repeats>_<name>` folders, as a list of samples.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DataError, type Problem, UserError } from '../errors.ts';
import { type CaptionRow, plainCaption, plainName, readCaptionTable } from './metadata-csv.ts';
import { inspectImage, pictureExtensions } from './image.ts';
import { readText } from './text-file.ts';

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

/** A picture with its caption, before its file is looked into. */
interface Found {
  readonly path: string;
  readonly name: string;
  readonly caption: string;
  readonly repeats: number;
}

/** What one look at the data collects. */
interface Collector {
  readonly found: Found[];
  readonly problems: Problem[];
  readonly warnings: string[];
}

/**
 * Reads a data set and checks all of it, each picture decoded once. Throws one DataError with every problem:
 * rows that name no picture, pictures and rows without caption, duplicates, damaged files, an empty folder.
 */
export async function readImageFolder(options: ImageFolderOptions): Promise<ImageFolder> {
  const root = resolve(options.trainDataDir);
  await requireFolder(root, options.trainDataDir);
  const collector: Collector = { found: [], problems: [], warnings: [] };
  const table = await tablePath(root, options.metadataPath, collector);
  if (table !== undefined) await collectFromTable(root, table, collector);
  else if (collector.problems.length === 0) await collectFromFolders(root, options.captionExtension ?? '.txt', collector);
  const samples = await inspectAll(collector);
  if (samples.length === 0 && collector.problems.length === 0) collector.problems.push(nothingFound(options.trainDataDir));
  if (collector.problems.length > 0) throw new DataError(collector.problems);
  return { samples, warnings: [...collector.warnings, ...twins(samples)] };
}

async function requireFolder(root: string, shown: string): Promise<void> {
  const kind = await stat(root).catch(() => undefined);
  if (kind?.isDirectory() === true) return;
  const what = kind === undefined ? 'the data folder does not exist' : 'is a file, not a folder';
  throw new DataError([{ where: shown, what, fix: 'Set train_data_dir to the folder that holds your pictures.' }]);
}

async function tablePath(root: string, given: string | undefined, { problems }: Collector): Promise<string | undefined> {
  const path = given === undefined ? join(root, 'metadata.csv') : resolve(given);
  const kind = await stat(path).catch(() => undefined);
  if (kind?.isFile() === true) return path;
  if (given === undefined) return undefined;
  const what = kind === undefined ? 'the table of captions does not exist' : 'is not a file';
  problems.push({ where: given, what, fix: 'Correct metadata_path, or leave it out to use text files beside the pictures.' });
  return undefined;
}

// ---- metadata.csv ----------------------------------------------------------------------------------------------------

async function collectFromTable(root: string, path: string, collector: Collector): Promise<void> {
  const shown = relative(process.cwd(), path).startsWith('..') ? path : relative(process.cwd(), path);
  const { rows, problems, warnings } = await readCaptionTable(path, shown);
  collector.problems.push(...problems);
  collector.warnings.push(...warnings);
  const folders = new FolderIndex(root);
  const seen = new Set<string>();
  for (const row of rows) {
    const file = await folders.find(row.name);
    if (file === undefined) collector.problems.push(await missingPicture(folders, row, shown, root));
    else if (!seen.has(file)) collector.found.push({ path: file, name: nameIn(root, file), caption: row.caption, repeats: repeatsOf(dirname(file))?.repeats ?? 1 });
    if (file !== undefined) seen.add(file);
  }
  if (rows.length === 0 && problems.length > 0) return;
  const rest = (await folders.pictures()).filter((file) => !seen.has(file));
  collector.problems.push(...rest.map((file) => withoutRow(nameIn(root, file), shown)));
}

async function missingPicture(folders: FolderIndex, { name, line }: CaptionRow, shown: string, root: string): Promise<Problem> {
  const near = await folders.similar(name);
  const fix = near === undefined ? 'Correct the name, add the picture or delete the row.' : `Did you mean "${near}"?`;
  return { where: `${shown}:${line}`, what: `names "${name}", but there is no such picture in ${root}`, fix };
}

const withoutRow = (name: string, shown: string): Problem => ({
  where: name,
  what: `picture without caption: ${shown} has no row for it`,
  fix: `Add a row: ${name},"what the picture shows"`,
});

/** The folders a table names pictures in, each read once; names compare in Unicode's composed form. */
class FolderIndex {
  private readonly listings = new Map<string, Promise<Map<string, string>>>();

  constructor(private readonly root: string) {
    void this.list(root);
  }

  /** Composed name to real path of each file of a folder. */
  private list(folder: string): Promise<Map<string, string>> {
    const known = this.listings.get(folder) ?? listFiles(folder).then((files) => new Map(files.map((file) => [basename(file).normalize('NFC'), file])));
    this.listings.set(folder, known);
    return known;
  }

  async find(name: string): Promise<string | undefined> {
    const path = isAbsolute(name) ? name : join(this.root, name);
    const direct = (await this.list(dirname(path))).get(basename(path).normalize('NFC'));
    if (direct !== undefined || !name.includes('/')) return direct;
    return this.findDecomposed(name);
  }

  /** The folders of the name may be written in the decomposed form on disk. */
  private async findDecomposed(name: string): Promise<string | undefined> {
    const path = join(this.root, name.normalize('NFD'));
    return (await this.list(dirname(path))).get(basename(name).normalize('NFC'));
  }

  /** A file that differs from `name` in case or extension only. */
  async similar(name: string): Promise<string | undefined> {
    const stem = (text: string): string => text.slice(0, text.length - extname(text).length).toLowerCase();
    const files = [...(await this.list(dirname(join(this.root, name)))).keys()].filter(isPicture);
    return files.find((file) => file.toLowerCase() === basename(name).toLowerCase()) ?? files.find((file) => stem(file) === stem(basename(name)));
  }

  async pictures(): Promise<string[]> {
    const all = await Promise.all(this.listings.values());
    return all.flatMap((files) => [...files.values()]).filter(isPicture).sort();
  }
}

// ---- text files and folders with repeats -------------------------------------------------------------------------------

async function collectFromFolders(root: string, extension: string, collector: Collector): Promise<void> {
  const suffix = extension.startsWith('.') ? extension : `.${extension}`;
  const entries = await readdir(root, { withFileTypes: true });
  await collectBeside(root, root, 1, undefined, suffix, collector);
  for (const folder of entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map((entry) => join(root, entry.name)).sort()) {
    if (!(await stat(folder)).isDirectory()) continue;
    const parts = repeatsOf(folder);
    if (parts === undefined) await warnIgnored(folder, collector);
    else if (parts.repeats === 0) collector.problems.push({ where: basename(folder), what: 'the folder repeats its pictures 0 times', fix: `Name it 1_${parts.concept}, or move it away.` });
    else await collectBeside(root, folder, parts.repeats, parts.concept, suffix, collector);
  }
}

/** `10_red lantern` → 10 and "red lantern". */
function repeatsOf(folder: string): { repeats: number; concept: string } | undefined {
  const match = /^(\d{1,6})_(.*)$/.exec(basename(folder).normalize('NFC'));
  return match === null ? undefined : { repeats: Number(match[1]), concept: plainCaption(match[2]) };
}

async function collectBeside(root: string, folder: string, repeats: number, concept: string | undefined, suffix: string, collector: Collector): Promise<void> {
  const files = await listFiles(folder);
  const texts = new Map(files.filter((file) => file.toLowerCase().endsWith(suffix.toLowerCase())).map((file) => [stemOf(file), file]));
  for (const path of files.filter(isPicture)) {
    const name = nameIn(root, path);
    const text = texts.get(stemOf(path));
    const caption = text === undefined ? concept : await readCaption(text, name, collector);
    if (caption === undefined || caption === '') collector.problems.push(captionProblem(name, text, suffix, root));
    else collector.found.push({ path, name, caption, repeats });
  }
}

const stemOf = (file: string): string => basename(file).slice(0, basename(file).length - extname(file).length).normalize('NFC');

/** The first line; a second one is mentioned. */
async function readCaption(path: string, name: string, { warnings }: Collector): Promise<string> {
  const { text, encoding } = await readText(path).catch(() => ({ text: '', encoding: 'utf-8' as const }));
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1) warnings.push(`${name}: its caption file has ${lines.length} lines; only the first is used.`);
  if (encoding !== 'utf-8') warnings.push(`${name}: its caption file is saved as ${encoding}, not as UTF-8.`);
  return plainCaption(lines[0] ?? '');
}

function captionProblem(name: string, text: string | undefined, suffix: string, root: string): Problem {
  if (text !== undefined) return { where: nameIn(root, text), what: 'the caption file is empty or not text', fix: 'Write what the picture shows, on one line, in UTF-8.' };
  const fix = `Write it to ${name.slice(0, name.length - extname(name).length)}${suffix}, or to a metadata.csv with the header filename,prompt.`;
  return { where: name, what: 'picture without caption', fix };
}

async function warnIgnored(folder: string, { warnings }: Collector): Promise<void> {
  const count = (await listFiles(folder)).filter(isPicture).length;
  if (count > 0) warnings.push(`The folder "${basename(folder)}" with ${count} pictures is not used: name it <repeats>_<name>, for example 10_${basename(folder)}, or list its pictures in metadata.csv.`);
}

// ---- files -----------------------------------------------------------------------------------------------------------

/** Files of a folder, hidden ones left out, sorted by name; none where the folder does not exist. */
async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => join(folder, entry.name)).sort();
}

const isPicture = (file: string): boolean => pictureExtensions.includes(extname(file).toLowerCase());
const nameIn = (root: string, file: string): string => plainName(relative(root, file).split(sep).join('/'));

/** Decodes every picture, four at a time; damaged ones become problems. */
async function inspectAll({ found, problems }: Collector): Promise<Sample[]> {
  const samples: Sample[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let picture = found[next++]; picture !== undefined; picture = found[next++]) {
      try {
        samples.push({ ...picture, ...(await inspectImage(picture.path)) });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(...error.problems);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  problems.sort((a, b) => collate(a.where, b.where));
  return samples.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** By place, lines by number. */
const collate = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

function twins(samples: readonly Sample[]): string[] {
  const first = new Map<string, string>();
  return samples.flatMap(({ hash, name }) => {
    const other = first.get(hash);
    if (other === undefined) first.set(hash, name);
    return other === undefined ? [] : [`${name} is the same file as ${other}.`];
  });
}

const nothingFound = (shown: string): Problem => ({
  where: shown,
  what: `the data folder holds no pictures (${pictureExtensions.map((e) => e.slice(1)).join(', ')})`,
  fix: 'Put your pictures and a metadata.csv with the header filename,prompt into it.',
});
