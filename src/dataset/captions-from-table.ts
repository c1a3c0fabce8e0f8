// Captions from a table: each row finds its picture, each picture its row.
import { basename, dirname, extname, isAbsolute, join, relative } from 'node:path';
import type { Problem } from '../errors.ts';
import {
  listFolder,
  nameIn,
  readable,
  repeatsOf,
  stemOf,
  subfolders,
  warnIgnored,
  type Collector,
  type FolderFiles,
} from './folder-files.ts';
import { type CaptionRow, readCaptionTable } from './metadata-csv.ts';

/** `suffix`: the ending of caption files, of which none is read beside a table. */
export async function collectFromTable(
  root: string,
  path: string,
  suffix: string,
  collector: Collector,
): Promise<void> {
  const shown = relative(process.cwd(), path).startsWith('..')
    ? path
    : relative(process.cwd(), path);
  const { rows, problems, warnings } = await readCaptionTable(path, shown);
  collector.problems.push(...problems);
  collector.warnings.push(...warnings);
  const folders = new FolderIndex(root);
  const lines = new Map<string, CaptionRow>();
  for (const row of rows) {
    const file = await folders.find(row.name);
    if (file === undefined)
      collector.problems.push(await missingPicture(folders, row, shown, root));
    else if (await folders.isUnread(file)) collector.problems.push(unreadPicture(row, shown));
    else addRow(row, file, lines.get(file), { root, shown, collector });
    if (file !== undefined && !lines.has(file)) lines.set(file, row);
  }
  if (rows.length === 0 && problems.length > 0) return;
  const rest = (await folders.pictures()).filter((file) => !lines.has(file));
  collector.problems.push(
    ...rest.map((file) => withoutRow(collector.shown, nameIn(root, file), shown)),
  );
  await warnUnusedTexts(folders, [...lines.keys()], suffix, { root, shown, collector });
  for (const folder of await subfolders(root)) {
    if (!folders.hasRead(folder))
      await warnIgnored(folder, `List its pictures in ${shown}.`, collector);
  }
}

interface Place {
  readonly root: string;
  /** The table, in messages. */
  readonly shown: string;
  readonly collector: Collector;
}

function addRow(
  { name, caption, line }: CaptionRow,
  file: string,
  earlier: CaptionRow | undefined,
  { root, shown, collector }: Place,
): void {
  if (earlier === undefined)
    collector.found.push({
      path: file,
      name: nameIn(root, file),
      caption,
      repeats: repeatsOf(dirname(file))?.repeats ?? 1,
    });
  else if (earlier.name !== name)
    // the same name twice is a fault that the table has told already
    collector.problems.push({
      where: `${shown}:${line}`,
      what: `"${name}" is the picture that line ${earlier.line} names "${earlier.name}"`,
      fix: 'Delete one of the two rows.',
    });
}

/** Caption files beside pictures that a table describes. */
async function warnUnusedTexts(
  folders: FolderIndex,
  pictures: readonly string[],
  suffix: string,
  { root, shown, collector }: Place,
): Promise<void> {
  const stems = new Set(pictures.map((file) => join(dirname(file), stemOf(file))));
  const texts = (await folders.files()).filter(
    (file) =>
      file.toLowerCase().endsWith(suffix.toLowerCase()) &&
      stems.has(join(dirname(file), stemOf(file))),
  );
  for (const text of texts)
    collector.warnings.push({
      where: nameIn(root, text),
      what: `not used, because ${shown} has the captions`,
    });
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
  what: `names "${name}", and ${extname(name).slice(1).toLowerCase()} files are not supported`,
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

/** Names compare in Unicode's composed form. */
interface Listing extends FolderFiles {
  readonly byName: ReadonlyMap<string, string>;
}

/** The folders a table names pictures in, each read once. */
class FolderIndex {
  private readonly listings = new Map<string, Promise<Listing>>();

  constructor(private readonly root: string) {
    void this.list(root);
  }

  private list(folder: string): Promise<Listing> {
    const known =
      this.listings.get(folder) ??
      listFolder(folder).then((files) => ({
        ...files,
        byName: new Map(files.all.map((file) => [tableName(file), file])),
      }));
    this.listings.set(folder, known);
    return known;
  }

  async find(name: string): Promise<string | undefined> {
    const path = isAbsolute(name) ? name : join(this.root, name);
    const direct = (await this.list(dirname(path))).byName.get(tableName(path));
    if (direct !== undefined || !name.includes('/')) return direct;
    return this.findDecomposed(name);
  }

  /** The folders of the name may be written in the decomposed form on disk. */
  private async findDecomposed(name: string): Promise<string | undefined> {
    const path = join(this.root, name.normalize('NFD'));
    return (await this.list(dirname(path))).byName.get(tableName(name));
  }

  async isUnread(file: string): Promise<boolean> {
    return (await this.list(dirname(file))).unread.includes(file);
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
    const { pictures } = await this.list(dirname(join(this.root, name)));
    const names = pictures.map(tableName);
    const stem = stemOf(name).toLowerCase();
    return (
      names.find((file) => file.toLowerCase() === basename(name).toLowerCase()) ??
      names.find((file) => stemOf(file).toLowerCase() === stem)
    );
  }

  async pictures(): Promise<string[]> {
    const all = await Promise.all(this.listings.values());
    return all.flatMap(({ pictures }) => pictures).sort();
  }

  async files(): Promise<string[]> {
    const all = await Promise.all(this.listings.values());
    return all.flatMap((listing) => listing.all).sort();
  }
}
