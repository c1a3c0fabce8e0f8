// The bytes of a data file as text: UTF-8, UTF-16, or what Excel and Notepad on a Chinese Windows
// save.

export interface Undecoded {
  readonly what: string;
  readonly fix: string;
  /** From 1. */
  readonly line?: number;
}

export interface Decoded {
  /** Without byte order mark. */
  readonly text: string;
  /** What was guessed, for people to check. */
  readonly doubt?: { readonly what: string; readonly fix: string };
}

/** Beginnings of files that people name as data, and that are no text. */
const formats: readonly (readonly [signature: string, what: string, fix: string])[] = [
  [
    'PK\x03\x04',
    'is an Excel workbook or another zip file, not text',
    'In Excel: Save as, "CSV UTF-8". A zip file must be unpacked.',
  ],
  ['\xd0\xcf\x11\xe0', 'is an old Excel or Word file, not text', 'In Excel: Save as, "CSV UTF-8".'],
  ['\x1f\x8b', 'is packed with gzip', 'Unpack it: gunzip.'],
  ['PAR1', 'is a Parquet file, which is not read', 'Write it as JSON lines: one sample a line.'],
  ['%PDF', 'is a PDF file, which is not read', 'Save its text as .txt.'],
];

const binary = {
  what: 'is not a text file',
  fix: 'Name a file in UTF-8: .jsonl, .json, .csv or .txt.',
};

/** V8 makes no longer texts. */
const MOST_BYTES = 0x1fffffe8;

export function decodeData(bytes: Uint8Array): Decoded | Undecoded {
  if (bytes.length > MOST_BYTES)
    return {
      what: `has ${Math.round(bytes.length / 2 ** 20)} MiB, and at most 511 are read`,
      fix: 'Divide it into several files, and name their folder.',
    };
  const known = formats.find(([signature]) =>
    Array.from(signature).every((sign, i) => bytes[i] === sign.charCodeAt(0)),
  );
  if (known !== undefined) return { what: known[1], fix: known[2] };
  const wide = wideEncoding(bytes);
  const text = decode(wide ?? 'utf-8', bytes);
  if (text?.includes('\0\0') === true) return binary;
  if (text !== undefined) return { text };
  if (wide === undefined && looksChinese(bytes)) return chinese(bytes);
  if (wide === undefined && bytes.includes(0)) return binary;
  return {
    line: firstBadLine(bytes),
    what: wide === undefined ? 'is not UTF-8' : `begins like ${wide.toUpperCase()} but is not`,
    fix: 'Save the file as UTF-8; in an editor: save with encoding.',
  };
}

function decode(encoding: string, bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A text may hold a few. */
const LEAST_ZEROS = 8;

/** UTF-16 with its mark, or without where every other byte of the Latin signs is 0. */
function wideEncoding(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  const zeros = [0, 0];
  bytes.subarray(0, 4096).forEach((byte, i) => (zeros[i % 2] += Number(byte === 0)));
  if (
    Math.max(...zeros) < Math.max(LEAST_ZEROS, Math.min(bytes.length, 4096) / 20) ||
    Math.min(...zeros) > 0
  )
    return undefined;
  return zeros[0] === 0 ? 'utf-16le' : 'utf-16be';
}

// ---- GB18030

function chinese(bytes: Uint8Array): Decoded {
  const text = decode('gb18030', bytes) ?? '';
  const example = /[\u4e00-\u9fff].{0,9}/u.exec(text)?.[0] ?? '';
  return {
    text,
    doubt: {
      what: `is not UTF-8; it was read as GB18030 (GBK): "${example}"`,
      fix: 'If these are not its words, save the file as UTF-8.',
    },
  };
}

/**
 * Whether the signs outside ASCII are pairs of bytes as GB2312 has them. Letters with accents in
 * Latin-1 stand alone, and a file whose other lines are UTF-8 is damaged, not Chinese of the old
 * kind.
 */
function looksChinese(bytes: Uint8Array): boolean {
  if (decode('gb18030', bytes) === undefined) return false;
  const lines = linesOutsideAscii(bytes);
  if (lines.filter((line) => decode('utf-8', line) !== undefined).length * 2 >= lines.length)
    return false;
  let [pairs, others] = [0, 0];
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] < 0x80) continue;
    if (bytes[i] >= 0xa1 && bytes[i] <= 0xf7 && bytes[i + 1] >= 0xa1) pairs++;
    else others++;
    i++;
  }
  return pairs > others;
}

function linesOutsideAscii(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(10, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (line.some((byte) => byte >= 0x80)) found.push(line);
    start += line.length + 1;
  }
  return found;
}

function firstBadLine(bytes: Uint8Array): number {
  let [line, start] = [1, 0];
  while (start < bytes.length) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    if (decode('utf-8', bytes.subarray(start, end)) === undefined) return line;
    [line, start] = [line + 1, end + 1];
  }
  return line;
}
