// Texts in PNG files: the chunks tEXt, zTXt and iTXt (PNG specification, third edition, 11.3.3).

import { inflateSync } from 'node:zlib';
import { InternalError } from '../../errors.ts';
import { crc32 } from '../../util/crc.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** A text that is compressed must not take all memory. */
const MOST_TEXT = 2 ** 26;

const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte);

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
  /** Of the chunk with its length and check sum. */
  readonly start: number;
  readonly end: number;
}

/** Up to IEND, or to where the file is cut off. */
function* chunksOf(bytes: Uint8Array): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = SIGNATURE.length; start + 12 <= bytes.length;) {
    const length = view.getUint32(start);
    const end = start + 12 + length;
    if (end > bytes.length) return;
    const type = latin1.decode(bytes.subarray(start + 4, start + 8));
    yield { type, data: bytes.subarray(start + 8, start + 8 + length), start, end };
    if (type === 'IEND') return;
    start = end;
  }
}

/** The texts of a PNG file by their keywords; the last of one keyword counts, as in Pillow. */
export function readPngTexts(bytes: Uint8Array): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  if (!isPng(bytes)) return texts;
  for (const { type, data } of chunksOf(bytes)) {
    const read = readers.get(type);
    const found = read?.(data);
    if (found !== undefined) texts.set(...found);
  }
  return texts;
}

/**
 * The PNG file with texts: as tEXt where Latin-1 has all characters, else as iTXt, as Pillow does
 * it. Texts of the same keywords that were there are gone.
 */
export function withPngTexts(png: Uint8Array, texts: Readonly<Record<string, string>>): Uint8Array {
  if (!isPng(png)) throw new InternalError('texts for a file that is not a PNG');
  const kept = [...chunksOf(png)].filter(({ type, data }) => {
    const found = readers.get(type)?.(data);
    return found === undefined || !Object.hasOwn(texts, found[0]);
  });
  const [head, ...rest] = kept.map(({ start, end }) => png.subarray(start, end));
  const written = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text));
  return Buffer.concat([SIGNATURE, head, ...written, ...rest]);
}

type Found = [keyword: string, text: string];

const latin1 = new TextDecoder('latin1');
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const readers: ReadonlyMap<string, (data: Uint8Array) => Found | undefined> = new Map([
  ['tEXt', (data) => keyed(data, textOf)],
  ['zTXt', (data) => keyed(data, (rest) => mapped(inflated(rest.subarray(1)), textOf))],
  ['iTXt', (data) => keyed(data, internationalText)],
]);

/** Before the first 0 stands the keyword. */
function keyed(
  data: Uint8Array,
  read: (rest: Uint8Array) => string | undefined,
): Found | undefined {
  const end = data.indexOf(0);
  if (end < 1) return undefined;
  const text = read(data.subarray(end + 1));
  return text === undefined ? undefined : [latin1.decode(data.subarray(0, end)), text];
}

/** Latin-1 by the specification; some programs write UTF-8, which is hardly ever good Latin-1. */
function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}

/** Whether compressed, method, language 0, translated keyword 0, text. */
function internationalText(rest: Uint8Array): string | undefined {
  const language = rest.indexOf(0, 2);
  const keyword = language < 0 ? -1 : rest.indexOf(0, language + 1);
  if (keyword < 0) return undefined;
  const bytes = rest.subarray(keyword + 1);
  return mapped(rest[0] === 0 ? bytes : inflated(bytes), textOf);
}

const mapped = <T, U>(value: T | undefined, map: (value: T) => U): U | undefined =>
  value === undefined ? undefined : map(value);

/** Undefined for what is damaged or too long. */
function inflated(bytes: Uint8Array): Uint8Array | undefined {
  try {
    return inflateSync(bytes, { maxOutputLength: MOST_TEXT });
  } catch {
    return undefined;
  }
}

/** What Latin-1 has, and what is not taken for UTF-8 when it is read. */
function textChunk(keyword: string, text: string): Uint8Array {
  const latin = Buffer.from(text, 'latin1');
  const bytes = (head: string, rest: Buffer) =>
    Buffer.concat([Buffer.from(`${keyword}${head}`, 'latin1'), rest]);
  return !text.includes('\0') && textOf(latin) === text
    ? chunkOf('tEXt', bytes('\0', latin))
    : chunkOf('iTXt', bytes('\0\0\0\0\0', Buffer.from(text, 'utf8')));
}

function chunkOf(type: string, data: Uint8Array): Uint8Array {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}
