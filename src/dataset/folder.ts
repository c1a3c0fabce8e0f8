// A folder of pictures with metadata.csv, with text files beside them, or in `<repeats>_<name>`
// folders, as a list of samples.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DataError, type Problem, UserError } from '../errors.ts';
import { type CaptionRow, plainCaption, plainName, readCaptionTable } from './metadata-csv.ts';
import { inspectImage, pictureExtensions, unreadExtensions } from './image.ts';
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
  /** The folder as the user named it, for messages. */
  readonly shown: string;
  readonly found: Found[];
  readonly problems: Problem[];
  readonly warnings: string[];
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
          (await readdir(root)).find((name) => name.toLowerCase() === 'metadata.csv') ??
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

// ---- metadata.csv

async function collectFromTable(root: string, path: string, collector: Collector): Promise<void> {
  const shown = relative(process.cwd(), path).startsWith('..')
    ? path
    : relative(process.cwd(), path);
  const { rows, problems, warnings } = await readCaptionTable(path, shown);
  collector.problems.push(...problems);
  collector.warnings.push(...warnings);
  const folders = new FolderIndex(root);
  const seen = new Set<string>();
  for (const row of rows) {
    const file = await folders.find(row.name);
    if (file === undefined)
      collector.problems.push(await missingPicture(folders, row, shown, root));
    else if (unreadExtensions.includes(extensionOf(file)))
      collector.problems.push(unreadPicture(row, shown));
    else if (!seen.has(file))
      collector.found.push({
        path: file,
        name: nameIn(root, file),
        caption: row.caption,
        repeats: repeatsOf(dirname(file))?.repeats ?? 1,
      });
    if (file !== undefined) seen.add(file);
  }
  if (rows.length === 0 && problems.length > 0) return;
  const rest = (await folders.pictures()).filter((file) => !seen.has(file));
  collector.problems.push(
    ...rest.map((file) => withoutRow(collector.shown, nameIn(root, file), shown)),
  );
  for (const folder of await subfolders(root)) {
    if (!folders.hasRead(folder))
      await warnIgnored(folder, `list its pictures in ${shown}`, collector);
  }
}

async function missingPicture(
  folders: FolderIndex,
  { name, line }: CaptionRow,
  shown: string,
  root: string,
): Promise<Problem> {
  const near = await folders.similar(name);
  const fix =
    near === undefined
      ? 'Correct the name, add the picture or delete the row.'
      : `Did you mean "${near}"?`;
  return {
    where: `${shown}:${line}`,
    what: `names "${name}", but there is no such picture in ${root}`,
    fix,
  };
}

const unreadPicture = ({ name, line }: CaptionRow, shown: string): Problem => ({
  where: `${shown}:${line}`,
  what: `names "${name}", and ${extname(name).slice(1).toLowerCase()} files are not read`,
  fix: `Convert it to png or jpg, and name that file here. (${readable})`,
});

const withoutRow = (folder: string, name: string, shown: string): Problem => ({
  where: join(folder, name),
  what: `picture without caption: ${shown} has no row for it`,
  fix: `Add a row: ${name},"what the picture shows"`,
});

/**
 * A file's name as tables have it: composed, without the spaces at its ends that spreadsheets drop.
 */
const tableName = (file: string): string => basename(file).normalize('NFC').trim();

/**
 * The folders a table names pictures in, each read once; names compare in Unicode's composed form.
 */
class FolderIndex {
  private readonly listings = new Map<string, Promise<Map<string, string>>>();

  constructor(private readonly root: string) {
    void this.list(root);
  }

  /** Composed name to real path of each file of a folder. */
  private list(folder: string): Promise<Map<string, string>> {
    const known =
      this.listings.get(folder) ??
      listFiles(folder).then((files) => new Map(files.map((file) => [tableName(file), file])));
    this.listings.set(folder, known);
    return known;
  }

  async find(name: string): Promise<string | undefined> {
    const path = isAbsolute(name) ? name : join(this.root, name);
    const direct = (await this.list(dirname(path))).get(tableName(path));
    if (direct !== undefined || !name.includes('/')) return direct;
    return this.findDecomposed(name);
  }

  /** The folders of the name may be written in the decomposed form on disk. */
  private async findDecomposed(name: string): Promise<string | undefined> {
    const path = join(this.root, name.normalize('NFD'));
    return (await this.list(dirname(path))).get(tableName(name));
  }

  hasRead(folder: string): boolean {
    return (
      this.listings.has(folder) ||
      this.listings.has(folder.normalize('NFC')) ||
      this.listings.has(folder.normalize('NFD'))
    );
  }

  /** A file that differs from `name` in case or extension only. */
  async similar(name: string): Promise<string | undefined> {
    const stem = (text: string): string =>
      text.slice(0, text.length - extname(text).length).toLowerCase();
    const files = [...(await this.list(dirname(join(this.root, name)))).keys()].filter(isPicture);
    return (
      files.find((file) => file.toLowerCase() === basename(name).toLowerCase()) ??
      files.find((file) => stem(file) === stem(basename(name)))
    );
  }

  async pictures(): Promise<string[]> {
    const all = await Promise.all(this.listings.values());
    return all
      .flatMap((files) => [...files.values()])
      .filter(isPicture)
      .sort();
  }
}

// ---- text files and folders with repeats

