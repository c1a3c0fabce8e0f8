// An evaluation in a terminal: the verdict, the figures, and answers side by side.
import {
  askedText,
  type EvalResult,
  type FigureRow,
  figureRows,
  type Judged,
  type JudgedQuestion,
  type SetResult,
  spoken,
  type VerdictKind,
  visible,
} from '../index.ts';
import { colours } from './colours.ts';
import { cut, displayWidth } from './format.ts';

export interface EvalLinesOptions {
  /** Of the terminal; default 80. */
  readonly columns?: number;
  /** So many questions are shown, spread over all. Default 5. */
  readonly show?: number;
}

type Paint = (text: string) => string;

const paints: Readonly<Record<VerdictKind, Paint>> = {
  better: colours.green,
  same: colours.cyan,
  worse: colours.red,
  forgot: colours.red,
  'too few questions': colours.yellow,
};

/** Lines that fit into the columns; nothing in them acts on the terminal. */
export function evalLines(
  result: EvalResult,
  { columns = 80, show = 5 }: EvalLinesOptions = {},
): string[] {
  const { verdict, questions, general } = result;
  const width = Math.max(24, Math.min(columns, 160) - 1);
  const head = colours.bold(paints[verdict.kind](verdict.headline));
  const reasons = verdict.reasons
    .flatMap((reason) => wrapped(reason, width - 2))
    .map((line) => `  ${line}`);
  const sets = [
    ...setLines('questions', questions),
    ...(general === undefined ? [] : setLines('general questions', general)),
  ];
  return [
    head,
    ...reasons,
    '',
    ...sets.map((line) => cutPainted(line, width)),
    ...answerLines(questions, width, show),
  ];
}

// ---- figures

interface FigureLine {
  readonly text: string;
  readonly paint?: Paint;
}

const cutPainted = ({ text, paint = String }: FigureLine, width: number): string =>
  paint(cut(text, width));

function setLines(name: string, set: SetResult): FigureLine[] {
  const rows = figureRows(set);
  const title = `${set.questions.length} ${set.questions.length === 1 ? name.slice(0, -1) : name}`;
  const widest = (texts: readonly string[]): number => Math.max(...texts.map(displayWidth));
  const [first, before, after] = [
    widest([title, ...rows.map((row) => row.name)]),
    widest(['without', ...rows.map((row) => row.base)]),
    widest(['with', ...rows.map((row) => row.adapter)]),
  ];
  const line = (cells: readonly [string, string, string]): string =>
    `  ${cells[0].padEnd(first)}  ${cells[1].padStart(before)}  ${cells[2].padStart(after)}`;
  const head = { text: line([title, 'without', 'with']), paint: colours.dim };
  return [
    head,
    ...rows.map((row) => ({
      text: line([row.name, row.base, row.adapter]) + arrow(row),
      ...paintOf(row),
    })),
    { text: '' },
  ];
}

const arrow = ({ gain }: FigureRow): string => (gain > 0 ? ' ▲' : gain < 0 ? ' ▼' : '');
const paintOf = ({ gain }: FigureRow): { paint?: Paint } =>
  gain > 0 ? { paint: colours.green } : gain < 0 ? { paint: colours.red } : {};

// ---- answers

function answerLines({ questions }: SetResult, width: number, show: number): string[] {
  const count = Math.min(show, questions.length);
  if (count <= 0) return [];
  const shown = Array.from(
    { length: count },
    (_, i) => questions[Math.floor((i * questions.length) / count)],
  );
  return shown.flatMap((judged) => [...questionLines(judged, width), '']);
}

/** Beside each other from so many columns on, else below each other. */
const SIDE_BY_SIDE = 60;

function questionLines({ question, base, adapter }: JudgedQuestion, width: number): string[] {
  const asked = wrapped(askedText(question), width).map((line) => colours.bold(line));
  const expected =
    question.prompt.kind === 'text' || question.expected === undefined
      ? []
      : wrapped(`expected: ${question.expected}`, width).map((line) => colours.dim(line));
  const [facts, without, with_] = [question.facts.map(([first]) => first), base, adapter];
  const place = colours.dim(cut(question.where, width));
  if (width < SIDE_BY_SIDE)
    return [
      place,
      ...asked,
      ...expected,
      ...cell('without the adapter', without, facts, width),
      ...cell('with the adapter', with_, facts, width),
    ].map(String);
  const half = Math.floor((width - 3) / 2);
  const [left, right] = [
    cell('without the adapter', without, facts, half),
    cell('with the adapter', with_, facts, half),
  ];
  const rows = Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
    beside(left[i], right[i], half),
  );
  return [place, ...asked, ...expected, ...rows];
}

/** A line of a cell, not yet coloured, so that its width is known. */
class CellLine {
  constructor(
    readonly text: string,
    readonly paint: Paint = String,
  ) {}
  toString(): string {
    return this.paint(this.text);
  }
}

const padded = (line: CellLine | undefined, columns: number): string =>
  `${String(line ?? '')}${' '.repeat(Math.max(0, columns - displayWidth(line?.text ?? '')))}`;
const beside = (left: CellLine | undefined, right: CellLine | undefined, half: number): string =>
  `${padded(left, half)} ${colours.dim('│')} ${String(right ?? '')}`.trimEnd();

function cell(
  title: string,
  { answer, facts = [], forbidden = [], exact }: Judged,
  wanted: readonly string[],
  columns: number,
): CellLine[] {
  const said = answer === undefined ? '' : spoken(answer) === '' ? '(no answer)' : spoken(answer);
  const bad = [
    ...wanted.filter((_, i) => facts[i] === false).map((fact) => `✗ missing: “${fact}”`),
    ...forbidden.map((phrase) => `✗ forbidden: “${phrase}”`),
  ];
  return [
    new CellLine(cut(title, columns), colours.dim),
    ...wrapped(said, columns).map((line) => new CellLine(line)),
    ...(exact === true ? [new CellLine('✓ as expected', colours.green)] : []),
    ...bad.flatMap((text) => wrapped(text, columns)).map((line) => new CellLine(line, colours.red)),
  ];
}

// ---- lines of a width

/**
 * Broken at spaces, and between characters that need none; a word longer than a line is divided.
 * Control characters are shown, not sent.
 */
export function wrapped(text: string, columns: number): string[] {
  return visible(text)
    .replaceAll('\t', ' ')
    .split('\n')
    .flatMap((line) => wrappedLine(line, columns));
}

function wrappedLine(text: string, columns: number): string[] {
  const lines = [''];
  for (const piece of text.match(
    /\s+|[^\s\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]+|./gsu,
  ) ?? []) {
    const space = /^\s+$/.test(piece);
    for (const part of displayWidth(piece) > columns ? [...piece] : [piece]) {
      const fits = displayWidth(lines[lines.length - 1] + part) <= columns;
      if (fits) lines[lines.length - 1] += part;
      else if (!space) lines.push(part);
    }
  }
  return lines.map((line) => line.trimEnd());
}
