// Where the pictures lie when the folder that was named is a level too high or too low, or holds
// something else.
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, extname, join, relative, sep } from 'node:path';
import { formatProblem, type Problem } from '../errors.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import { plural } from '../util/plural.ts';
import { nameIn, NOT_USED, readable, repeatsOf, type Collector } from './folder-files.ts';
import { pictureExtensions, unreadExtensions } from './image.ts';
import { CONVERT } from './unread-files.ts';

/** A folder with the number of pictures that lie in it directly, by their names. */
interface PictureFolder {
  readonly path: string;
  readonly pictures: number;
}

/** Levels below the named folder that are looked at, and folders in all. */
const DEPTH = 4;
const MOST_FOLDERS = 500;

/** The folders below `root` with pictures in them, nearest first. */
async function pictureFolders(root: string): Promise<PictureFolder[]> {
  const found: PictureFolder[] = [];
  let level = [root];
  for (let [depth, seen] = [0, 0]; depth <= DEPTH && seen < MOST_FOLDERS; depth++) {
    seen += level.length;
    const next: string[] = [];
    for (const folder of level.slice(0, MOST_FOLDERS)) {
      const { folders, files } = await entriesOf(folder);
      const pictures = files.filter(isPicture).length;
      if (pictures > 0 && folder !== root) found.push({ path: folder, pictures });
      next.push(...folders.map((name) => join(folder, name)));
    }
    level = next;
  }
  return found;
}

const isPicture = (name: string): boolean =>
  pictureExtensions.includes(extname(name).toLowerCase());

async function entriesOf(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const seen = entries.filter(({ name }) => !name.startsWith('.'));
  const names = (some: readonly Dirent[]): string[] => some.map(({ name }) => name).sort();
  return {
    folders: names(seen.filter((entry) => entry.isDirectory())),
    files: names(seen.filter((entry) => !entry.isDirectory())),
  };
}

// ---- no pictures in the named folder

/** What is there instead, and where the pictures are. `notes`: what was told of files in it. */
export async function nothingFound(
  root: string,
  shown: string,
  notes: readonly Problem[],
): Promise<Problem> {
  const below = await pictureFolders(root);
  if (below.length > 0) return { where: shown, ...fromBelow(root, shown, below) };
  const { what, fix } = contents(shown, await entriesOf(root));
  const told = fix === CONVERT_EACH ? notes.filter((note) => note.fix !== CONVERT) : notes;
  return { where: shown, what, fix: [fix, ...told.map(onOneLine)].join('\n      ') };
}

const onOneLine = (problem: Problem): string => formatProblem(problem).replace(/\s*\n\s*/g, '. ');

const SHOWN = 3;

function fromBelow(root: string, shown: string, below: readonly PictureFolder[]) {
  const shownOf = (path: string): string => join(shown, relative(root, path));
  const list = below
    .slice(0, SHOWN)
    .map(({ path, pictures }) => `${shownOf(path)} (${plural(pictures, 'picture')})`);
  const more = below.length > SHOWN ? ` and ${below.length - SHOWN} more` : '';
  const what = `the data folder itself holds no pictures; those below it are in ${list.join(', ')}${more}`;
  const parents = new Set(below.map(({ path }) => dirname(path)));
  const [parent] = parents;
  const areRepeated = below.every(({ path }) => repeatsOf(path) !== undefined);
  if (areRepeated && parents.size === 1) return { what, fix: nameIt(shownOf(parent)) };
  if (below.length === 1) return { what, fix: nameIt(shownOf(below[0].path)) };
  const fix =
    'Name one of them as train_data_dir; or put them side by side into one folder, each called <repeats>_<name>, and name that folder.';
  return { what, fix };
}

const nameIt = (folder: string): string => `Name it: train_data_dir: ${folder}`;

const CONVERT_EACH = 'Convert each to png or jpg.';

const others: readonly (readonly [RegExp, readonly [one: string, many: string], string])[] = [
  [
    /\.(zip|tar|tgz|gz|7z|rar|xz|bz2|zst)$/i,
    ['archive', 'archives'],
    'Unpack it, and name the folder with the pictures as train_data_dir.',
  ],
  [
    new RegExp(`(${unreadExtensions.join('|').replaceAll('.', '\\.')})$`, 'i'),
    ['picture of a kind that is not supported', 'pictures of a kind that is not supported'],
    CONVERT_EACH,
  ],
  [
    /\.(mp4|mov|mkv|avi|webm|m4v|mpe?g|wmv)$/i,
    ['video', 'videos'],
    'Videos are not trained: save single frames as .png, and describe each.',
  ],
  [
    /\.(jsonl|ndjson)$/i,
    ['file of texts', 'files of texts'],
    'Texts are trained with task_type: text-generation.',
  ],
  [
    /\.(parquet|arrow)$/i,
    ['data set file (Parquet, Arrow)', 'data set files (Parquet, Arrow)'],
    'Save its pictures as .png or .jpg files, with a metadata.csv of filename,prompt.',
  ],
  [
    /\.(safetensors|ckpt|gguf)$/i,
    ['model file', 'model files'],
    'Name the folder of your pictures as train_data_dir; models are base_model.',
  ],
];

