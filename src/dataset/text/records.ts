// A file of records, each with the line it begins on: JSON in several forms, CSV, or plain text.
import { extname } from 'node:path';
import type { Told } from '../../util/encoding/decode-text.ts';
import type { FoundProblem } from '../../util/problems-by-kind.ts';
import type { NamedFile } from '../text-file.ts';
import { readCsv } from './csv-records.ts';
import type { FoundRecords, TextRecord } from './found-records.ts';
import { plainRecord } from './plain-record.ts';
import { isLines, linesOf, parses, readArray, readLines, readObjects } from './json-records.ts';

export type RecordFormat = 'JSON lines' | 'a JSON array' | 'JSON objects' | 'CSV' | 'plain text';

export interface RecordFile extends FoundRecords {
  readonly format: RecordFormat;
  readonly warnings: readonly FoundProblem[];
}

/**
 * The records of a file, whose form is found by looking. `shown` is the path in messages. Whatever
 * is wrong is listed, not thrown.
 */
export function recordsOf({ path, shown }: NamedFile, told: Told): RecordFile {
  const none = { format: 'plain text', records: [] } as const;
  if ('problem' in told) return { ...none, problems: [told.problem], warnings: [] };
  const { text, warnings } = told;
  const format = formatOf(text, extname(path).toLowerCase());
  const found = readers[format](text, shown);
  if (found.records.length > 0 || found.problems.length > 0) {
    const plain = found.records.map((record) => plainRecord(record, shown));
    return {
      format,
      ...found,
      records: plain.map(({ record }) => record),
      warnings: [...warnings, ...(found.warnings ?? []), ...plain.flatMap((one) => one.warnings)],
    };
  }
  const fix = 'Write samples into it, or take it out of the list of files.';
  return { ...none, problems: [{ where: shown, what: 'holds no samples', fix }], warnings };
}

const readers: Readonly<Record<RecordFormat, (text: string, shown: string) => FoundRecords>> = {
  'JSON lines': readLines,
  'a JSON array': readArray,
  'JSON objects': readObjects,
  CSV: readCsv,
  'plain text': readPlain,
};

/** By the first character; the ending decides between CSV and plain text only. */
function formatOf(text: string, ending: string): RecordFormat {
  const json = ending === '.jsonl' || ending === '.json' || ending === '.ndjson';
  const first = text.trimStart().slice(0, 1);
  if (first === '[' && (json || parses(text)))
    return isLines(text, '[') && !parses(text) ? 'JSON lines' : 'a JSON array';
  if (first === '{' && (json || isLines(text, '{') || parses(text)))
    return isLines(text, '{') && (ending !== '.json' || !parses(text))
      ? 'JSON lines'
      : 'JSON objects';
  if (json) return 'JSON lines';
  return ending === '.csv' || ending === '.tsv' ? 'CSV' : 'plain text';
}

/** A file is one text; two empty lines or more divide it into several. */
function readPlain(text: string): FoundRecords {
  const records: TextRecord[] = [];
  const lines = linesOf(text);
  let start = 0;
  const end = (at: number): void => {
    const part = lines.slice(start, at);
    const empty = part.findIndex((line) => line.trim() !== '');
    if (empty >= 0)
      records.push({ line: start + empty + 1, value: { text: part.join('\n').trim() } });
    start = at;
  };
  for (let i = 1; i < lines.length; i++)
    if (lines[i].trim() === '' && lines[i - 1].trim() === '') end(i);
  end(lines.length);
  return { records, problems: [] };
}
