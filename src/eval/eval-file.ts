// The questions of an evaluation: a YAML or JSON file that describes it, or a file of records as
// the training data has them.
import { statSync } from 'node:fs';
import { dirname, extname, isAbsolute, join, relative, resolve } from 'node:path';
import { suggest } from '../util/suggest.ts';
import { parseYaml, type YamlFile } from '../config/yaml.ts';
import { plainRecord } from '../dataset/text/plain-record.ts';
import { recordsOf } from '../dataset/text/records.ts';
import { UnreadFields } from '../dataset/text/unread-fields.ts';
import { type NamedFile, readText } from '../dataset/text-file.ts';
import { DataError, type Problem, UserError } from '../errors.ts';
import type { Told } from '../util/encoding/decode-text.ts';
import { faultsByKind, type FoundProblem, problemsByKind } from '../util/problems-by-kind.ts';
import {
  askedText,
  type FileWide,
  phraseLists,
  type Question,
  type QuestionRecord,
  readQuestion,
} from './questions.ts';

export interface EvalSet {
  /** Of the file, for people. */
  readonly name?: string;
  readonly questions: readonly Question[];
  /** Shows what was lost; may be empty. */
  readonly general: readonly Question[];
  readonly warnings: readonly Problem[];
}

/** Every fault found so far, and what was read beside them. */
interface Found {
  readonly questions: Question[];
  readonly problems: FoundProblem[];
  readonly warnings: FoundProblem[];
}

const keys = ['questions', 'general', 'forbidden', 'system'];
const described = 'questions (a list, or files of them), general, forbidden and system';

/**
 * Reads the questions in `path` (.yaml, .yml, .json, .jsonl, .csv), and a general set in `general`.
 * Throws one DataError with every kind of fault, at its first places.
 */
export async function readEvalFile(path: string, general?: string): Promise<EvalSet> {
  const main = await readAny(path);
  const other = general === undefined ? undefined : await readAny(general);
  const problems = [...main.problems, ...(other?.problems ?? [])];
  if (problems.length > 0) throw new DataError(faultsByKind(problems));
  const [questions, generals] = [main.questions, [...main.general, ...(other?.questions ?? [])]];
  if (questions.length === 0)
    throw new DataError([
      {
        where: shownPath(path),
        what: 'has no questions',
        fix: 'Add at least one; see docs/eval.md.',
      },
    ]);
  return {
    name: shownPath(path),
    questions,
    general: generals,
    warnings: [
      ...problemsByKind([...main.warnings, ...(other?.warnings ?? [])]),
      ...repeated(questions, generals),
    ],
  };
}

type ReadAny = Found & { readonly general: readonly Question[] };

async function readAny(path: string): Promise<ReadAny> {
  const shown = shownPath(path);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    return failed(shown, 'there is no such file', 'Correct the path of the file of questions.');
  if (stat.isDirectory())
    return failed(
      shown,
      'is a folder, not a file',
      'Name a file of questions: .yaml, .json, .jsonl or .csv.',
    );
  const told = await readText({ path, shown });
  if ('problem' in told)
    return { questions: [], general: [], warnings: [], problems: [told.problem] };
  const ending = extname(path).toLowerCase();
  if (['.yaml', '.yml'].includes(ending) || (ending === '.json' && isObject(told.text))) {
    const read = await readDescription(path, told.text);
    return { ...read, warnings: [...told.warnings, ...read.warnings] };
  }
  return { ...readRecordsOf({ path, shown }, told, { forbidden: [] }), general: [] };
}

const failed = (where: string, what: string, fix: string): ReadAny => ({
  questions: [],
  general: [],
  warnings: [],
  problems: [{ where, what, fix }],
});

/**
 * One JSON object with questions; JSON lines have an object on each line. A damaged one is told by
 * its first line.
 */
