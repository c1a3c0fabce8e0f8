// The bytes of a file as text: UTF-8, UTF-16, or an older encoding where the words leave no doubt;
// everything that a user's text is read from comes through here.
import type { Problem } from '../../errors.ts';
import { foreignFile, pictureKinds } from '../file-signatures.ts';
import { isMisread } from '../odd-characters.ts';
import type { FoundProblem } from '../problems-by-kind.ts';
import { mixesScripts } from './languages.ts';
import {
  candidatesFor,
  type Candidate,
  clearWinner,
  decodeStrictly,
  type Guessed,
  winnersTogether,
} from './guess.ts';

export interface Undecoded {
  readonly what: string;
  readonly fix: string;
  /** From 1. */
  readonly line?: number;
}

export interface Decoded {
  /** Without byte order mark. */
  readonly text: string;
  /** The encoding was guessed: which, and where people can check it. */
  readonly guess?: Guess;
}

export interface Guess {
  /** For people: "Windows-1252". */
  readonly encoding: string;
  /** Of the excerpt, from 1. */
  readonly line: number;
  readonly excerpt: string;
}

export type Told =
  | { readonly text: string; readonly warnings: readonly FoundProblem[] }
  | { readonly problem: Problem };

/** The text of the file `shown` with what people are told of it, or the problem with its place. */
export function toldOf(shown: string, decoded: Decoded | Undecoded): Told {
  if ('what' in decoded) {
    const { line, what, fix } = decoded;
    return { problem: { where: line === undefined ? shown : `${shown}:${line}`, what, fix } };
  }
  const { text, guess } = decoded;
  return { text, warnings: guess === undefined ? [] : [guessTold(shown, guess)] };
}

const guessTold = (shown: string, { encoding, line, excerpt }: Guess): FoundProblem => ({
  where: `${shown}:${line}`,
  detail: `"${excerpt}"`,
  what: `is not UTF-8; it was read as ${encoding}`,
  plural: `are not UTF-8; they were read as ${encoding}`,
  fix: 'If these are not the right words, save the file as UTF-8.',
});

const names: Readonly<Record<Guessed, string>> = {
  'utf-8': 'UTF-8',
  gb18030: 'GB18030 (GBK)',
  big5: 'Big5',
  shift_jis: 'Shift-JIS',
  'euc-jp': 'EUC-JP',
  'euc-kr': 'EUC-KR',
  'windows-1250': 'Windows-1250',
  'windows-1251': 'Windows-1251',
  'windows-1252': 'Windows-1252',
  'windows-1253': 'Windows-1253',
  'windows-1254': 'Windows-1254',
  'windows-1255': 'Windows-1255',
  'windows-1256': 'Windows-1256',
  'windows-874': 'Windows-874',
  'koi8-r': 'KOI8-R',
  macintosh: 'Mac OS Roman',
  'utf-16le': 'UTF-16 without byte order mark',
  'utf-16be': 'UTF-16 without byte order mark',
};

const toUtf8 = 'Save the file as UTF-8; in an editor: save with encoding.';

/** The text of one file, or why there is none. */
export function decodeText(bytes: Uint8Array): Decoded | Undecoded {
  const certain = withoutGuess(bytes);
  if (certain !== undefined && accident(bytes, certain) !== 'likely') return certain;
  const candidates = candidatesFor(bytes);
  return withEncoding(bytes, clearWinner(candidates), candidates);
}

/**
 * The texts of files that belong together, such as the captions of a folder: where one is too
 * short to tell, the others decide.
 */
export function decodeTogether(files: readonly Uint8Array[]): (Decoded | Undecoded)[] {
  const all = files.map((bytes) => ({ bytes, certain: withoutGuess(bytes) }));
  const unsure = all.filter(
    ({ bytes, certain }) => certain === undefined || accident(bytes, certain) !== 'no',
  );
  const judged = unsure.map(({ bytes }) => candidatesFor(bytes));
  const winners = winnersTogether(judged);
  const guessed = new Map(
    unsure.map(({ bytes, certain }, i) => {
      const keeps = winners[i] === undefined && certain !== undefined;
      const kept = keeps && accident(bytes, certain) !== 'likely' ? certain : undefined;
      return [bytes, kept ?? withEncoding(bytes, winners[i], judged[i])];
    }),
  );
  return all.map(({ bytes, certain }) => guessed.get(bytes) ?? certain ?? decodeText(bytes));
}

/**
 * The text of a file of programs, such as JSON or a template, which is UTF-8 or UTF-16 by its
 * definition. Throws Error with what it is, and where it is damaged.
 */
export function unicodeText(bytes: Uint8Array): string {
  const found = withoutGuess(bytes) ?? notUtf8(bytes);
  if ('text' in found) return found.text;
  throw new Error(found.line === undefined ? found.what : `line ${found.line} ${found.what}`);
}

// ---- without a guess

const utf32: readonly string[] = ['\xff\xfe\0\0', '\0\0\xfe\xff'];

