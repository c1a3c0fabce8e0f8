// Emphasis as WebUI has it: (a) is 1.1 times as important, (a:1.3) as the number says, [a] 1.1
// times less; \( is a bracket; BREAK begins a new chunk.

import { DIGIT, pythonFloat, SPACE, WORD } from '../../util/python-text.ts';

/** A part of a prompt that is tokenized by itself. */
export interface Segment {
  readonly text: string;
  readonly weight: number;
}

/** Between two chunks. Multiplied by brackets around it, it is a word, as in WebUI. */
const BREAK: Segment = { text: 'BREAK', weight: -1 };
export const isBreak = ({ text, weight }: Segment): boolean =>
  text === BREAK.text && weight === BREAK.weight;

const ROUND = 1.1;
const SQUARE = 1 / 1.1;

const pieces = new RegExp(
  String.raw`\\[()[\]\\]?|[()[\]]|:[${SPACE}]*([+-]?[.${DIGIT}]+)[${SPACE}]*\)|[^\\()[\]:]+|:`,
  'gu',
);
const breaks = new RegExp(`[${SPACE}]*(?<![${WORD}])BREAK(?![${WORD}])[${SPACE}]*`, 'u');

/** A weight that is no number. */
export class WeightError extends Error {
  readonly written: string;
  constructor(written: string) {
    super(`${written} is not a number`);
    this.written = written;
  }
}

/**
 * Parts of equal weight that follow one another are one; brackets that are not closed reach to the
 * end. Throws WeightError for (a:1.2.3).
 */
export function promptSegments(prompt: string): Segment[] {
  const open: { readonly round: number[]; readonly square: number[] } = { round: [], square: [] };
  const found: Segment[] = [];
  const weigh = (from: number, by: number) => {
    for (let i = from; i < found.length; i++)
      found[i] = { text: found[i].text, weight: found[i].weight * by };
  };
  for (const [piece, weight] of prompt.matchAll(pieces)) {
    const [round, square] = [open.round.length > 0, open.square.length > 0];
    if (piece.startsWith('\\')) found.push({ text: piece.slice(1), weight: 1 });
    else if (piece === '(') open.round.push(found.length);
    else if (piece === '[') open.square.push(found.length);
    else if (weight !== undefined && round) weigh(open.round.pop() ?? 0, weightOf(weight));
    else if (piece === ')' && round) weigh(open.round.pop() ?? 0, ROUND);
    else if (piece === ']' && square) weigh(open.square.pop() ?? 0, SQUARE);
    else found.push(...withBreaks(piece));
  }
  for (const from of open.round) weigh(from, ROUND);
  for (const from of open.square) weigh(from, SQUARE);
  return merged(found);
}

function weightOf(written: string): number {
  const weight = pythonFloat(written);
  if (weight === undefined || !Number.isFinite(weight)) throw new WeightError(written);
  return weight;
}

const withBreaks = (text: string): Segment[] =>
  text.split(breaks).flatMap((part, i) => [...(i > 0 ? [BREAK] : []), { text: part, weight: 1 }]);

function merged(segments: readonly Segment[]): Segment[] {
  const out: Segment[] = [];
  for (const { text, weight } of segments) {
    const last = out.at(-1);
    if (last?.weight === weight) out[out.length - 1] = { text: last.text + text, weight };
    else out.push({ text, weight });
  }
  return out.length === 0 ? [{ text: '', weight: 1 }] : out;
}
