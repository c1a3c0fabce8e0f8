// Records of a CSV file: the first line names the columns, commas, semicolons or tabs divide them.
import { CsvError, parse } from 'csv-parse/sync';
import type { Problem } from '../../errors.ts';
import type { FoundRecords } from './found-records.ts';

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

export function readCsv(text: string, shown: string): FoundRecords {
  try {
    return recordsOf(rowsOf(text), shown);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error['lines'] === 'number' ? `:${error['lines']}` : '';
    const what =
      error.code === 'CSV_QUOTE_NOT_CLOSED'
        ? 'is not valid CSV: a double quote opened before is never closed'
        : `is not valid CSV: ${error.message}`;
    return {
      records: [],
      problems: [
        {
          where: `${shown}${line}`,
          what,
          fix: 'Check the double quotes: a quote inside a quoted text is written twice.',
        },
      ],
    };
  }
}

/** Excel may write the separator above the names of the columns: `sep=;`. */
function rowsOf(text: string): Row[] {
  const declared = /^sep=(.)\r?\n/.exec(text);
  const body = declared === null ? text : text.slice(declared[0].length);
  const firstLine = body.slice(0, body.search(/[\r\n]|$/)).replace(/"[^"]*"/g, '');
  const delimiter =
    declared?.[1] ?? [',', ';', '\t'].find((separator) => firstLine.includes(separator)) ?? ',';
  // With `info` each record comes with the number of the line it ends on; the types do not say so.
  const rows = parse(body, {
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    delimiter,
  }) as unknown as Row[];
  return declared === null
    ? rows
    : rows.map(({ record, info }) => ({ record, info: { lines: info.lines + 1 } }));
}

function recordsOf([header, ...rows]: readonly Row[], shown: string): FoundRecords {
  if (header === undefined) return { records: [], problems: [] };
  const names = header.record.map((name) => name.trim().toLowerCase());
  const columns = { line: firstLineOf(header), names: names.filter((name) => name !== '') };
  const filled = rows.filter(({ record }) => record.some((cell) => cell.trim() !== ''));
  const problems = [
    ...doubled(columns, shown),
    ...filled.flatMap((row) => surplus(row, names.length, shown)),
  ];
  return {
    records: filled.map((row) => ({ line: firstLineOf(row), value: objectOf(names, row.record) })),
    problems,
    columns,
  };
}

/**
 * A record is counted by the line it ends on; line breaks inside its quotes put its beginning
 * before that.
 */
const firstLineOf = ({ record, info }: Row): number =>
  info.lines - record.reduce((sum, cell) => sum + (cell.match(/\r\n|\r|\n/g)?.length ?? 0), 0);

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
function surplus(row: Row, columns: number, shown: string): Problem[] {
  if (row.record.slice(columns).every((cell) => cell.trim() === '')) return [];
  const what = `has ${row.record.length} cells, but the first line names ${columns} ${columns === 1 ? 'column' : 'columns'}`;
  return [
    {
      where: `${shown}:${firstLineOf(row)}`,
      what,
      fix: 'Put a text with a separator in it in double quotes: "Well, yes".',
    },
  ];
}