/** What a file is that people name as text, and that is none. */
function noText(bytes: Uint8Array): Undecoded | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 4));
  if (utf32.includes(start)) return { what: 'is UTF-32, which is not supported', fix: toUtf8 };
  const foreign = foreignFile(bytes);
  if (foreign === undefined) return undefined;
  const { kind, name, fix } = foreign;
  if (kind === 'zip')
    return {
      what: 'is an Excel workbook or another zip file, not text',
      fix: 'In Excel: Save as, "CSV UTF-8". A zip file must be unpacked.',
    };
  const isOther = pictureKinds.includes(kind) || kind === 'gguf' || kind === 'safetensors';
  return {
    what: `is ${name}${isOther ? ', not text' : ''}`,
    fix: isOther ? 'Give a text file.' : fix,
  };
}

const binary = { what: 'is not a text file', fix: 'Give a text file, in UTF-8.' };

/** V8 makes no longer texts. */
const MOST_BYTES = 0x1fffffe8;

/** What needs no guess; undefined where bytes are in no form of Unicode. */
function withoutGuess(bytes: Uint8Array): Decoded | Undecoded | undefined {
  if (bytes.length > MOST_BYTES)
    return {
      what: `has ${Math.round(bytes.length / 2 ** 20)} MiB; at most 511 are supported`,
      fix: 'Divide it into several files, and name their folder.',
    };
  const foreign = noText(bytes);
  if (foreign !== undefined) return foreign;
  const wide = wideEncoding(bytes);
  const text = decodeStrictly(wide ?? 'utf-8', bytes);
  const zeros = wide !== undefined && !hasByteOrderMark(bytes) ? '\0' : '\0\0';
  if (text?.includes(zeros) === true) return binary;
  if (text !== undefined) return { text };
  if (wide !== undefined)
    return { what: `begins like ${wide.toUpperCase()} but is not, or is cut off`, fix: toUtf8 };
  if (bytes.includes(0) && !mayBeWide(bytes)) return binary;
  return damagedUtf8(bytes) ? notUtf8(bytes) : undefined;
}

/** A text may hold a few. */
const LEAST_ZEROS = 8;

/** One side of UTF-16 has so many zeros for each of the other, where a character such as 退 is. */
const ONE_SIDED = 8;

const hasByteOrderMark = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);

/** UTF-16 with its byte order mark, or without where every other byte of Latin text is 0. */
function wideEncoding(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (hasByteOrderMark(bytes)) return bytes[0] === 0xff ? 'utf-16le' : 'utf-16be';
  const start = bytes.subarray(0, 4096);
  const zeros = [0, 0];
  start.forEach((byte, i) => (zeros[i % 2] += Number(byte === 0)));
  const most = Math.max(...zeros);
  const half = most * 2 === start.length && start.length >= 4;
  if (
    (!half && most < Math.max(LEAST_ZEROS, start.length / 20)) ||
    Math.min(...zeros) * ONE_SIDED > most
  )
    return undefined;
  return zeros[0] < zeros[1] ? 'utf-16le' : 'utf-16be';
}

/** Zeros of Latin characters among Chinese ones in UTF-16 are all on one side, and single. */
function mayBeWide(bytes: Uint8Array): boolean {
  const first = bytes.indexOf(0);
  return (
    bytes.length % 2 === 0 &&
    bytes.every((byte, i) => byte !== 0 || (i % 2 === first % 2 && bytes[i + 1] !== 0))
  );
}

/** A few characters of two bytes each may be Chinese of the old kind that looks like UTF-8. */
const FEW_CHARACTERS = 12;

/**
 * Whether a text is UTF-8 by accident: likely where scripts mix within a word, possible where files
 * beside it are of an old encoding.
 */
function accident(bytes: Uint8Array, found: Decoded | Undecoded): 'no' | 'possible' | 'likely' {
  if ('what' in found || wideEncoding(bytes) !== undefined || bytes[0] === 0xef) return 'no';
  const foreign = found.text.replace(/[\0-\x7f]+/g, '');
  if (foreign === '' || foreign.length > FEW_CHARACTERS || /[^\0-\u07ff]/.test(foreign))
    return 'no';
  return mixesScripts(found.text) ? 'likely' : 'possible';
}

/** Whether far more bytes are in well-formed characters of UTF-8 than outside of them. */
function damagedUtf8(bytes: Uint8Array): boolean {
  let [well, ill] = [0, 0];
  for (const character of new TextDecoder().decode(bytes)) {
    if (character === '\ufffd') ill++;
    else if (character > '\x7f') well += character < '\u0800' ? 2 : 3;
  }
  return well > MOSTLY * ill;
}

const MOSTLY = 8;

function notUtf8(bytes: Uint8Array): Undecoded {
  const { line, content } = firstBadLine('utf-8', bytes);
  const excerpt = excerptOf(new TextDecoder().decode(content), /\ufffd/);
  return { line, what: `is not UTF-8, or is damaged: "${excerpt}"`, fix: toUtf8 };
}

