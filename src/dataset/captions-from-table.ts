// Captions from a table: each row finds its picture, each picture its row.
import { basename, dirname, extname, isAbsolute, join, relative } from 'node:path';
import type { Problem } from '../errors.ts';
import {
  extensionOf,
  isPicture,
  listFiles,
  nameIn,
  readable,
  repeatsOf,
  subfolders,
  warnIgnored,
  type Collector,
} from './folder-files.ts';
import { unreadExtensions } from './image.ts';
import { type CaptionRow, readCaptionTable } from './metadata-csv.ts';

export async function collectFromTable(
  root: string,
  path: string,
  collector: Collector,
): Promise<void> {
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
