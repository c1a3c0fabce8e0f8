// What lies in a data folder: its files, its pictures, its folders with repeats.
import { open, readdir, stat } from 'node:fs/promises';
import { basename, extname, isAbsolute, join, relative, sep } from 'node:path';
import type { Problem } from '../errors.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import { pictureExtensions, unreadExtensions } from './image.ts';
import { plainCaption } from './caption.ts';
import { fileKind } from './picture-format.ts';
import { CONVERT } from './unread-files.ts';

/** A picture with its caption, before its file is looked into. */
export interface Found {
  readonly path: string;
  readonly name: string;
  readonly caption: string;
  readonly repeats: number;
}

/** What one look at the data collects. */
export interface Collector {
  /** The folder as the user named it, for messages. */
  readonly shown: string;
  readonly found: Found[];
  readonly problems: Problem[];
  readonly warnings: FoundProblem[];
}

/** The files of one folder, hidden ones left out, each list sorted by name. */
export interface FolderFiles {
  readonly all: readonly string[];
  /** By their names or, where those say otherwise, by their first bytes. */
  readonly pictures: readonly string[];
  /** Pictures of formats that are not read. */
  readonly unread: readonly string[];
}

/** None where the folder does not exist. */
export async function listFolder(folder: string): Promise<FolderFiles> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const all = entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(folder, entry.name))
    .sort();
  const sorts: Sort[] = [];
  for (const file of all) sorts.push(await sortOf(file)); // open files are few on some machines
  return {
    all,
    pictures: all.filter((_, i) => sorts[i] === 'picture'),
    unread: all.filter((_, i) => sorts[i] === 'unread'),
  };
}

type Sort = 'picture' | 'unread' | 'other';

/** Raw photos begin as TIFF files do, so these need their names. */
const toldByBytes = ['png', 'jpeg', 'webp', 'gif', 'avif'];
const texts = ['.txt', '.csv', '.json', '.jsonl', '.caption', '.md', '.yaml', '.yml', '.npz'];
const HEAD = 4096;

/** A photo that an app saved as `.heic` may be a JPEG, and a file without an ending a PNG. */
async function sortOf(file: string): Promise<Sort> {
  const extension = extensionOf(file);
  if (pictureExtensions.includes(extension)) return 'picture';
  if (texts.includes(extension)) return 'other';
  const kind = fileKind(await headOf(file));
  if ('format' in kind && toldByBytes.includes(kind.format)) return 'picture';
  return unreadExtensions.includes(extension) ? 'unread' : 'other';
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return new Uint8Array();
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD), 0, HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return new Uint8Array(); // a folder behind a link
  } finally {
    await file.close();
  }
}

const extensionOf = (file: string): string => extname(file).toLowerCase();
/** A name without its ending, in Unicode's composed form. */
export const stemOf = (file: string): string =>
  basename(file)
    .slice(0, basename(file).length - extname(file).length)
    .normalize('NFC');
export const readable = pictureExtensions.map((extension) => extension.slice(1)).join(', ');
/** Relative, with forward slashes. */
export const nameIn = (root: string, file: string): string =>
  relative(root, file).split(sep).join('/');

/** Folders and links to folders, hidden ones left out, sorted by name. */
export async function subfolders(root: string): Promise<string[]> {
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

/** `10_red lantern` → 10 and "red lantern". */
export function repeatsOf(folder: string): { repeats: number; concept: string } | undefined {
  const match = /^(\d{1,6})_(.*)$/.exec(basename(folder).normalize('NFC'));
  return match === null
    ? undefined
    : { repeats: Number(match[1]), concept: plainCaption(match[2]) };
}

/** Of a file in a data folder: only the folders directly in it repeat their pictures. */
export function repeatsWithin(root: string, file: string): number {
  const [first, ...rest] = relative(root, file).split(sep);
  const isInside = rest.length > 0 && first !== '..' && !isAbsolute(first);
  return (isInside ? repeatsOf(first)?.repeats : undefined) ?? 1;
}

export const NOT_USED = 'this folder is not used';

export async function warnIgnored(
  folder: string,
  fix: string,
  { warnings }: Collector,
): Promise<void> {
  const { pictures } = await listFolder(folder);
  if (pictures.length === 0) return;
  const detail = `${pictures.length} ${pictures.length === 1 ? 'picture' : 'pictures'}`;
  warnings.push({ where: basename(folder), detail, what: NOT_USED, fix });
}

/** Pictures of formats that are not read are named, not passed over in silence. */
export async function warnUnread(root: string, { warnings }: Collector): Promise<void> {
  const repeated = (await subfolders(root)).filter((folder) => repeatsOf(folder) !== undefined);
  for (const folder of [root, ...repeated])
    for (const file of (await listFolder(folder)).unread)
      warnings.push({
        where: nameIn(root, file),
        what: `not used, because ${extensionOf(file).slice(1)} files are not supported`,
        fix: CONVERT,
      });
}
