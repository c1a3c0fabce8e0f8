// metadata.csv: one row a picture, `filename,prompt`.
import { CsvError } from 'csv-parse/sync';
import type { Problem } from '../errors.ts';
import { readCaption } from './caption.ts';
import { csvFault, csvRows, type CsvRow } from './csv-rows.ts';
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
  const told = await readText({ path, shown });
  if ('problem' in told) return failed(told.problem);
  try {
    const table = parseTable(told.text, shown);
    return { ...table, warnings: [...table.warnings, ...told.warnings] };
  } catch (error) {
    if (error instanceof CsvError) return failed(csvProblem(error, told.text, shown));
    throw error;
  }
}

function parseTable(whole: string, shown: string): CaptionTable {
  // a note from Excel to itself; its line stays, so that lines keep their numbers
  const { text, count } = withoutFormulas(whole.replace(/^"?sep=.?"?(?=[\r\n])/i, ''));
  const firstLine = /[^\r\n]*/.exec(text.trimStart())?.[0] ?? '';
  const records = csvRows(text, { bom: true, delimiter: delimiterOf(firstLine), trim: true });
  const { rows: plainRows, formulas } = withoutFormulaCells(records);
  const cells = plainRows[0]?.cells ?? [];
  const header = readHeader(cells, firstLine, shown);
  if ('problem' in header) {
    const problem = { ...header.problem, ...laterHeader(plainRows.slice(1)) };
    return { rows: [], warnings: [], problems: [problem] };
  }
  const table = readRecords(plainRows.slice(1), cells.length, header.columns, shown);
  const notes = [...header.warnings, ...formulaNote(count + formulas, shown)];
  return { ...table, warnings: [...notes, ...table.warnings] };
}

/** Rows before the header are looked for so far. */
const TITLE_ROWS = 10;

/** What to do where titles or notes stand above the header. */
function laterHeader(rows: readonly CsvRow[]): Pick<Problem, 'fix'> | undefined {
  const header = rows
    .slice(0, TITLE_ROWS)
    .find(({ cells }) => !('problem' in readHeader(cells, '', '')));
  return header && { fix: `Line ${header.line} is the header: delete the lines above it.` };
}

/** The records with the texts of those cells that are formulas, which are counted. */
function withoutFormulaCells(records: readonly CsvRow[]): { rows: CsvRow[]; formulas: number } {
  let formulas = 0;
  const plain = (cell: string): string => {
    const text = formulaText(cell);
    if (text !== undefined) formulas++;
    return text ?? cell;
  };
  const rows = records.map(({ cells, line }) => ({ cells: cells.map(plain), line }));
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
  records: readonly CsvRow[],
  width: number,
  columns: Columns,
  shown: string,
): CaptionTable {
  const rows: CaptionRow[] = [];
  const problems: Problem[] = [];
  const warnings: FoundProblem[] = [];
  const firstLines = new Map<string, number>();
  for (const { cells, line } of records) {
    if (cells.every((cell) => cell === '')) continue;
    const read = readCaption(cells[columns.caption] ?? '', `${shown}:${line}`);
    const row = { name: cells[columns.name] ?? '', caption: read.caption, line };
    warnings.push(...read.warnings);
    const problem = rowProblem(row, cells.slice(width), firstLines.get(row.name));
    if (problem !== undefined) problems.push({ where: `${shown}:${row.line}`, ...problem });
    if (row.name !== '') rows.push(row);
    if (!firstLines.has(row.name)) firstLines.set(row.name, row.line);
  }
  return { rows, problems, warnings };
}

/** `#NAME?`, `#WERT!`, `#¿NOMBRE?`, `#N/A`; `#####` where a column was too narrow. */
const ERROR_VALUE = /^#(¿?[\p{Lu}\p{Lo}\d_/]+[?!]|N\/[AD]|NV|#+)$/u;

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
      fix: inQuotes(name, [caption, ...surplus].join(', ')),
    };
  const [wrong] = [name, caption].filter((cell) => ERROR_VALUE.test(cell));
  if (wrong !== undefined)
    return {
      what: `has "${wrong}", an error of a spreadsheet, in place of the ${wrong === name ? "picture's name" : 'caption'}`,
      fix: "In the spreadsheet, write the cell as text (with an apostrophe, ', before it), and save the file again.",
    };
  if (caption === '')
    return {
      what: `"${name}" has an empty caption`,
      fix: 'Write a caption, or delete the row and the picture.',
    };
  return undefined;
}

/** What to write for a caption with commas; typographic quotes hold no cell together. */
function inQuotes(name: string, caption: string): string {
  const [plainName, plainText] = [name, caption].map((text) => text.replace(/["“”„‟«»]/g, ''));
  const isTypographic = /^[“”„‟«»]/.test(caption);
  const row = isTypographic ? `${plainName},"${plainText}"` : `${name},"${caption}"`;
  return isTypographic
    ? `Its quotes are typographic ones (“ ”), which do not count: write plain ones: ${row}`
    : `Put the caption in double quotes: ${row}`;
}

function csvProblem(error: CsvError, text: string, shown: string): Problem {
  const { line, reason } = csvFault(error, text);
  return {
    where: line === undefined ? shown : `${shown}:${line}`,
    what: `is not valid CSV: ${reason}`,
    fix: 'Put the whole caption in double quotes; a quote inside it is written twice: "a ""big"" house".',
  };
}
