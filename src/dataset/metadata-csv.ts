// metadata.csv: one row a picture, `filename,prompt`.
import { CsvError, parse } from 'csv-parse/sync';
import type { Problem } from '../errors.ts';
import { readCaption } from './caption.ts';
import { plural } from '../util/plural.ts';
import type { FoundProblem } from '../util/problems-by-kind.ts';
import { formulaText, withoutFormulas } from './formula-text.ts';
import { type Columns, readHeader } from './table-header.ts';
import { readText } from './text-file.ts';

export interface CaptionRow {
  /** As written, but for a formula around it. */
  readonly name: string;
  readonly caption: string;
  /** Line of the file the row begins on, from 1. */
  readonly line: number;
}

export interface CaptionTable {
  readonly rows: readonly CaptionRow[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly FoundProblem[];
}

/**
 * Reads a table of captions; whatever is wrong with it is listed, not thrown. `shown` is the path
 * in messages.
 */
export async function readCaptionTable(path: string, shown: string): Promise<CaptionTable> {
  const failed = (problem: Problem): CaptionTable => ({
    rows: [],
    problems: [problem],
    warnings: [],
  });
  try {
    const told = await readText({ path, shown });
    if ('problem' in told) return failed(told.problem);
    const table = parseTable(told.text, shown);
    return { ...table, warnings: [...table.warnings, ...told.warnings] };
  } catch (error) {
    if (error instanceof CsvError) return failed(csvProblem(error, shown));
    throw error;
  }
}

interface Record {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function parseTable(whole: string, shown: string): CaptionTable {
  // a note from Excel to itself; its line stays, so that lines keep their numbers
  const { text, count } = withoutFormulas(whole.replace(/^"?sep=.?"?(?=[\r\n])/i, ''));
  const firstLine = /[^\r\n]*/.exec(text.trimStart())?.[0] ?? '';
  // With `info` each record comes with the number of the line it ends on; the types do not say so.
  const records = parse(text, {
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    bom: true,
    delimiter: delimiterOf(firstLine),
    trim: true,
  }) as unknown as Record[];
  const { rows: plainRows, formulas } = withoutFormulaCells(records);
  const cells = plainRows[0]?.record ?? [];
  const header = readHeader(cells, firstLine, shown);
  if ('problem' in header) return { rows: [], warnings: [], problems: [header.problem] };
  const table = readRecords(plainRows.slice(1), cells.length, header.columns, shown);
  const notes = [...header.warnings, ...formulaNote(count + formulas, shown)];
  return { ...table, warnings: [...notes, ...table.warnings] };
}

/** The records with the texts of those cells that are formulas, which are counted. */
function withoutFormulaCells(records: readonly Record[]): { rows: Record[]; formulas: number } {
  let formulas = 0;
  const plain = (cell: string): string => {
    const text = formulaText(cell);
    if (text !== undefined) formulas++;
    return text ?? cell;
  };
  const rows = records.map(({ record, info }) => ({ record: record.map(plain), info }));
  return { rows, formulas };
}

const formulaNote = (count: number, shown: string): Problem[] =>
  count === 0
    ? []
    : [
        {
          where: shown,
          what: `${plural(count, 'cell is a formula', 'cells are formulas')} such as ="a.png"; the text in the quotes is used`,
        },
      ];

/** Spreadsheets of some countries write semicolons or tabs. */
const delimiterOf = (header: string): string =>
  [',', ';', '\t'].find((separator) => header.includes(separator)) ?? ',';

function readRecords(
  records: readonly Record[],
  width: number,
  columns: Columns,
  shown: string,
): CaptionTable {
  const rows: CaptionRow[] = [];
  const problems: Problem[] = [];
  const warnings: FoundProblem[] = [];
  const firstLines = new Map<string, number>();
  for (const { record, info } of records) {
    if (record.every((cell) => cell === '')) continue;
    const line = startLine(record, info.lines);
    const read = readCaption(record[columns.caption] ?? '', `${shown}:${line}`);
    const row = { name: record[columns.name] ?? '', caption: read.caption, line };
    warnings.push(...read.warnings);
    const problem = rowProblem(row, record.slice(width), firstLines.get(row.name));
    if (problem !== undefined) problems.push({ where: `${shown}:${row.line}`, ...problem });
    if (row.name !== '') rows.push(row);
    if (!firstLines.has(row.name)) firstLines.set(row.name, row.line);
  }
  return { rows, problems, warnings };
}

/** A record ends on line `last`; line breaks inside its quotes put its beginning before that. */
const startLine = (record: readonly string[], last: number): number =>
  last - record.reduce((breaks, cell) => breaks + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);

function rowProblem(
  { name, caption }: CaptionRow,
  surplus: readonly string[],
  firstLine: number | undefined,
): Omit<Problem, 'where'> | undefined {
  if (name === '')
    return {
      what: 'names no picture',
      fix: 'Write the name of the picture in the first column, or delete the row.',
    };
  if (firstLine !== undefined)
    return {
      what: `names "${name}" again, as line ${firstLine} does`,
      fix: 'Delete one of the two rows.',
    };
  if (surplus.some((cell) => cell !== ''))
    return {
      what: `has more cells than the header; the caption would end at "${caption}"`,
      fix: `Put the caption in double quotes: ${name},"${[caption, ...surplus].join(', ')}"`,
    };
  if (caption === '')
    return {
      what: `"${name}" has an empty caption`,
      fix: 'Write a caption, or delete the row and the picture.',
    };
  return undefined;
}

const quoteFaults: { readonly [code: string]: string } = {
  CSV_QUOTE_NOT_CLOSED: 'a double quote is opened somewhere and never closed',
  INVALID_OPENING_QUOTE: 'a double quote stands inside a cell that does not begin with one',
  CSV_INVALID_CLOSING_QUOTE: 'text follows the double quote that ends a cell',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: 'text follows the double quote that ends a cell',
};

function csvProblem(error: CsvError, shown: string): Problem {
  const line = typeof error['lines'] === 'number' ? `:${error['lines']}` : '';
  const reason = Object.hasOwn(quoteFaults, error.code) ? quoteFaults[error.code] : error.message;
  return {
    where: `${shown}${line}`,
    what: `is not valid CSV: ${reason}`,
    fix: 'Put the whole caption in double quotes; a quote inside it is written twice: "a ""big"" house".',
  };
}
