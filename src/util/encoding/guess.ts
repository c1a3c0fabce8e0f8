// The encoding of bytes that are no UTF-8, judged by how likely the text would be in each; without
// a clear winner there is none, since a wrong guess would be trained.
import {
  type Hypothesis,
  hypotheses,
  type LegacyEncoding,
  textBits,
  utf8Languages,
} from './languages.ts';
import { windows1252 } from './windows-1252.ts';

export type Guessed = LegacyEncoding | 'utf-8';

/** What one encoding makes of a file. */
export interface Candidate {
  readonly encoding: Guessed;
  /** The judged lines, to tell candidates that say the same. */
  readonly text: string;
  /** Without the encoding's prior; lower is likelier. */
  readonly bits: number;
  readonly prior: number;
  /** Mean bits of the characters outside ASCII. */
  readonly strange: number;
}

/** The winner must be 2⁸ times as likely as any other text. */
const MARGIN_BITS = 8;
/** Between encodings of one byte a character, so much of it must come from the text itself. */
const MARGIN_OF_TEXT_BITS = 3;
/** Above this, characters are chosen by chance: nobody's language. An alphabet has few. */
const MOST_STRANGE = { alphabet: 10, many: 16.5 };
/** Of a line that the encoding cannot hold, beside the bits of what it can hold of it. */
const UNDECODABLE_BITS = 60;
/** So many bytes are judged. */
const JUDGED_BYTES = 16384;
/** What is well-formed UTF-8 is seldom anything else. */
const UTF8_PRIOR = -15;

/** One candidate for each encoding, the likeliest first. */
export function candidatesFor(bytes: Uint8Array): Candidate[] {
  const lines = judgedLines(bytes);
  const best = new Map<Guessed, Candidate>();
  const consider = (candidate: Candidate | undefined): void => {
    if (candidate === undefined) return;
    const known = best.get(candidate.encoding);
    if (known === undefined || scoreOf(candidate) < scoreOf(known))
      best.set(candidate.encoding, candidate);
  };
  const whole = [bytes.subarray(0, JUDGED_BYTES)];
  for (const { encoding, prior, ...language } of hypotheses)
    consider(judged(encoding, prior, wide(encoding) ? whole : lines, language));
  const shape = utf8Shape(lines);
  if (shape !== 'none')
    for (const language of utf8Languages)
      consider(judged('utf-8', shape === 'whole' ? UTF8_PRIOR : 0, lines, language));
  return [...best.values()].sort((a, b) => scoreOf(a) - scoreOf(b));
}

/** Whether there are characters of UTF-8, and nothing but them. */
function utf8Shape(lines: readonly Uint8Array[]): 'whole' | 'damaged' | 'none' {
  const text = lines.map((line) => new TextDecoder().decode(line)).join('\n');
  if (!text.includes('\ufffd')) return 'whole';
  return /[^\0-\x7f\ufffd]/.test(text) ? 'damaged' : 'none';
}

/** Undefined where the encoding can hold none of the lines. */
function judged(
  encoding: Guessed,
  prior: number,
  lines: readonly Uint8Array[],
  language: Pick<Hypothesis, 'bitsOf' | 'words'>,
): Candidate | undefined {
  const decoded = lines.map((line) =>
    encoding === 'utf-8'
      ? new TextDecoder().decode(line)
      : decodeStrictly(encoding, line, line.length === JUDGED_BYTES),
  );
  if (decoded.every((text) => text === undefined)) return undefined;
  // a line that is damaged is not cheaper than a sound one, or nonsense would win by its damage
  const read = decoded.map((text, i) => textBits(text ?? soundPart(encoding, lines[i]), language));
  const damaged = decoded.filter((text) => text === undefined).length;
  const total = (key: 'bits' | 'foreign' | 'foreignBits'): number =>
    read.reduce((sum, one) => sum + one[key], 0);
  return {
    encoding,
    prior,
    text: decoded.join('\n'),
    bits: total('bits') + UNDECODABLE_BITS * damaged,
    strange: total('foreignBits') / Math.max(1, total('foreign')),
  };
}

/** A stray byte must not decide over a whole file. */
const soundPart = (encoding: Guessed, line: Uint8Array): string =>
  new TextDecoder(encoding).decode(line).replaceAll('\ufffd', '');

