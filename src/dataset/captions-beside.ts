// Captions from text files beside the pictures, and from the names of folders with repeats.
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Problem } from '../errors.ts';
import {
  listFolder,
  nameIn,
  repeatsOf,
  stemOf,
  subfolders,
  warnIgnored,
  type Collector,
} from './folder-files.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import { plainCaption } from './metadata-csv.ts';
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
      collector.problems.push({
        where: join(collector.shown, basename(folder)),
        what: 'the folder repeats its pictures 0 times',
        fix: `Name it 1_${parts.concept}, or move it away.`,
      });
    else pictures.push(...(await picturesIn({ root, folder, suffix }, parts, collector)));
  }
  await addCaptions(root, pictures, suffix, collector);
  if (collector.problems.some(({ what }) => what === withoutCaption))
    await explainTables(root, collector);
}

/**
 * Tables of captions under names or in forms that are not read: the likely reason why pictures lack
 * captions.
 */
async function explainTables(root: string, { problems, shown }: Collector): Promise<void> {
  const tables = (await readdir(root))
    .sort()
    .filter((name) => /^metadata\.(csv\.txt|jsonl?|xlsx?|ods|tsv|txt)$/i.test(name));
  for (const name of tables)
    problems.push({
      where: join(shown, name),
      what: 'this table is not used',
      fix: 'The table of captions is called metadata.csv, a CSV file with the header filename,prompt.',
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
  { warnings }: Collector,
): Promise<Beside[]> {
  const { all, pictures } = await listFolder(folder);
  const texts = captionFiles(all, suffix);
  const found = pictures.map((path) => ({
    path,
    name: nameIn(root, path),
    repeats,
    concept,
    text: texts.of(path),
  }));
  const used = new Set(found.map(({ text }) => text));
  const stems = new Set(pictures.map(stemOf));
  const tell = (file: string, what: string, fix?: string): void => {
    warnings.push({ where: nameIn(root, file), what, ...(fix !== undefined && { fix }) });
  };
  for (const file of all) {
    const isCaption = file.toLowerCase().endsWith(suffix.toLowerCase());
    if (isCaption && !used.has(file))
      tell(
        file,
        stems.has(stemOf(file)) ? ANOTHER_USED : 'no picture has this name, so it is not used',
      );
    if (
      !isCaption &&
      stems.has(stemOf(file)) &&
      otherSuffixes.includes(extname(file).toLowerCase())
    )
      tell(
        file,
        `not read, because caption files end in ${suffix}`,
        `caption_extension: ${extname(file)} reads it in place of those.`,
      );
  }
  return found;
}

const ANOTHER_USED = 'not used, because the picture has another caption file of the same name';

/** Endings that captions have in other programs. */
const otherSuffixes = ['.txt', '.caption', '.cap', '.tags', '.json'];

/** Caption files by the names of their pictures, in other upper and lower case where none fits. */
function captionFiles(
  files: readonly string[],
  suffix: string,
): { of(picture: string): string | undefined } {
  const texts = files.filter((file) => file.toLowerCase().endsWith(suffix.toLowerCase()));
  const exact = new Map(texts.map((file) => [stemOf(file), file]));
  const anyCase = new Map(texts.map((file) => [stemOf(file).toLowerCase(), file]));
  return {
    of: (picture) => exact.get(stemOf(picture)) ?? anyCase.get(stemOf(picture).toLowerCase()),
  };
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
  for (const { path, name, repeats, concept, text } of pictures) {
    const told = text === undefined ? undefined : texts.get(text);
    if (told !== undefined && 'problem' in told) collector.problems.push(told.problem);
    else {
      const caption =
        told === undefined ? concept : inOneLine(told.text, nameIn(root, text ?? path), collector);
      if (caption === undefined || caption === '')
        collector.problems.push(
          captionProblem(collector.shown, name, text && nameIn(root, text), suffix),
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
      detail: names.join(', '),
      what: 'several pictures share this caption file, and each is trained with it',
      fix: 'Remove all but one of the pictures, or give each a name and a caption of its own.',
    }));
}

/** Line breaks become spaces, which is what CLIP reads in them, as in a table. */
function inOneLine(text: string, name: string, { warnings }: Collector): string {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1)
    warnings.push({
      where: name,
      detail: `${lines.length} lines`,
      what: 'the caption has several lines, which are joined into one',
    });
  return plainCaption(text);
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
      what: 'the caption file is empty',
      fix: 'Write what the picture shows, on one line, in UTF-8.',
    };
  const fix = `Write it to ${name.slice(0, name.length - extname(name).length)}${suffix}, or to a metadata.csv with the header filename,prompt.`;
  return { where: join(folder, name), what: withoutCaption, fix };
}