function isObject(text: string): boolean {
  const plain = text.replace(/^\ufeff/, '').trimStart();
  try {
    const value: unknown = JSON.parse(plain);
    return typeof value === 'object' && value !== null && 'questions' in value;
  } catch {
    return /^\{\s*(\n|$)/.test(plain);
  }
}

const shownPath = (path: string): string => {
  const short = relative(process.cwd(), resolve(path)).replaceAll('\\', '/');
  return short.startsWith('..') || short === '' ? path : short;
};

// ---- a file of records

async function readRecordFile(path: string, wide: FileWide): Promise<Found> {
  const named = { path, shown: shownPath(path) };
  return readRecordsOf(named, await readText(named), wide);
}

function readRecordsOf(named: NamedFile, told: Told, wide: FileWide): Found {
  const { shown } = named;
  const { format, records, problems, warnings } = recordsOf(named, told);
  const read = records.map(({ line, value }): QuestionRecord => ({
    where: `${shown}:${line}`,
    value,
    csv: format === 'CSV',
  }));
  const found = readAll(read, wide);
  return withProblems({ ...found, warnings: [...warnings, ...found.warnings] }, problems);
}

const withProblems = (found: Found, problems: readonly FoundProblem[]): Found => ({
  ...found,
  problems: [...problems, ...found.problems],
});

function readAll(records: readonly QuestionRecord[], wide: FileWide): Found {
  const found: Found = { questions: [], problems: [], warnings: [] };
  const unread = new UnreadFields('evaluation');
  for (const record of records) {
    const read = readQuestion(record, wide);
    if ('faults' in read)
      found.problems.push(...read.faults.map((fault) => ({ where: record.where, ...fault })));
    else {
      found.questions.push(read.question);
      found.warnings.push(...read.warnings.map((doubt) => ({ where: record.where, ...doubt })));
      unread.add(record.where, read.unread);
    }
  }
  return { ...found, warnings: [...found.warnings, ...unread.warnings()] };
}

// ---- a file that describes the evaluation

interface Description {
  readonly path: string;
  readonly shown: string;
  readonly file: YamlFile;
  readonly wide: FileWide;
}

async function readDescription(path: string, text: string): Promise<ReadAny> {
  const shown = shownPath(path);
  const list = text
    .split(/\r?\n/)
    .findIndex((line) => line.trim() !== '' && !line.trimStart().startsWith('#'));
  if (/^\s*-/.test(text.split(/\r?\n/)[list] ?? '') && !text.includes('\n---'))
    return failed(
      `${shown}:${list + 1}`,
      'the file is a list',
      'Add the line "questions:" above it.',
    );
  const file = parsed(text, shown);
  const { problems, wide } = readWide(file, shown);
  const description: Description = { path, shown, file, wide };
  const [questions, general] = [
    await readSet('questions', description),
    await readSet('general', description),
  ];
  if (!('questions' in file.values))
    problems.push({ where: shown, what: 'has no "questions"', fix: `The file has ${described}.` });
  return {
    questions: questions.questions,
    general: general.questions,
    problems: [...problems, ...questions.problems, ...general.problems],
    warnings: [...questions.warnings, ...general.warnings],
  };
}

function parsed(text: string, shown: string): YamlFile {
  try {
    return parseYaml(text, shown);
  } catch (cause) {
    throw cause instanceof UserError ? new DataError(cause.problems, { cause }) : cause;
  }
}

const didYouMean = (near: string | undefined): string =>
  near === undefined ? '' : `Did you mean "${near}"? `;

function readWide(
  { values, lines, lineAt }: YamlFile,
  shown: string,
): { problems: Problem[]; wide: FileWide } {
  const unknown = Object.keys(values).filter((key) => !keys.includes(key));
  const problems = unknown.map((key): Problem => ({
    where: `${shown}:${lines.get(key)}`,
    what: `unknown key "${key}"`,
    fix: `${didYouMean(suggest(key, keys))}The file has ${described}.`,
  }));
  const { system, forbidden } = values;
  if (system !== undefined && typeof system !== 'string')
    problems.push({
      where: `${shown}:${lineAt(['system'])}`,
      what: '"system" is not text',
      fix: 'Write the system message in quotes.',
    });
  const phrases = phraseLists(forbidden, 'forbidden');
  problems.push(
    ...phrases.faults.map((fault) => ({ where: `${shown}:${lineAt(['forbidden'])}`, ...fault })),
  );
  return {
    problems,
    wide: { forbidden: phrases.lists.flat(), ...(typeof system === 'string' ? { system } : {}) },
  };
}

async function readSet(key: 'questions' | 'general', description: Description): Promise<Found> {
  const { file, shown } = description;
  const value = file.values[key];
  if (value === undefined || value === null) return { questions: [], problems: [], warnings: [] };
  const paths = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(paths))
    return {
      questions: [],
      warnings: [],
      problems: [
        {
          where: `${shown}:${file.lineAt([key])}`,
          what: `"${key}" is not a list`,
          fix: 'Write each question as "- question: …", or name a file of questions.',
        },
      ],
    };
  const items = paths.map((item: unknown, i) =>
    typeof item === 'string'
      ? readNamed(item, [key, i], description)
      : readItem(item, file.lineAt([key, i]), description),
  );
  return joined(await Promise.all(items));
}

function readItem(item: unknown, line: number, { shown, wide }: Description): Found {
  const { record, warnings } = plainRecord({ line, value: item }, shown);
  const found = readAll([{ where: `${shown}:${line}`, value: record.value }], wide);
  return { ...found, warnings: [...problemsByKind(warnings), ...found.warnings] };
}

/** A path in the file is relative to the file. */
async function readNamed(
  name: string,
  keys: readonly (string | number)[],
  { path, shown, file, wide }: Description,
): Promise<Found> {
  const named = isAbsolute(name) ? name : join(dirname(path), name);
  if (statSync(named, { throwIfNoEntry: false })?.isFile() === true)
    return readRecordFile(named, wide);
  const what = /\s/.test(name)
    ? 'is text; expected a question with its answer'
    : `there is no file ${named}`;
  return {
    questions: [],
    warnings: [],
    problems: [
      {
        where: `${shown}:${file.lineAt(keys)}`,
        what,
        fix: 'Write "- question: …" with "answer: …" below it, or the path of a file of questions, relative to this file.',
      },
    ],
  };
}

const joined = (parts: readonly Found[]): Found => ({
  questions: parts.flatMap(({ questions }) => questions),
  problems: parts.flatMap(({ problems }) => problems),
  warnings: parts.flatMap(({ warnings }) => warnings),
});

// ---- the same question twice

const identity = (question: Question): string =>
  JSON.stringify([question.prompt, question.prompt.kind === 'text' ? question.expected : '']);

function repeated(questions: readonly Question[], general: readonly Question[]): Problem[] {
  const first = new Map<string, Question>();
  const twins: FoundProblem[] = [];
  for (const question of [...questions, ...general]) {
    const before = first.get(identity(question));
    if (before === undefined) first.set(identity(question), question);
    else
      twins.push({
        where: question.where,
        detail: `like ${before.where}: ${shortened(askedText(question))}`,
        what: 'the same question is asked already',
        fix: 'It counts twice. Ask something else.',
      });
  }
  return problemsByKind(twins);
}

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
