// Files of training samples for language models, every fault in them found at once.
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { DataError, type Problem } from '../../errors.ts';
import { type Fault, interpret, type TextForm } from './forms.ts';
import { readRecords } from './records.ts';
import { contentKey, type TextSample } from './sample.ts';

export interface TextSource {
  readonly path: string;
  /** How often an epoch shows each of its samples; 0.5 shows half of them. Default 1. */
  readonly weight?: number;
}

export interface ReadText {
  /** In the order of the files and their lines. */
  readonly samples: readonly TextSample[];
  /** What was found: the form and the number of samples of each file. */
  readonly notices: readonly string[];
  readonly warnings: readonly string[];
}

/** So many faults of one file are listed; more are counted. */
const SHOWN_FAULTS = 50;

/** Reads all files. Throws one DataError with every fault, each at its `file:line`. */
export async function readTextFiles(sources: readonly TextSource[]): Promise<ReadText> {
  const files = await Promise.all(sources.map(({ path }, source) => readFile(path, source)));
  const problems = files.flatMap((file) => limited(file.problems, shownPath(sources[file.source].path)));
  const samples = files.flatMap((file) => file.samples);
  if (samples.length === 0 && problems.length === 0) problems.push({ where: 'train_data', what: 'there are no samples', fix: 'Name a file of samples.' });
  if (problems.length > 0) throw new DataError(problems);
  return { samples, notices: files.map(({ notice }) => notice), warnings: [...repeated(samples)] };
}

const shownPath = (path: string): string => {
  const short = relative(process.cwd(), resolve(path)).replaceAll('\\', '/');
  return short.startsWith('..') || short === '' ? path : short;
};

interface FileSamples {
  readonly source: number;
  readonly samples: readonly TextSample[];
  readonly problems: readonly Problem[];
  readonly notice: string;
}

async function readFile(path: string, source: number): Promise<FileSamples> {
  const shown = shownPath(path);
  const folder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (folder) return { source, samples: [], problems: [{ where: shown, what: 'is a folder, not a file', fix: 'Name its files: .jsonl, .json, .csv or .txt.' }], notice: '' };
  const { format, records, problems } = await readRecords(path, shown);
  const forms = new Map<TextForm, number>();
  const samples: TextSample[] = [];
  const found: Problem[] = [...problems];
  for (const { line, value } of records) {
    const read = interpret(value);
    const where = `${shown}:${line}`;
    if ('faults' in read) found.push(...read.faults.map((fault: Fault) => ({ where, ...fault })));
    else {
      forms.set(read.form, (forms.get(read.form) ?? 0) + 1);
      samples.push({ where, source, content: read.content });
    }
  }
  const counts = [...forms].map(([form, count]) => `${count} ${count === 1 ? 'sample' : 'samples'} of ${form}`);
  return { source, samples, problems: found, notice: `${shown}: ${format}, ${counts.join(', ')}` };
}

function limited(problems: readonly Problem[], shown: string): Problem[] {
  if (problems.length <= SHOWN_FAULTS) return [...problems];
  return [...problems.slice(0, SHOWN_FAULTS), { where: shown, what: `has ${problems.length - SHOWN_FAULTS} more faults` }];
}

/** One sentence for each sample that has the words of one before it; after five, a number. */
export function repeated(samples: readonly TextSample[]): string[] {
  const first = new Map<string, string>();
  const twins: string[] = [];
  for (const { where, content } of samples) {
    const key = contentKey(content);
    const before = first.get(key);
    if (before === undefined) first.set(key, where);
    else twins.push(`${where}: the same sample as ${before}.`);
  }
  return twins.length <= 6 ? twins : [...twins.slice(0, 5), `${twins.length - 5} more samples appear twice.`];
}
