// Captions from text files beside the pictures, and from the names of folders with repeats.
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Problem } from '../errors.ts';
import { alikeTo, apart, apartFrom, lookOf, nearest } from '../util/look-alike.ts';
import {
  listFolder,
  nameIn,
  repeatsOf,
  stemOf,
  subfolders,
  warnIgnored,
  type Collector,
} from './folder-files.ts';
import { noRepeats } from './picture-levels.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import { readCaption } from './caption.ts';
import { readTexts } from './text-file.ts';

export async function collectFromFolders(
  root: string,
  suffix: string,
  collector: Collector,
): Promise<void> {
  const pictures = await picturesIn(
    { root, folder: root, suffix },
    { repeats: 1, concept: undefined },
    collector,
  );
  for (const folder of await subfolders(root)) {
    const parts = repeatsOf(folder);
    if (parts === undefined)
      await warnIgnored(
        folder,
        `Name it <repeats>_<name>, for example 10_${basename(folder)}, or list its pictures in metadata.csv.`,
        collector,
      );
    else if (parts.repeats === 0)
      collector.problems.push(noRepeats(collector.shown, basename(folder)));
    else pictures.push(...(await picturesIn({ root, folder, suffix }, parts, collector)));
  }
  await addCaptions(root, pictures, suffix, collector);
  if (collector.problems.some(({ what }) => what === WITHOUT_CAPTION))
    await explainTables(root, collector);
}

const TABLE = /\.(csv|tsv|xlsx?|ods|jsonl)$|^metadata\.(csv\.txt|json|txt)$/i;

/**
 * Tables of captions under names or in forms that are not read: the likely reason why pictures lack
 * captions.
 */
async function explainTables(root: string, { problems, shown }: Collector): Promise<void> {
  const tables = (await readdir(root)).sort().filter((name) => TABLE.test(name));
  for (const name of tables)
    problems.push({
      where: join(shown, name),
      what: 'this table is not used',
      fix: name.toLowerCase().endsWith('.csv')
        ? `Call it metadata.csv, or name it: metadata_path: ${join(shown, name)}`
        : 'The table of captions is called metadata.csv, a CSV file with the header filename,prompt.',
    });
}

/** A picture with what its caption comes from. */
interface Beside {
  readonly path: string;
  readonly name: string;
  readonly repeats: number;
  /** Of the folder's name; what a picture without a text file shows. */
  readonly concept: string | undefined;
  readonly text: string | undefined;
  /** Where there is no caption file: one that may be meant, relative to the data folder. */
  readonly near: string | undefined;
  /** Without a caption file: one of the picture's name that ends as in other programs. */
  readonly other?: string | undefined;
}

interface Place {
  readonly root: string;
  readonly folder: string;
  /** What caption files end in. */
  readonly suffix: string;
}

/** The folder's pictures with their caption files; other caption files are told. */
async function picturesIn(
  { root, folder, suffix }: Place,
  { repeats, concept }: Pick<Beside, 'repeats' | 'concept'>,
  collector: Collector,
): Promise<Beside[]> {
  const { all, pictures } = await listFolder(folder);
  const texts = captionFiles(all, suffix);
  const found = pictures.map((path) => ({ path, texts: texts.of(path) }));
  const used = new Set(found.flatMap((picture) => picture.texts));
  const unused = all.filter((file) => isCaption(file, suffix) && !used.has(file));
  tellUnused(all, { root, pictures, unused, suffix }, collector);
  return found.flatMap(({ path, texts: [text, ...others] }) => {
    const name = nameIn(root, path);
    if (text !== undefined && others.length > 0) {
      const names = [text, ...others].map((file) => nameIn(root, file));
      collector.problems.push(unclearCaption(collector.shown, name, names));
      return [];
    }
    if (text !== undefined) collector.warnings.push(...otherName(root, path, text, suffix));
    const near = text === undefined ? nearCaption(path, unused, suffix) : undefined;
    const other = text === undefined ? otherCaption(path, all) : undefined;
    return [{ path, name, repeats, concept, text, near: near && nameIn(root, near), other }];
  });
}

interface Leftovers {
  readonly root: string;
  readonly pictures: readonly string[];
  /** Caption files that no picture has. */
  readonly unused: readonly string[];
  readonly suffix: string;
}

/** Caption files without a picture, and those with the endings of other programs. */
function tellUnused(
  all: readonly string[],
  { root, pictures, unused, suffix }: Leftovers,
  { warnings }: Collector,
): void {
  const stems = new Set(pictures.map(stemOf));
  for (const file of all) {
    const where = nameIn(root, file);
    const isOfPicture = stems.has(stemOf(file));
    if (unused.includes(file))
      warnings.push({
        where,
        what: isOfPicture
          ? 'not used, because the picture has another caption file of the same name'
          : 'no picture has this name, so it is not used',
      });
    else if (isOfPicture && !isCaption(file, suffix) && isOtherCaption(file))
      warnings.push({
        where,
        what: `not read, because caption files end in ${suffix}`,
        fix: `caption_extension: ${extname(file)} reads it in place of those.`,
      });
  }
}

const unclearCaption = (folder: string, name: string, texts: readonly string[]): Problem => ({
  where: join(folder, name),
  what: `it is not clear which caption file belongs to the picture: ${texts.map((text, i) => `"${apartFrom(text, texts[i === 0 ? 1 : 0])}"`).join(' or ')}`,
  fix: 'Give the right one the name of the picture, and move the others away.',
});

