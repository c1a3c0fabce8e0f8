// Files of training samples for language models, every fault in them found at once.
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { DataError, type Problem } from '../../errors.ts';
import type { Told } from '../../util/encoding/decode-text.ts';
import { faultsByKind, type FoundProblem, problemsByKind } from '../../util/problems-by-kind.ts';
import { plural } from '../../util/plural.ts';
import { type NamedFile, readTexts } from '../text-file.ts';
import type { Fault } from './fields.ts';
import { hasKnownField, interpret, type TextForm } from './forms.ts';
import { unknownFields } from './missing-fields.ts';
import { badAnswer } from './preferences.ts';
import { type RecordFile, recordsOf } from './records.ts';
import { contentKey, type TextSample } from './sample.ts';
import { noSamples } from './text-levels.ts';
import { UnreadFields } from './unread-fields.ts';

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
  readonly warnings: readonly Problem[];
}

/** Reads all files. Throws one DataError with every kind of fault, at its first places. */
export async function readTextFiles(sources: readonly TextSource[]): Promise<ReadText> {
  const named = sources.map(({ path }) => ({ path, shown: shownPath(path) }));
  const texts = await readTexts(named);
  const files = await Promise.all(
    named.map((file, source) => samplesIn(file, texts[source], source)),
  );
  const problems = faultsByKind(
    files.flatMap((file) => file.problems.toSorted((a, b) => lineOf(a) - lineOf(b))),
  );
  const samples = files.flatMap((file) => file.samples);
  if (samples.length === 0 && problems.length === 0)
    problems.push({
      where: 'train_data',
      what: 'there are no samples',
      fix: 'Give a file of samples.',
    });
  if (problems.length > 0) throw new DataError(problems);
  return {
    samples,
    notices: files.map(({ notice }) => notice),
    warnings: [...problemsByKind(files.flatMap((file) => file.warnings)), ...repeated(samples)],
  };
}

const shownPath = (path: string): string => {
  const short = relative(process.cwd(), resolve(path)).replaceAll('\\', '/');
  return short.startsWith('..') || short === '' ? path : short;
};

interface FileSamples {
  readonly source: number;
  readonly samples: readonly TextSample[];
  readonly problems: readonly FoundProblem[];
  readonly warnings: readonly FoundProblem[];
  readonly notice: string;
}

async function samplesIn(
  { path, shown }: NamedFile,
  told: Told,
  source: number,
): Promise<FileSamples> {
  const folder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
  if (folder)
    return {
      source,
      samples: [],
      problems: [noSamples(path, shown)],
      warnings: [],
      notice: '',
    };
  return { source, ...samplesOf(recordsOf({ path, shown }, told), shown, source) };
}

function samplesOf(
  { format, records, problems, warnings, columns }: RecordFile,
  shown: string,
  source: number,
): Omit<FileSamples, 'source'> {
  const headed =
    columns === undefined ||
    hasKnownField(Object.fromEntries(columns.names.map((name) => [name, ''])));
  if (!headed)
    return {
      samples: [],
      problems: [{ where: `${shown}:${columns.line}`, ...unknownColumns(columns.names) }],
      warnings,
      notice: '',
    };
  const forms = new Map<TextForm, number>();
  const samples: TextSample[] = [];
  const found: FoundProblem[] = [...problems];
  const told = [...warnings];
  const unread = new UnreadFields();
  for (const { line, value } of records) {
    const read = interpret(value);
    const where = `${shown}:${line}`;
    if ('faults' in read) found.push(...read.faults.map((fault: Fault) => ({ where, ...fault })));
    else {
      forms.set(read.form, (forms.get(read.form) ?? 0) + 1);
      samples.push({ where, source, content: read.content });
      unread.add(where, read.unread);
      told.push(...badAnswer(read.unread).map((bad) => ({ where, ...bad })));
    }
  }
  const counts = [...forms].map(([form, count]) => `${plural(count, 'sample')} of ${form}`);
  return {
    samples,
    problems: found,
    warnings: [...told, ...unread.warnings()],
    notice: `${shown}: ${format}, ${counts.join(', ')}${unread.notice()}`,
  };
}

function unknownColumns(names: readonly string[]): Fault {
  const { what, rename } = unknownFields(Object.fromEntries(names.map((name) => [name, name])));
  const byName =
    'Name the columns in the first line: prompt,completion or instruction,input,output or text.';
  return { what: `the first line ${what}`, fix: rename ?? byName };
}

/** 0: of the whole file. */
const lineOf = ({ where }: Problem): number => Number(/:(\d+)$/.exec(where)?.[1] ?? 0);

/** One warning for samples that are there before, and one for those that differ in blanks alone. */
export function repeated(samples: readonly TextSample[]): Problem[] {
  const before = new Map<string, TextSample>();
  const twins: FoundProblem[] = [];
  for (const sample of samples) {
    const { where, content } = sample;
    const key = contentKey(content);
    const twin = before.get(key);
    if (twin === undefined) before.set(key, sample);
    else twins.push({ where, detail: `like ${twin.where}`, what: sameness(twin, sample) });
  }
  return problemsByKind(twins);
}

const sameness = (one: TextSample, other: TextSample): string =>
  JSON.stringify(one.content) === JSON.stringify(other.content)
    ? 'the same sample is in the data already'
    : 'a sample that differs in spaces and line breaks alone is in the data already';
