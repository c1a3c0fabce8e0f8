// Rows of a CSV file with the lines that they begin on, and what is wrong with one that is none.
import { CsvError, parse, type Options } from 'csv-parse/sync';

export interface CsvRow {
  readonly cells: readonly string[];
  /** Line of the text that the row begins on, from 1. */
  readonly line: number;
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Rows of any length; empty lines are left out. Throws CsvError. */
export function csvRows(text: string, options: Options): CsvRow[] {
  try {
    return counted(parsed(text, options));
  } catch (error) {
    // the parser counts `\r\n` inside quotes as two lines, and its error should name the right one
    if (error instanceof CsvError) parsed(text.replaceAll('\r\n', '\n'), options);
    throw error;
  }
}

/** With `info` each record comes with the line it ends on; the types do not say so. */
const parsed = (text: string, options: Options): Parsed[] =>
  parse(text, {
    ...options,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
  }) as unknown as Parsed[];

/** Line breaks inside a row's quotes put its beginning before its end. */
function counted(records: readonly Parsed[]): CsvRow[] {
  let surplus = 0;
  return records.map(({ record, info }) => {
    const breaks = record.flatMap((cell) => cell.match(/\r\n|\r|\n/g) ?? []);
    surplus += breaks.filter((one) => one === '\r\n').length;
    return { cells: record, line: info.lines - surplus - breaks.length };
  });
}

const faults: { readonly [code: string]: string } = {
  CSV_QUOTE_NOT_CLOSED: 'a double quote is opened here and never closed',
  INVALID_OPENING_QUOTE: 'a double quote stands inside a cell that does not begin with one',
  CSV_INVALID_CLOSING_QUOTE: 'text follows the double quote that ends a cell',
  CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: 'text follows the double quote that ends a cell',
};

/** Where `text` stops being CSV, and why; of a cell over several lines, where it begins. */
export function csvFault(error: CsvError, text: string): { line?: number; reason: string } {
  const reason = Object.hasOwn(faults, error.code) ? faults[error.code] : error.message;
  const { opened, closed } = wrongQuote(text);
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') return { line: lineAt(text, opened), reason };
  const last = typeof error['lines'] === 'number' ? error['lines'] : undefined;
  const line = closed === undefined ? last : lineAt(text, opened);
  if (line === last || line === undefined)
    return { ...(last !== undefined && { line: last }), reason };
  const end = lineAt(text, closed ?? opened);
  return {
    line,
    reason: `a double quote is opened here and not closed before line ${end}, where text follows it`,
  };
}

/** The first quoted cell that does not end, or after which more than spaces follows. */
function wrongQuote(text: string): { opened: number; closed?: number } {
  let opened = -1;
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '"') continue;
    if (opened < 0) opened = at;
    else if (text[at + 1] === '"') at++;
    else if (/^ *([,;\t\r\n]|$)/.test(text.slice(at + 1, at + 50))) opened = -1;
    else return { opened, closed: at };
  }
  return { opened };
}

const lineAt = (text: string, end: number): number =>
  text.slice(0, Math.max(0, end)).split(/\r\n|\r|\n/).length;

/**
 * Rows with a cell whose further lines look like rows of their own: its quote was closed too late.
 * In prose, a blank follows a comma.
 */
export const swallowing = (rows: readonly CsvRow[], delimiter: string): CsvRow[] =>
  rows.filter(({ cells }) => {
    const [, ...further] = cells.find((cell) => /[\r\n]/.test(cell))?.split(/\r\n|\r|\n/) ?? [];
    return (
      rows[0].cells.length > 1 &&
      further.length > 0 &&
      further.every((line) => line.split(delimiter).length === rows[0].cells.length) &&
      further.every((line) => line.split(delimiter).every((cell) => /^\S/.test(cell)))
    );
  });
