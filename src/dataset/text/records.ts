// A file of records, each with the line it begins on: JSON lines, a JSON array, CSV, or plain text.
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import type { Problem } from '../../errors.ts';

export type RecordFormat = 'JSON lines' | 'a JSON array' | 'CSV' | 'plain text';

export interface TextRecord {
  /** From 1. */
  readonly line: number;
  readonly value: unknown;
}

export interface RecordFile {
  readonly format: RecordFormat;
  readonly records: readonly TextRecord[];
  readonly problems: readonly Problem[];
}

type Found = Omit<RecordFile, 'format'>;

/** Reads a file whose form is found by looking. `shown` is the path in messages. Whatever is wrong is listed, not thrown. */
export async function readRecords(path: string, shown: string): Promise<RecordFile> {
  const bytes = await readFile(path).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  const text = typeof bytes === 'string' ? undefined : decode(bytes);
  if (text === undefined || typeof bytes === 'string') return { format: 'plain text', records: [], problems: [unreadable(bytes, shown)] };
  const format = formatOf(text, extname(path).toLowerCase());
  const found = readers[format](text, shown);
  if (found.records.length > 0 || found.problems.length > 0) return { format, ...found };
  return { format, records: [], problems: [{ where: shown, what: 'holds no samples', fix: 'Write samples into it, or take it out of the list of files.' }] };
}

const readers: Readonly<Record<RecordFormat, (text: string, shown: string) => Found>> = {
  'JSON lines': readLines,
  'a JSON array': readArray,
  CSV: readCsv,
  'plain text': readPlain,
};

/** By the first sign; the ending decides between CSV and plain text only. */
function formatOf(text: string, ending: string): RecordFormat {
  const json = ending === '.jsonl' || ending === '.json' || ending === '.ndjson';
  const first = text.trimStart().slice(0, 1);
  if (first === '[' && (json || parses(text))) return 'a JSON array';
  if (json || (first === '{' && parses(text.trimStart().split(/\r\n|\r|\n/, 1)[0] ?? ''))) return 'JSON lines';
  return ending === '.csv' || ending === '.tsv' ? 'CSV' : 'plain text';
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// ---- bytes -----------------------------------------------------------------------------------------------------------

/** UTF-8, or UTF-16 that says so; undefined for everything else. */
function decode(bytes: Uint8Array): string | undefined {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  return decodeAs(encoding, bytes);
}

function decodeAs(encoding: string, bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function unreadable(bytes: Uint8Array | string, shown: string): Problem {
  if (typeof bytes === 'string') return { where: shown, what: `cannot be read: ${bytes}`, fix: 'Correct the path.' };
  const line = firstBadLine(bytes);
  const chinese = decodeAs('gb18030', bytes) !== undefined;
  const fix = `Save the file as UTF-8.${chinese ? ` If it is Chinese, it may be GB18030: iconv -f GB18030 -t UTF-8 ${shown}` : ''}`;
  return { where: `${shown}:${line}`, what: 'is not UTF-8', fix };
}

function firstBadLine(bytes: Uint8Array): number {
  let [line, start] = [1, 0];
  while (start < bytes.length) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    if (decodeAs('utf-8', bytes.subarray(start, end)) === undefined) return line;
    [line, start] = [line + 1, end + 1];
  }
  return line;
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

const linesOf = (text: string): string[] => text.split(/\r\n|\r|\n/);

function readLines(text: string, shown: string): Found {
  const records: TextRecord[] = [];
  const problems: Problem[] = [];
  linesOf(text).forEach((content, i) => {
    if (content.trim() !== '') readJson(content, i + 1, shown, 'Each line must be one JSON object in double quotes, without a comma after it.', records, problems);
  });
  return { records, problems };
}

function readJson(text: string, line: number, shown: string, fix: string, records: TextRecord[], problems: Problem[]): void {
  try {
    records.push({ line, value: JSON.parse(text) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    problems.push({ where: `${shown}:${line}`, what: `broken JSON: ${reason}`, fix });
  }
}

function readArray(text: string, shown: string): Found {
  const records: TextRecord[] = [];
  const problems: Problem[] = [];
  const { elements, closed } = elementsOf(text);
  for (const { content, line } of elements) readJson(content, line, shown, 'Correct this element of the array.', records, problems);
  const last = linesOf(text.trimEnd()).length;
  if (!closed && problems.length === 0) problems.push({ where: `${shown}:${last}`, what: 'the array does not end; the file seems cut off', fix: 'End it with ], or copy the file again.' });
  return { records, problems };
}

interface Element {
  readonly content: string;
  readonly line: number;
}

/** The elements of the outermost array as text, so that one broken element does not hide the others. */
function elementsOf(text: string): { elements: Element[]; closed: boolean } {
  const elements: Element[] = [];
  let [depth, line, start, startedOn, quoted] = [0, 1, -1, 0, false];
  const end = (at: number): void => {
    if (start >= 0) elements.push({ content: text.slice(start, at), line: startedOn });
    start = -1;
  };
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (sign === '\n') line++;
    else if (quoted) [i, quoted] = [sign === '\\' ? i + 1 : i, sign !== '"'];
    else if (depth === 1 && sign === ',') end(i);
    else if (sign === ']' && depth === 1) {
      end(i);
      return { elements, closed: true };
    } else {
      if (depth >= 1 && start < 0 && sign.trim() !== '') [start, startedOn] = [i, line];
      quoted = sign === '"';
      depth += sign === '[' || sign === '{' ? 1 : sign === ']' || sign === '}' ? -1 : 0;
    }
  }
  end(text.length);
  return { elements, closed: false };
}

// ---- CSV and plain text ------------------------------------------------------------------------------------------------

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function readCsv(text: string, shown: string): Found {
  try {
    const firstLine = text.slice(0, text.search(/[\r\n]|$/));
    const delimiter = [',', ';', '\t'].find((sign) => firstLine.includes(sign)) ?? ',';
    // With `info` each record comes with the number of the line it ends on; the types do not say so.
    const [header, ...rows] = parse(text, { info: true, relax_column_count: true, skip_empty_lines: true, bom: true, delimiter }) as unknown as Row[];
    const names = (header?.record ?? []).map((name) => name.trim());
    const filled = rows.filter(({ record }) => record.some((cell) => cell.trim() !== ''));
    return { records: filled.map(({ record, info }) => ({ line: info.lines - breaksIn(record), value: objectOf(names, record) })), problems: [] };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error['lines'] === 'number' ? `:${error['lines']}` : '';
    return { records: [], problems: [{ where: `${shown}${line}`, what: `is not valid CSV: ${error.message}`, fix: 'Check the double quotes: a quote inside a quoted text is written twice.' }] };
  }
}

/** A record is counted by the line it ends on; line breaks inside its quotes put its beginning before that. */
const breaksIn = (record: readonly string[]): number => record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);

const objectOf = (names: readonly string[], cells: readonly string[]): unknown => Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));

/** A file is one text; two empty lines or more divide it into several. */
function readPlain(text: string): Found {
  const records: TextRecord[] = [];
  const lines = linesOf(text);
  let start = 0;
  const end = (at: number): void => {
    const part = lines.slice(start, at);
    const empty = part.findIndex((line) => line.trim() !== '');
    if (empty >= 0) records.push({ line: start + empty + 1, value: { text: part.join('\n').trim() } });
    start = at;
  };
  for (let i = 1; i < lines.length; i++) if (lines[i].trim() === '' && lines[i - 1].trim() === '') end(i);
  end(lines.length);
  return { records, problems: [] };
}
