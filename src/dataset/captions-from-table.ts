// Captions from a table: each row finds its picture, each picture its row.
import { dirname, extname, join, relative } from 'node:path';
import type { Problem } from '../errors.ts';
import { apart, apartFrom, lookOf } from '../util/look-alike.ts';
import {
  nameIn,
  readable,
  repeatsWithin,
  stemOf,
  subfolders,
  warnIgnored,
  type Collector,
} from './folder-files.ts';
import { type CaptionRow, readCaptionTable } from './metadata-csv.ts';
import { type Finding, PictureFinder } from './picture-finder.ts';

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
  const place: Place = { root, shown, collector };
  const finder = new PictureFinder(root);
  const { lines, missing } = await claimPictures(finder, rows, place);
  if (rows.length === 0 && problems.length > 0) return;
  if (missing.length === rows.length && (await areSwapped(finder, missing))) {
    collector.problems.push(swapped(shown));
    return;
  }
  const rest = (await finder.pictures()).filter((file) => !lines.has(file));
  const meant = new Set<string>();
  for (const row of missing) {
    const similar = await finder.similar(row.name, rest);
    if (similar !== undefined) meant.add(similar);
    collector.problems.push(missingPicture(row, similar, place));
  }
  const without = rest.filter((file) => !meant.has(file));
  collector.problems.push(...without.map((file) => withoutRow(nameIn(root, file), place, lines)));
  await warnUnusedTexts(finder, [...lines.keys()], suffix, place);
  for (const folder of await subfolders(root)) {
    if (!finder.isNamed(folder))
      await warnIgnored(folder, `List its pictures in ${shown}.`, collector);
  }
}

/** Rows that are enough to see what stands in a column. */
const ENOUGH_ROWS = 5;

/** Whether the captions of rows without a picture are names of pictures. */
async function areSwapped(finder: PictureFinder, rows: readonly CaptionRow[]): Promise<boolean> {
  for (const { caption } of rows.slice(0, ENOUGH_ROWS))
    if ((await finder.find(caption)).length === 0) return false;
  return rows.length > 0;
}

const swapped = (table: string): Problem => ({
  where: `${table}:1`,
  what: 'the headings of the columns are swapped: the captions stand under the heading for names, and the names of the pictures under that for captions',
  fix: 'Swap the two headings in the first line.',
});

interface Place {
  readonly root: string;
  /** The table, in messages. */
  readonly shown: string;
  readonly collector: Collector;
}

/** Each picture with its row, and the rows that have none. */
async function claimPictures(finder: PictureFinder, rows: readonly CaptionRow[], place: Place) {
  const lines = new Map<string, CaptionRow>();
  const missing: CaptionRow[] = [];
  const { problems, warnings } = place.collector;
  for (const row of rows) {
    const found = await finder.find(row.name);
    const [{ file, isNamed } = { file: undefined, isNamed: true }] = found;
    if (file === undefined) missing.push(row);
    else if (found.length > 1) problems.push(unclear(row, found, place));
    else if (await finder.isUnread(file)) problems.push(unreadPicture(row, place.shown));
    else addRow(row, file, lines.get(file), place);
    if (!isNamed && found.length === 1) warnings.push(foundNote(row, file ?? '', place));
    for (const { file } of found) if (!lines.has(file)) lines.set(file, row);
  }
  return { lines, missing };
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
      repeats: repeatsWithin(root, file),
    });
  else if (earlier.name !== name)
    // the same name twice is a fault that the table has told already
    collector.problems.push({
      where: `${shown}:${line}`,
      what: `"${apartFrom(name, earlier.name)}" is the picture that line ${earlier.line} names "${apartFrom(earlier.name, name)}"`,
      fix: 'Delete one of the two rows.',
    });
}

/** Caption files beside pictures that a table describes. */
async function warnUnusedTexts(
  finder: PictureFinder,
  pictures: readonly string[],
  suffix: string,
  { root, shown, collector }: Place,
): Promise<void> {
  const stems = new Set(pictures.map((file) => join(dirname(file), stemOf(file))));
  const texts = (await finder.files()).filter(
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

/** A row without a picture; `similar`: one that may be meant. */
function missingPicture(
  { name, line }: CaptionRow,
  similar: string | undefined,
  { root, shown, collector }: Place,
): Problem {
  const near = similar === undefined ? undefined : nameIn(root, similar);
  return {
    where: `${shown}:${line}`,
    what: `names "${apartFrom(name, near ?? '')}", but there is no such picture in ${collector.shown}`,
    fix:
      near === undefined
        ? 'Correct the name, add the picture or delete the row.'
        : `Did you mean "${apartFrom(near, name)}"?`,
  };
}

/** A name that several pictures here may have. */
const unclear = ({ name, line }: CaptionRow, found: Finding, { root, shown }: Place): Problem => {
  const files = found.map(({ file }) => nameIn(root, file));
  return {
    where: `${shown}:${line}`,
    what: `names "${apartFrom(name, files[0])}", which may be ${files.map((file) => `"${apartFrom(file, name)}"`).join(' or ')}`,
    fix: 'Write the name of the one that is meant.',
  };
};

/** The picture was found although it is called otherwise. */
const foundNote = ({ name, line }: CaptionRow, file: string, { root, shown }: Place) => {
  const [written, called] = apart(name, nameIn(root, file));
  return {
    where: `${shown}:${line}`,
    detail: `"${written}" is "${called}"`,
    kind: 'picture of another name',
    what: 'the table gives the picture a different name from the one it has here; it was found, and is used',
    fix: `Other programs may not find it: write "${called}" in the table.`,
  };
};

const unreadPicture = ({ name, line }: CaptionRow, shown: string): Problem => ({
  where: `${shown}:${line}`,
  what: `names "${name}", and ${extname(name).slice(1).toLowerCase()} files are not supported`,
  fix: `Convert it to png or jpg, and name that file here. (${readable})`,
});

/** `lines`: the pictures that have rows, of which one may look the same by its name. */
function withoutRow(
  name: string,
  { root, shown, collector }: Place,
  lines: ReadonlyMap<string, CaptionRow>,
): Problem {
  const claimed = [...lines].map(([file, { line }]) => ({ other: nameIn(root, file), line }));
  const twin = claimed.find(({ other }) => lookOf(other) === lookOf(name));
  const called = apartFrom(name, twin?.other ?? '');
  const why =
    twin === undefined
      ? ''
      : `; line ${twin.line} is for "${apartFrom(twin.other, name)}", which looks the same`;
  return {
    where: join(collector.shown, called),
    what: `picture without caption: ${shown} has no row for it${why}`,
    fix: `Add a row: ${name},"what the picture shows"`,
  };
}
