// Captions from text files beside the pictures, and from the names of folders with repeats.
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Problem } from '../errors.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import {
  isPicture,
  listFiles,
  nameIn,
  repeatsOf,
  subfolders,
  warnIgnored,
  type Collector,
} from './folder-files.ts';
import { plainCaption } from './metadata-csv.ts';
import { readTexts } from './text-file.ts';

export async function collectFromFolders(
  root: string,
  extension: string,
  collector: Collector,
): Promise<void> {
  const suffix = extension.startsWith('.') ? extension : `.${extension}`;
  const pictures = await picturesIn(root, root, suffix, { repeats: 1, concept: undefined });
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
    else pictures.push(...(await picturesIn(root, folder, suffix, parts)));
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
      what: 'this table is not read',
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

async function picturesIn(
  root: string,
  folder: string,
  suffix: string,
  { repeats, concept }: Pick<Beside, 'repeats' | 'concept'>,
): Promise<Beside[]> {
  const files = await listFiles(folder);
  const texts = new Map(
    files
      .filter((file) => file.toLowerCase().endsWith(suffix.toLowerCase()))
      .map((file) => [stemOf(file), file]),
  );
  return files.filter(isPicture).map((path) => ({
    path,
    name: nameIn(root, path),
    repeats,
    concept,
    text: texts.get(stemOf(path)),
  }));
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
  collector.warnings.push(...problemsByKind(guesses).map(oneLine));
  for (const { path, name, repeats, concept, text } of pictures) {
    const told = text === undefined ? undefined : texts.get(text);
    if (told !== undefined && 'problem' in told) collector.problems.push(told.problem);
    else {
      const caption = told === undefined ? concept : firstLine(told.text, name, collector);
      if (caption === undefined || caption === '')
        collector.problems.push(
          captionProblem(collector.shown, name, text && nameIn(root, text), suffix),
        );
      else collector.found.push({ path, name, caption, repeats });
    }
  }
}

const oneLine = ({ where, what, fix }: Problem): string => `${where}: ${what}. ${fix ?? ''}`;

const stemOf = (file: string): string =>
  basename(file)
    .slice(0, basename(file).length - extname(file).length)
    .normalize('NFC');

/** The first line; a second one is mentioned. */
function firstLine(text: string, name: string, { warnings }: Collector): string {
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1)
    warnings.push(`${name}: its caption file has ${lines.length} lines; only the first is used.`);
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
      what: 'the caption file is empty',
      fix: 'Write what the picture shows, on one line, in UTF-8.',
    };
  const fix = `Write it to ${name.slice(0, name.length - extname(name).length)}${suffix}, or to a metadata.csv with the header filename,prompt.`;
  return { where: join(folder, name), what: withoutCaption, fix };
}