// ---- with a guess

/** So many encodings are named where none is clear. */
const RIVALS_NAMED = 2;

function withEncoding(
  bytes: Uint8Array,
  encoding: Guessed | undefined,
  candidates: readonly Candidate[],
): Decoded | Undecoded {
  const rare = controls(bytes) * 100 <= bytes.length || encoding?.startsWith('utf-16') === true;
  if (!rare) return binary;
  if (encoding === undefined) return unclear(bytes, candidates);
  const text = decodeStrictly(encoding, bytes);
  if (encoding === 'utf-8') return text === undefined ? notUtf8(bytes) : { text };
  // some of it is UTF-8: the rest alone is in the old encoding, or is damaged
  if (encoding === 'windows-1252' && text !== undefined && isMisread(text)) return notUtf8(bytes);
  if (text !== undefined)
    return { text, guess: { encoding: names[encoding], ...firstForeign(text) } };
  const { line, content } = firstBadLine(encoding, bytes);
  const excerpt = excerptOf(new TextDecoder(encoding).decode(content), /\ufffd/);
  return { line, what: `looks like ${names[encoding]}, but is damaged: "${excerpt}"`, fix: toUtf8 };
}

/** Bytes below the space that are no tabs, line breaks or page breaks. */
const controls = (bytes: Uint8Array): number =>
  bytes.reduce((count, byte) => count + Number(byte < 9 || (byte > 13 && byte < 32)), 0);

function unclear(bytes: Uint8Array, candidates: readonly Candidate[]): Undecoded {
  const damaged = decodeStrictly('utf-8', bytes) === undefined;
  if (damaged && candidates[0]?.encoding === 'utf-8') return notUtf8(bytes);
  const told = new Set<string>();
  const rivals = candidates.filter(({ text }) => !told.has(text) && told.add(text));
  // where it is UTF-8 by accident, all lines are; those of UTF-16 are not found by single bytes
  const isByLines = damaged && rivals.every(({ encoding }) => !encoding.startsWith('utf-16'));
  const line = isByLines
    ? firstBadLine('utf-8', bytes).line
    : firstForeign(rivals[0]?.text ?? '').line;
  const texts = rivals.slice(0, RIVALS_NAMED).map(({ encoding, text }) => {
    const excerpt = excerptOf(text.split(LINE_END)[line - 1] ?? '', FOREIGN);
    return `${names[encoding]} ("${excerpt}")`;
  });
  const what =
    texts.length === 0 ? 'is not UTF-8' : `has an unclear encoding: either ${texts.join(' or ')}`;
  return { line, what, fix: toUtf8 };
}

function firstForeign(text: string): Pick<Guess, 'line' | 'excerpt'> {
  const lines = text.split(LINE_END);
  const found = Math.max(
    0,
    lines.findIndex((line) => FOREIGN.test(line)),
  );
  return { line: found + 1, excerpt: excerptOf(lines[found], FOREIGN) };
}

/** What an encoding decides. */
const FOREIGN = /[^\0-\x7f]/;
const LINE_END = /\r\n|\r|\n/;

const EXCERPT_BEFORE = 16;
const EXCERPT_LENGTH = 36;

/** The words around what `wanted` finds first; of JSON or CSV those of its value alone. */
function excerptOf(line: string, wanted: RegExp): string {
  const value = line.split('"').find((part) => wanted.test(part)) ?? line;
  const characters = Array.from(value.trim());
  const at = Math.max(
    0,
    characters.findIndex((character) => wanted.test(character)),
  );
  const start = at <= EXCERPT_BEFORE + 4 ? 0 : at - EXCERPT_BEFORE;
  const end = start + EXCERPT_LENGTH;
  const cut = characters.slice(start, end).join('').trim();
  return `${start > 0 ? '…' : ''}${cut}${end < characters.length ? '…' : ''}`;
}

// ---- lines of bytes

/** The first line that is not in `encoding`; the last where all are. */
function firstBadLine(encoding: string, bytes: Uint8Array): { line: number; content: Uint8Array } {
  const unit = encoding.startsWith('utf-16') ? 2 : 1;
  const low = encoding === 'utf-16be' ? 1 : 0;
  const isAt = (at: number, byte: number): boolean =>
    bytes[at + low] === byte && (unit === 1 || bytes[at + 1 - low] === 0);
  let [line, start] = [1, 0];
  for (let at = 0; at < bytes.length; at += unit) {
    const isEnd = isAt(at, LF) || (isAt(at, CR) && !isAt(at + unit, LF));
    if (!isEnd) continue;
    const content = bytes.subarray(start, at);
    if (decodeStrictly(encoding, content) === undefined) return { line, content };
    [line, start] = [line + 1, at + unit];
  }
  return { line, content: bytes.subarray(start) };
}

const [LF, CR] = [10, 13];
