// Finds the pictures that a table names, also where it names them otherwise than they are called
// here: by paths of another machine, with other endings, or with characters that look alike.
import { basename, dirname, extname, isAbsolute, join, posix } from 'node:path';
import { alikeTo, nearest } from '../util/look-alike.ts';
import { listFolder, nameIn, subfolders, type FolderFiles } from './folder-files.ts';
import { pictureExtensions, unreadExtensions } from './image.ts';

export interface FoundPicture {
  readonly file: string;
  /** Whether the name in the table is that of the file, in either Unicode form. */
  readonly isNamed: boolean;
}

/** None, one, or several, of which it is not clear which is meant. */
export type Finding = readonly FoundPicture[];

/** The folders a table names pictures in, each listed once. */
export class PictureFinder {
  readonly #listings = new Map<string, Promise<FolderFiles>>();
  /** Folders whose pictures all need rows. */
  readonly #named = new Set<string>();

  constructor(private readonly root: string) {
    this.#named.add(root);
  }

  #list(folder: string): Promise<FolderFiles> {
    const known = this.#listings.get(folder) ?? listFolder(folder);
    this.#listings.set(folder, known);
    return known;
  }

  async find(name: string): Promise<Finding> {
    const variants = variantsOf(name);
    for (const match of [byName, byStem])
      for (const variant of variants) {
        const files = await this.#matches(variant, match);
        if (files.length > 0) return files.map((file) => this.#found(name, file));
      }
    return [];
  }

  #found(name: string, file: string): FoundPicture {
    this.#named.add(dirname(file));
    const written = [name, plainPath(name)].map((text) => text.normalize('NFC'));
    const called = [file, nameIn(this.root, file)].map((text) => text.normalize('NFC'));
    return { file, isNamed: called.some((text) => written.includes(text)) };
  }

  async #matches(variant: string, match: Match): Promise<readonly string[]> {
    const folders = await this.#foldersOf(variant);
    const all = await Promise.all(
      folders.map(async (folder) => match(basename(variant), await this.#list(folder))),
    );
    return all.flat();
  }

  /** The folder of a name: as it is written, or else those whose names look like it. */
  async #foldersOf(name: string): Promise<readonly string[]> {
    const direct = isAbsolute(name) ? dirname(name) : join(this.root, dirname(name));
    if ((await this.#list(direct)).all.length > 0) {
      if (!isAbsolute(name)) this.#named.add(direct);
      return [direct];
    }
    const parts = dirname(name).split('/');
    if (isAbsolute(name) || parts.includes('..') || parts[0] === '.') return [];
    let folders: readonly string[] = [this.root];
    for (const part of parts) {
      const inside = (await Promise.all(folders.map(subfolders))).flat();
      const alike = alikeTo(part, [...new Set(inside.map((path) => basename(path)))]);
      folders = inside.filter((path) => alike.includes(basename(path)));
    }
    return folders;
  }

  async isUnread(file: string): Promise<boolean> {
    return (await this.#list(dirname(file))).unread.includes(file);
  }

  isNamed(folder: string): boolean {
    return this.#named.has(folder);
  }

  /** What may have been meant by a name that is not found: first of `files`, then elsewhere. */
  async similar(name: string, files: readonly string[]): Promise<string | undefined> {
    const wanted = basename(plainPath(name));
    const near = nearest(
      wanted,
      files.map((file) => basename(file)),
    );
    if (near !== undefined) return files.find((file) => basename(file) === near);
    for (const folder of await subfolders(this.root)) {
      const [found] = byName(wanted, await this.#list(folder));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** All pictures of the folders that were named. */
  async pictures(): Promise<string[]> {
    return (await this.files(({ pictures }) => pictures)).sort();
  }

  async files(some: (listing: FolderFiles) => readonly string[] = ({ all }) => all) {
    const listings = await Promise.all([...this.#named].map((folder) => this.#list(folder)));
    return [...new Set(listings.flatMap(some))].sort();
  }
}

type Match = (wanted: string, listing: FolderFiles) => readonly string[];

/** Files that are no pictures are found by their very name alone. */
const byName: Match = (wanted, { all, pictures, unread }) => {
  const exact = all.find((file) => basename(file) === wanted);
  if (exact !== undefined) return [exact];
  return filesNamed(wanted, [...pictures, ...unread], (file) => basename(file));
};

/** `a` and `a.jpg` are a.png where there is no other. */
const byStem: Match = (wanted, { pictures }) => {
  const whole = filesNamed(wanted, pictures, stemOnDisk);
  const ending = extname(wanted).toLowerCase().trim();
  if (whole.length > 0 || ![...pictureExtensions, ...unreadExtensions].includes(ending))
    return whole;
  return filesNamed(stemOnDisk(wanted), pictures, stemOnDisk);
};

const stemOnDisk = (file: string): string => basename(file, extname(file));

function filesNamed(wanted: string, files: readonly string[], nameOf: (file: string) => string) {
  const names = alikeTo(wanted, [...new Set(files.map(nameOf))]);
  return files.filter((file) => names.includes(nameOf(file)));
}

/** Forward slashes, without `./` at the beginning and folders that are left again. */
const plainPath = (name: string): string => posix.normalize(name.replaceAll('\\', '/'));

/** The names that one may stand for, the likeliest first. */
function variantsOf(name: string): string[] {
  const bare = name.trim().replace(/^(["'“‘„])(.*)["'”’“]$/u, '$2');
  const paths = [name, plainPath(name), plainPath(bare), plainPath(decoded(bare))];
  return [...new Set(paths.flatMap((path) => [path, ...endsOf(path)]))].filter(
    (path) => !/^\.*$|\/\.*$/.test(path),
  );
}

/** `C:/pics/cats/a.png` may be `pics/cats/a.png`, `cats/a.png` or `a.png` here. */
function endsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '..' && part !== '');
  return parts.slice(1).map((_, i) => parts.slice(i + 1).join('/'));
}

/** `a%20b.png`, `file:///pics/a.png` and `https://x.org/a.png?size=9` as links have them. */
function decoded(name: string): string {
  try {
    const path = /^https?:/i.test(name) ? name.replace(/[?#].*/, '') : name;
    return decodeURIComponent(path.replace(/^file:\/*/i, '/'));
  } catch {
    return name; // a percent sign of its own
  }
}
