// What lies in a data folder: its files, its pictures, its folders with repeats.
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import type { Problem } from '../errors.ts';
import { pictureExtensions, unreadExtensions } from './image.ts';
import { plainCaption, plainName } from './metadata-csv.ts';

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
  readonly warnings: string[];
}

// ---- files

/**
 * Files of a folder, hidden ones left out, sorted by name; none where the folder does not exist.
 */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(folder, entry.name))
    .sort();
}

export const extensionOf = (file: string): string => extname(file).toLowerCase();
export const isPicture = (file: string): boolean => pictureExtensions.includes(extensionOf(file));
export const readable = pictureExtensions.map((extension) => extension.slice(1)).join(', ');
export const nameIn = (root: string, file: string): string =>
  plainName(relative(root, file).split(sep).join('/'));

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

export async function warnIgnored(
  folder: string,
  remedy: string,
  { warnings }: Collector,
): Promise<void> {
  const count = (await listFiles(folder)).filter(isPicture).length;
  if (count > 0)
    warnings.push(
      `The folder "${basename(folder)}" with ${count} ${count === 1 ? 'picture' : 'pictures'} is not used: ${remedy}.`,
    );
}

/** Pictures of formats that are not read are named, not passed over in silence. */
export async function warnUnread(root: string, { warnings }: Collector): Promise<void> {
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