const scoreOf = ({ bits, prior }: Candidate): number => bits + prior;
const wide = (encoding: Guessed): boolean => encoding.startsWith('utf-16');
const singleByte = ({ encoding }: Candidate): boolean => /^(windows|koi8|macintosh)/.test(encoding);

const isStrange = (candidate: Candidate): boolean =>
  candidate.strange > (singleByte(candidate) ? MOST_STRANGE.alphabet : MOST_STRANGE.many);

/** The encoding of a file by itself; undefined where two texts are about as likely, or none is. */
export function clearWinner(candidates: readonly Candidate[]): Guessed | undefined {
  const [first] = candidates;
  if (first === undefined || isStrange(first)) return undefined;
  const rivals = candidates.filter(({ text }) => text !== first.text);
  const clear = rivals.every(
    (rival) =>
      scoreOf(rival) - scoreOf(first) >= MARGIN_BITS &&
      (!singleByte(first) || !singleByte(rival) || rival.bits - first.bits >= MARGIN_OF_TEXT_BITS),
  );
  return clear ? first.encoding : undefined;
}

/** One file cannot outvote many: its candidates differ by at most so much. */
const MOST_SAY_BITS = 40;
/** A file that reads so much worse than alone is of another encoding than the folder. */
const CONTRADICTION_BITS = 20;

/**
 * The encodings of files that lie together: those that are clear by themselves, and for the others
 * the one that all files together speak for, where they can be read so.
 */
export function winnersTogether(files: readonly (readonly Candidate[])[]): (Guessed | undefined)[] {
  const common = commonWinner(files);
  return files.map((candidates) => {
    const alone = clearWinner(candidates);
    if (common === undefined || (alone !== undefined && alone !== 'utf-8')) return alone;
    const shared = candidates.find(({ encoding }) => encoding === common);
    const most = alone === undefined ? CONTRADICTION_BITS : MARGIN_BITS;
    const fits =
      shared !== undefined &&
      !isStrange(shared) &&
      shared.bits - Math.min(...candidates.map(({ bits }) => bits)) <= most;
    return fits ? common : alone;
  });
}

function commonWinner(files: readonly (readonly Candidate[])[]): LegacyEncoding | undefined {
  const totals = new Map<LegacyEncoding, number>();
  for (const { encoding, prior } of hypotheses)
    totals.set(encoding, Math.min(prior, totals.get(encoding) ?? Infinity));
  for (const candidates of files) {
    const least = Math.min(...candidates.map(({ bits }) => bits));
    for (const [encoding, total] of totals) {
      const own = candidates.find((candidate) => candidate.encoding === encoding)?.bits ?? Infinity;
      totals.set(encoding, total + Math.min(own - least, MOST_SAY_BITS));
    }
  }
  const [[first, least], ...rest] = [...totals].sort(([, a], [, b]) => a - b);
  const textOf = (candidates: readonly Candidate[], wanted: Guessed): string | undefined =>
    candidates.find(({ encoding }) => encoding === wanted)?.text;
  const saysTheSame = (other: Guessed): boolean =>
    files.every((candidates) => textOf(candidates, other) === textOf(candidates, first));
  const rival = rest.find(([encoding]) => !saysTheSame(encoding));
  return rival === undefined || rival[1] - least >= MARGIN_BITS ? first : undefined;
}

// ---- bytes

/** Undefined where the bytes are not in `encoding`; `cut`: the last character may be incomplete. */
export function decodeStrictly(
  encoding: string,
  bytes: Uint8Array,
  cut = false,
): string | undefined {
  if (encoding === 'windows-1252') return windows1252(bytes);
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    return undefined;
  }
}

/** Lines that are not ASCII alone; line breaks are no part of any character tried here. */
function judgedLines(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  let taken = 0;
  for (let start = 0; start < bytes.length && taken < JUDGED_BYTES;) {
    const end = bytes.indexOf(10, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end);
    const judged = line.subarray(0, JUDGED_BYTES);
    if (line.some((byte) => byte >= 0x80)) found.push(judged);
    taken += found.at(-1) === judged ? judged.length : 0;
    start += line.length + 1;
  }
  return found;
}