/** A caption file whose name only looks like that of its picture. */
function otherName(root: string, picture: string, text: string, suffix: string): FoundProblem[] {
  const [stem, wanted] = [basename(text).slice(0, -suffix.length), basename(picture)];
  const names = [wanted.slice(0, wanted.length - extname(wanted).length), wanted];
  if (names.some((name) => name.normalize('NFC') === stem.normalize('NFC'))) return [];
  const [told, other] = apart(nameIn(root, text), nameIn(root, picture));
  return [
    {
      where: told,
      detail: `for ${other}`,
      what: 'the caption file has a different name from its picture; it looks the same, and is used',
    },
  ];
}

const nearCaption = (picture: string, texts: readonly string[], suffix: string) => {
  const stems = texts.map((text) => basename(text).slice(0, -suffix.length));
  const near = nearest(basename(picture, extname(picture)), stems);
  return near === undefined ? undefined : texts[stems.indexOf(near)];
};

const otherCaption = (picture: string, files: readonly string[]): string | undefined =>
  files.find((file) => stemOf(file) === stemOf(picture) && isOtherCaption(file));

/** Endings that captions have in other programs. */
const otherSuffixes = ['.txt', '.caption', '.cap', '.tags', '.json'];
const isOtherCaption = (file: string) => otherSuffixes.includes(extname(file).toLowerCase());

interface CaptionFiles {
  /** The picture's caption file; several where it is not clear which is meant. */
  of(picture: string): readonly string[];
}

/**
 * Caption files by the names of their pictures: the same name, else one that looks the same, else
 * `a.png.txt`.
 */
function captionFiles(files: readonly string[], suffix: string): CaptionFiles {
  const texts = files.filter((file) => isCaption(file, suffix));
  const stems = new Map<string, string[]>();
  const looks = new Map<string, string[]>();
  for (const file of texts) {
    const stem = basename(file).slice(0, -suffix.length);
    stems.set(stem, [...(stems.get(stem) ?? []), file]);
    looks.set(lookOf(stem), [...(looks.get(lookOf(stem)) ?? []), stem]);
  }
  const filesOf = (wanted: string): string[] => {
    const [...alike] = alikeTo(wanted, looks.get(lookOf(wanted)) ?? []);
    return [...new Set(alike)].flatMap((stem) => stems.get(stem) ?? []);
  };
  return {
    of: (picture) => {
      const name = basename(picture);
      const found = filesOf(basename(picture, extname(picture)));
      return inOwnCase(found.length > 0 ? found : filesOf(name), suffix);
    },
  };
}

const isCaption = (file: string, suffix: string): boolean =>
  file.toLowerCase().endsWith(suffix.toLowerCase());

/** `a.TXT` beside `a.txt` is the other one. */
function inOwnCase(files: readonly string[], suffix: string): readonly string[] {
  const own = files.filter((file) => file.endsWith(suffix));
  return own.length > 0 ? own : files;
}

/** All caption files are decoded together. */
async function addCaptions(
  root: string,
  pictures: readonly Beside[],
  suffix: string,
  collector: Collector,
): Promise<void> {
  const paths = [...new Set(pictures.flatMap(({ text }) => text ?? []))];
  const shown = (path: string): string => join(collector.shown, nameIn(root, path));
  const read = await readTexts(paths.map((path) => ({ path, shown: shown(path) })));
  const texts = new Map(paths.map((path, i) => [path, read[i]]));
  const guesses = read.flatMap((told) => ('text' in told ? told.warnings : []));
  collector.warnings.push(...guesses, ...shared(root, pictures));
  for (const { path, name, repeats, concept, text, ...found } of pictures) {
    const told = text === undefined ? undefined : texts.get(text);
    if (told !== undefined && 'problem' in told) collector.problems.push(told.problem);
    else {
      const caption =
        told === undefined ? concept : inOneLine(told.text, nameIn(root, text ?? path), collector);
      if (caption === undefined || caption === '')
        collector.problems.push(
          captionProblem(
            collector.shown,
            { name, text: text && nameIn(root, text), ...found },
            suffix,
          ),
        );
      else collector.found.push({ path, name, caption, repeats });
    }
  }
}

/** `a.png` and `a.jpg` beside one `a.txt`. */
function shared(root: string, pictures: readonly Beside[]): FoundProblem[] {
  const byText = new Map<string, string[]>();
  for (const { text, name } of pictures) {
    if (text === undefined) continue;
    byText.set(text, [...(byText.get(text) ?? []), name]);
  }
  return [...byText]
    .filter(([, names]) => names.length > 1)
    .map(([text, names]) => ({
      where: nameIn(root, text),
      detail: names.map((name, i) => apartFrom(name, names[i === 0 ? 1 : 0])).join(', '),
      what: 'several pictures share this caption file, and each is trained with it',
      fix: 'Remove all but one of the pictures, or give each a name and a caption of its own.',
    }));
}

/** Line breaks become spaces, which is what CLIP reads in them, as in a table. */
function inOneLine(text: string, name: string, { warnings }: Collector): string {
  const read = readCaption(text, name);
  warnings.push(...read.warnings);
  return read.caption;
}

export const WITHOUT_CAPTION = 'picture without caption';

function captionProblem(
  folder: string,
  { name, text, near, other }: Pick<Beside, 'name' | 'text' | 'near' | 'other'>,
  suffix: string,
): Problem {
  if (text !== undefined)
    return {
      where: join(folder, text),
      what: 'the caption file is empty',
      fix: 'Write what the picture shows, on one line, in UTF-8.',
    };
  const own = `${name.slice(0, name.length - extname(name).length)}${suffix}`;
  const fix = other
    ? `There are files that end in ${extname(other)}: caption_extension: ${extname(other)} reads them.`
    : near
      ? `If its caption is in "${apartFrom(near, own)}", rename that file to "${apartFrom(own, near)}".`
      : `Write it to ${own}, or to a metadata.csv with the header filename,prompt.`;
  return { where: join(folder, name), what: WITHOUT_CAPTION, fix };
}