async function collectFromFolders(
  root: string,
  extension: string,
  collector: Collector,
): Promise<void> {
  const suffix = extension.startsWith('.') ? extension : `.${extension}`;
  await collectBeside(root, root, 1, undefined, suffix, collector);
  for (const folder of await subfolders(root)) {
    const parts = repeatsOf(folder);
    if (parts === undefined)
      await warnIgnored(
        folder,
        `name it <repeats>_<name>, for example 10_${basename(folder)}, or list its pictures in metadata.csv`,
        collector,
      );
    else if (parts.repeats === 0)
      collector.problems.push({
        where: join(collector.shown, basename(folder)),
        what: 'the folder repeats its pictures 0 times',
        fix: `Name it 1_${parts.concept}, or move it away.`,
      });
    else await collectBeside(root, folder, parts.repeats, parts.concept, suffix, collector);
  }
  if (collector.problems.some(({ what }) => what === withoutCaption))
    await explainTables(root, collector);
}

/** Folders and links to folders, hidden ones left out, sorted by name. */
async function subfolders(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(root, entry.name))
    .sort();
  const isFolder = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      ),
    ),
  ); // a link may lead nowhere
  return paths.filter((_, i) => isFolder[i]);
}

/**
 * Tables of captions under names or in forms that are not read: the likely reason why pictures lack
 * captions.
 */
async function explainTables(root: string, { problems, shown }: Collector): Promise<void> {
  const tables = (await readdir(root)).filter((name) =>
    /^metadata\.(csv\.txt|jsonl?|xlsx?|ods|tsv|txt)$/i.test(name),
  );
  for (const name of tables)
    problems.push({
      where: join(shown, name),
      what: 'this table is not read',
      fix: 'The table of captions is called metadata.csv, a CSV file with the header filename,prompt.',
    });
}

/** `10_red lantern` → 10 and "red lantern". */
function repeatsOf(folder: string): { repeats: number; concept: string } | undefined {
  const match = /^(\d{1,6})_(.*)$/.exec(basename(folder).normalize('NFC'));
  return match === null
    ? undefined
    : { repeats: Number(match[1]), concept: plainCaption(match[2]) };
}

async function collectBeside(
  root: string,
  folder: string,
  repeats: number,
  concept: string | undefined,
  suffix: string,
  collector: Collector,
): Promise<void> {
  const files = await listFiles(folder);
  const texts = new Map(
    files
      .filter((file) => file.toLowerCase().endsWith(suffix.toLowerCase()))
      .map((file) => [stemOf(file), file]),
  );
  for (const path of files.filter(isPicture)) {
    const name = nameIn(root, path);
    const text = texts.get(stemOf(path));
    const caption = text === undefined ? concept : await readCaption(text, name, collector);
    if (caption === undefined || caption === '')
      collector.problems.push(
        captionProblem(collector.shown, name, text && nameIn(root, text), suffix),
      );
    else collector.found.push({ path, name, caption, repeats });
  }
}

const stemOf = (file: string): string =>
  basename(file)
    .slice(0, basename(file).length - extname(file).length)
    .normalize('NFC');

/** The first line; a second one is mentioned. */
async function readCaption(path: string, name: string, { warnings }: Collector): Promise<string> {
  const { text, encoding } = await readText(path).catch(() => ({
    text: '',
    encoding: 'utf-8' as const,
  }));
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1)
    warnings.push(`${name}: its caption file has ${lines.length} lines; only the first is used.`);
  if (encoding !== 'utf-8')
    warnings.push(`${name}: its caption file is saved as ${encoding}, not as UTF-8.`);
  return plainCaption(lines[0] ?? '');
}

const withoutCaption = 'picture without caption';

function captionProblem(
  folder: string,
  name: string,
  text: string | undefined,
  suffix: string,
): Problem {
  if (text !== undefined)
    return {
      where: join(folder, text),
      what: 'the caption file is empty or not text',
      fix: 'Write what the picture shows, on one line, in UTF-8.',
    };
  const fix = `Write it to ${name.slice(0, name.length - extname(name).length)}${suffix}, or to a metadata.csv with the header filename,prompt.`;
  return { where: join(folder, name), what: withoutCaption, fix };
}

async function warnIgnored(folder: string, remedy: string, { warnings }: Collector): Promise<void> {
  const count = (await listFiles(folder)).filter(isPicture).length;
  if (count > 0)
    warnings.push(
      `The folder "${basename(folder)}" with ${count} ${count === 1 ? 'picture' : 'pictures'} is not used: ${remedy}.`,
    );
}

/** Pictures of formats that are not read are named, not passed over in silence. */
async function warnUnread(root: string, { warnings }: Collector): Promise<void> {
  const folders = [
    root,
    ...(await subfolders(root)).filter((folder) => repeatsOf(folder) !== undefined),
  ];
  const files = (await Promise.all(folders.map(listFiles)))
    .flat()
    .filter((file) => unreadExtensions.includes(extensionOf(file)));
  if (files.length === 0) return;
  const kinds = [...new Set(files.map((file) => extensionOf(file).slice(1)))].join(', ');
  const named = files
    .slice(0, 5)
    .map((file) => nameIn(root, file))
    .join(', ');
  warnings.push(
    `${files.length} ${files.length === 1 ? 'file is' : 'files are'} not used, because ${kinds} is not read: ${named}${files.length > 5 ? ', …' : ''}. Convert to png or jpg.`,
  );
}

// ---- files

/**
 * Files of a folder, hidden ones left out, sorted by name; none where the folder does not exist.
 */
async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(folder, entry.name))
    .sort();
}

const extensionOf = (file: string): string => extname(file).toLowerCase();
const isPicture = (file: string): boolean => pictureExtensions.includes(extensionOf(file));
const readable = pictureExtensions.map((extension) => extension.slice(1)).join(', ');
const nameIn = (root: string, file: string): string =>
  plainName(relative(root, file).split(sep).join('/'));

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

const nothingFound = ({ shown, warnings }: Collector): Problem => ({
  where: shown,
  what: `the data folder holds no pictures (${readable})`,
  fix: [
    'Put your pictures and a metadata.csv with the header filename,prompt into it.',
    ...warnings,
  ].join('\n      '),
});
