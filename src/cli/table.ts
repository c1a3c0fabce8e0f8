// Rows of text in columns that fit into the terminal.
import { visible } from '../index.ts';
import { colours } from './colours.ts';
import { cut, displayWidth } from './format.ts';

export interface Column {
  readonly head: string;
  /** Numbers: aligned at their end. */
  readonly right?: boolean;
  /** Cut where the table is too wide for the terminal, from its end. */
  readonly gives?: boolean;
}

interface Painted {
  readonly text: string;
  readonly paint: (text: string) => string;
}
export type Cell = string | Painted;

const GAP = 2;
/** A column that gives way keeps so much. */
const LEAST = 8;

/** The head and a line for each row, at most `width` columns wide where they can be. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): string[] {
  const head = columns.map(({ head: text }): Painted => ({ text, paint: colours.dim }));
  const all = [head, ...rows.map((row) => row.map(shown))];
  const natural = columns.map((_, i) => Math.max(...all.map((row) => displayWidth(row[i].text))));
  const widths = fitted(columns, natural, width);
  return all.map((row) =>
    row
      .map(({ text, paint }, i) => {
        const kept = cut(text, widths[i]);
        const space = ' '.repeat(Math.max(0, widths[i] - displayWidth(kept)));
        const isLast = i === row.length - 1;
        return columns[i].right ? space + paint(kept) : paint(kept) + (isLast ? '' : space);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

function shown(cell: Cell): Painted {
  const { text, paint } = typeof cell === 'string' ? { text: cell, paint: String } : cell;
  return { text: visible(text).replaceAll('\n', ' '), paint };
}

/** Takes what is too much from the columns that give way, the widest first. */
function fitted(
  columns: readonly Column[],
  natural: readonly number[],
  width: number,
): readonly number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, one) => sum + one + GAP, -GAP);
  while (total() > width) {
    const [widest] = columns
      .map((column, i) => ({ i, gives: column.gives === true && widths[i] > LEAST }))
      .filter(({ gives }) => gives)
      .sort((a, b) => widths[b.i] - widths[a.i]);
    if (widest === undefined) return widths;
    widths[widest.i]--;
  }
  return widths;
}
