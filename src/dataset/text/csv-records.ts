// Records of a CSV file: the first line names the columns, commas, semicolons or tabs divide them.
import { CsvError } from 'csv-parse/sync';
import type { Problem } from '../../errors.ts';
import { csvFault, csvRows, swallowing, type CsvRow } from '../csv-rows.ts';
import type { FoundProblem } from '../../util/problems-by-kind.ts';
import type { FoundRecords } from './found-records.ts';

export function readCsv(text: string, shown: string): FoundRecords {
  try {
    const { rows, delimiter } = rowsOf(text);
    const warnings = swallowing(rows, delimiter).map((row) => swallowed(row, shown));
    return { ...recordsOf(rows, shown), warnings };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { line, reason } = csvFault(error, text);
    return {
      records: [],
      problems: [
        {
          where: line === undefined ? shown : `${shown}:${line}`,
          what: `is not valid CSV: ${reason}`,
          fix: 'Check the double quotes: a quote inside a quoted text is written twice.',
        },
      ],
    };
  }
}

/**
 * Excel may write the separator above the names of the columns: `sep=;`. An empty line stays there,
 * so that lines keep their numbers.
 */
function rowsOf(text: string): { rows: CsvRow[]; delimiter: string } {
  const declared = /^sep=(.)(?=\r?\n)/.exec(text);
  const body = declared === null ? text : text.slice(declared[0].length);
  const firstLine = (/[^\r\n]+/.exec(body)?.[0] ?? '').replace(/"[^"]*"/g, '');
  const delimiter =
    declared?.[1] ?? [',', ';', '\t'].find((separator) => firstLine.includes(separator)) ?? ',';
  return { rows: csvRows(body, { delimiter }), delimiter };
}

function swallowed({ cells, line }: CsvRow, shown: string): FoundProblem {
  const lines = Math.max(...cells.map((cell) => cell.split(/\r\n|\r|\n/).length));
  return {
    where: `${shown}:${line}`,
    detail: `${lines} lines`,
    what: 'a cell in double quotes goes on over lines that look like rows of their own',
    fix: 'If they are, its closing quote is missing; a quote inside a quoted text is written twice.',
  };
}

function recordsOf([header, ...rows]: readonly CsvRow[], shown: string): FoundRecords {
  if (header === undefined) return { records: [], problems: [] };
  const names = header.cells.map((name) => name.trim().toLowerCase());
  const columns = { line: header.line, names: names.filter((name) => name !== '') };
  const filled = rows.filter(({ cells }) => cells.some((cell) => cell.trim() !== ''));
  const problems = [
    ...doubled(columns, shown),
    ...filled.flatMap((row) => surplus(row, names.length, shown)),
  ];
  return {
    records: filled.map(({ line, cells }) => ({ line, value: objectOf(names, cells) })),
    problems,
    columns,
  };
}

const objectOf = (names: readonly string[], cells: readonly string[]): unknown =>
  Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));

function doubled(
  { line, names }: { line: number; names: readonly string[] },
  shown: string,
): Problem[] {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  return twice === undefined
    ? []
    : [
        {
          where: `${shown}:${line}`,
          what: `two columns are called "${twice}"`,
          fix: 'Rename one of them.',
        },
      ];
}

/** A comma in a text without quotes begins a new cell, and what follows would be lost. */
function surplus(row: CsvRow, columns: number, shown: string): Problem[] {
  if (row.cells.slice(columns).every((cell) => cell.trim() === '')) return [];
  const what = `has ${row.cells.length} cells, but the first line names ${columns} ${columns === 1 ? 'column' : 'columns'}`;
  return [
    {
      where: `${shown}:${row.line}`,
      what,
      fix: 'Put a text with a separator in it in double quotes: "Well, yes".',
    },
  ];
}
