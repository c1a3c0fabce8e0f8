// Captions from text files beside the pictures, and from the names of folders with repeats.
import { readdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Problem } from '../errors.ts';
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
import { readText } from './text-file.ts';

export async function collectFromFolders(
  root: string,
  extension: string,
  collector: Collector,
): Promise<void> {
  const suffix = extension.startsWith('.') ? extension : `.${extension}`;
  await collectBeside(root, root, 1, undefined, suffix, collector);
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
    else await collectBeside(root, folder, parts.repeats, parts.concept, suffix, collector);
  }
  if (collector.problems.some(({ what }) => what === withoutCaption))
    await explainTables(root, collector);
}

/**
 * Tables of captions under names or in forms that are not read: the likely reason why pictures lack
 * captions.
 */
async function explainTables(root: string, { problems, shown }: Collector): Promise<void> {
  const tables = (await readdir(root)).filter((name) =>
    /^metadata\.(csv\.txt|jsonl?|xlsx?|ods|tsv|txt)$/i.test(name),
  );
  for (const name of tables)
    problems.push({
      where: join(shown, name),
      what: 'this table is not read',
      fix: 'The table of captions is called metadata.csv, a CSV file with the header filename,prompt.',
    });
}

async function collectBeside(
  root: string,
  folder: string,
  repeats: number,
  concept: string | undefined,
  suffix: string,
  collector: Collector,
): Promise<void> {
  const files = await listFiles(folder);
  const texts = new Map(
    files
      .filter((file) => file.toLowerCase().endsWith(suffix.toLowerCase()))
      .map((file) => [stemOf(file), file]),
  );
  for (const path of files.filter(isPicture)) {
    const name = nameIn(root, path);
    const text = texts.get(stemOf(path));
    const caption = text === undefined ? concept : await readCaption(text, name, collector);
    if (caption === undefined || caption === '')
      collector.problems.push(
        captionProblem(collector.shown, name, text && nameIn(root, text), suffix),
      );
    else collector.found.push({ path, name, caption, repeats });
  }
}

const stemOf = (file: string): string =>
  basename(file)
    .slice(0, basename(file).length - extname(file).length)
    .normalize('NFC');

/** The first line; a second one is mentioned. */
async function readCaption(path: string, name: string, { warnings }: Collector): Promise<string> {
  const { text, encoding } = await readText(path).catch(() => ({
    text: '',
    encoding: 'utf-8' as const,
  }));
  const lines = text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1)
    warnings.push(`${name}: its caption file has ${lines.length} lines; only the first is used.`);
  if (encoding !== 'utf-8')
    warnings.push(`${name}: its caption file is saved as ${encoding}, not as UTF-8.`);
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
      what: 'the caption file is empty or not text',
      fix: 'Write what the picture shows, on one line, in UTF-8.',
    };
  const fix = `Write it to ${name.slice(0, name.length - extname(name).length)}${suffix}, or to a metadata.csv with the header filename,prompt.`;
  return { where: join(folder, name), what: withoutCaption, fix };
}