function contents(shown: string, { folders, files }: { folders: string[]; files: string[] }) {
  const kinds = `(${readable})`;
  const put = 'Put your pictures and a metadata.csv with the header filename,prompt into it.';
  if (folders.length + files.length === 0)
    return { what: `the data folder is empty: it holds no pictures ${kinds}`, fix: put };
  for (const [pattern, [one, many], fix] of others) {
    const found = files.filter((name) => pattern.test(name));
    if (found.length > 0)
      return {
        what: `the data folder holds no pictures ${kinds}, but ${plural(found.length, one, many)}: ${join(shown, found[0])}${found.length > 1 ? ' …' : ''}`,
        fix,
      };
  }
  return { what: `the data folder holds no pictures ${kinds}`, fix: put };
}

// ---- pictures in other folders

/** Folders with pictures, two levels down or more, that are read neither as such nor by a table. */
export async function warnDeeper(root: string, { found, warnings }: Collector): Promise<void> {
  const used = new Set(found.map(({ path }) => dirname(path)));
  const deeper = (await pictureFolders(root)).filter(
    ({ path }) => relative(root, path).includes(sep) && !used.has(path),
  );
  warnings.push(
    ...deeper.map(({ path, pictures }) => ({
      where: nameIn(root, path),
      detail: plural(pictures, 'picture'),
      what: `${NOT_USED}, because it lies too deep`,
      fix: 'Put its pictures into train_data_dir, or into a <repeats>_<name> folder directly in it.',
    })),
  );
}

// ---- a folder with repeats that is named itself

/**
 * A `<repeats>_<name>` folder that is the data folder: only folders inside it repeat their
 * pictures, whatever the captions come from.
 */
export function ownRepeats(root: string, shown: string): FoundProblem | undefined {
  const own = repeatsOf(root);
  if (own === undefined || own.repeats === 1) return undefined;
  return {
    where: shown,
    what: `the ${own.repeats} in its name has no effect: each picture is trained once an epoch, because only folders inside train_data_dir repeat theirs`,
    fix: `For ${own.repeats} repeats, name the folder above it: train_data_dir: ${dirname(shown)}`,
  };
}

/** Where its pictures have no captions: the name would be one from the folder above. */
export function ownConcept(root: string, shown: string): Problem | undefined {
  const own = repeatsOf(root);
  if (own === undefined || own.concept === '') return undefined;
  return {
    where: shown,
    what: `"${own.concept}", of its name, is a caption only where the folder above it is named`,
    fix: `To caption all its pictures with it: train_data_dir: ${dirname(shown)}`,
  };
}

/** Folders whose pictures a table describes and their names repeat 0 times. */
export function neverShown({ shown, found }: Collector): Problem[] {
  const names = found.filter(({ repeats }) => repeats === 0).map(({ name }) => name.split('/')[0]);
  return [...new Set(names)].map((folder) => noRepeats(shown, folder));
}

/** `folder`: its name in the data folder. */
export const noRepeats = (shown: string, folder: string): Problem => ({
  where: join(shown, folder),
  what: 'the folder repeats its pictures 0 times',
  fix: `Name it 1_${repeatsOf(folder)?.concept ?? folder}, or move it away.`,
});

/** Tables of captions in the folders of the pictures, where none is read. */
export async function tablesBelow(
  root: string,
  { found }: Collector,
): Promise<(FoundProblem & { path: string })[]> {
  const folders = new Set(found.map(({ path }) => dirname(path)));
  folders.delete(root);
  const tables: (FoundProblem & { path: string })[] = [];
  for (const folder of folders)
    for (const name of (await entriesOf(folder)).files.filter((one) =>
      /^metadata\.csv$/i.test(one),
    ))
      tables.push({
        path: join(folder, name),
        where: nameIn(root, join(folder, name)),
        what: 'this table of captions is not read, because it does not lie in train_data_dir itself',
        fix: 'Put one table for all folders into train_data_dir, with names such as 10_lamp/a.png.',
      });
  return tables;
}
