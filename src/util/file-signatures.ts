// What a file is by its first bytes, where it is not what its name says: one table for every file
// that people give us.

/** A file of a kind that its reader does not expect. */
export interface Foreign {
  readonly kind: ForeignKind;
  /** With its article, to go behind "is": `a Git LFS pointer, …`. */
  readonly name: string;
  readonly fix: string;
}

/** Bytes of a file's beginning that `foreignFile` looks at. */
export const SIGNATURE_BYTES = 512;

const CONVERT_TO_LINES =
  'Convert it to JSON lines, one sample a line; DuckDB, for example, does: duckdb -c "COPY (FROM';

/** A command that writes Parquet files as JSON lines. */
export const parquetToLines = (from: string): string =>
  `${CONVERT_TO_LINES} '${from}') TO 'samples.jsonl' (FORMAT JSON)"`;

const unpack = (command: string): string => `Unpack it (${command}), and name what comes out.`;
const DOWNLOAD_ITSELF = 'Download the file itself (the "download" or "raw" link on its page).';

type Matches = (text: string, bytes: Uint8Array) => boolean;
const begins =
  (...signatures: readonly string[]): Matches =>
  (text) =>
    signatures.some((signature) => text.startsWith(signature));

/** The first that matches; texts are Latin-1, a character a byte. */
const table = [
  [
    'lfs-pointer',
    begins('version https://git-lfs.github.com/spec/', 'version https://hawser.github.com/spec/'),
    'a Git LFS pointer, a small text that stands for the real file',
    'Run `git lfs install` and `git lfs pull` in its folder, or download the file itself.',
  ],
  [
    'web-page',
    (text) =>
      /^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)*<(!doctype\s+html|html)[\s>]/i.test(
        text,
      ),
    'a web page, which came in place of the file',
    DOWNLOAD_ITSELF,
  ],
  [
    'refusal',
    (text) => /^\s*<\?xml[^>]*>\s*<Error>/i.test(text),
    'the message of a server that refused the download',
    DOWNLOAD_ITSELF,
  ],
  ['zip', begins('PK\x03\x04', 'PK\x05\x06'), 'a zip archive', unpack('unzip')],
  ['gzip', begins('\x1f\x8b'), 'packed with gzip', unpack('gunzip, or tar xzf for a .tar.gz')],
  ['zstd', begins('\x28\xb5\x2f\xfd'), 'packed with Zstandard', unpack('unzstd')],
  ['xz', begins('\xfd7zXZ\0'), 'packed with xz', unpack('unxz')],
  ['bzip2', (text) => /^BZh[1-9]1AY&SY/.test(text), 'packed with bzip2', unpack('bunzip2')],
  ['7z', begins('7z\xbc\xaf\x27\x1c'), 'a 7z archive', unpack('7z x')],
  ['rar', begins('Rar!\x1a\x07'), 'a RAR archive', unpack('unrar x')],
  ['tar', (text) => text.startsWith('ustar', 257), 'a tar archive', unpack('tar xf')],
  [
    'parquet',
    begins('PAR1'),
    'a Parquet file, which is not supported',
    parquetToLines('….parquet'),
  ],
  [
    'arrow',
    begins('ARROW1', '\xff\xff\xff\xff'),
    'an Arrow file, which is not supported',
    'Save the data set as JSON lines: in Python, load_from_disk(folder).to_json("samples.jsonl").',
  ],
  ['feather', begins('FEA1'), 'a Feather file, which is not supported', 'Save it as JSON lines.'],
  ['sqlite', begins('SQLite format 3\0'), 'an SQLite database', 'Save the samples as JSON lines.'],
  ['gguf', begins('GGUF'), 'a GGUF file', 'Use the .safetensors files of the same model.'],
  [
    'pickle',
    (text) => /^\x80[\x02-\x05]/.test(text),
    'a Python pickle (.ckpt, .pt, .bin, .pkl)',
    'Use the .safetensors file of the same model.',
  ],
  ['hdf5', begins('\x89HDF'), 'an HDF5 file (.h5)', 'Use the .safetensors file of the same model.'],
  ['pdf', begins('%PDF'), 'a PDF file, which is not supported', 'Save its text as .txt.'],
  [
    'rtf',
    begins('{\\rtf'),
    'a document with formatting (RTF), not plain text',
    'Save it as plain text.',
  ],
  [
    'office',
    begins('\xd0\xcf\x11\xe0'),
    'an old Excel or Word file, not text',
    'In Excel: Save as, "CSV UTF-8".',
  ],
  ['png', begins('\x89PNG'), 'a PNG picture', 'Name another file.'],
  ['jpeg', begins('\xff\xd8\xff'), 'a JPEG picture', 'Name another file.'],
  ['gif', begins('GIF87a', 'GIF89a'), 'a GIF picture', 'Name another file.'],
  [
    'webp',
    (text) => text.startsWith('RIFF') && text.startsWith('WEBP', 8),
    'a WebP picture',
    'Name another file.',
  ],
  [
    'safetensors',
    (text, bytes) => text[8] === '{' && headerLength(bytes) < 100_000_000,
    'a safetensors file',
    'Name another file.',
  ],
] as const satisfies readonly (readonly [string, Matches, string, string])[];

export type ForeignKind = (typeof table)[number][0];

/** Kinds that are pictures, whatever their names. */
export const pictureKinds: readonly ForeignKind[] = ['png', 'jpeg', 'gif', 'webp'];

/** Kinds that hold other files. */
export const packedKinds: readonly ForeignKind[] = [
  'zip',
  'gzip',
  'zstd',
  'xz',
  'bzip2',
  '7z',
  'rar',
  'tar',
];

const headerLength = (bytes: Uint8Array): number =>
  Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));

/**
 * The kind of a file by its beginning; undefined where the table has none. `head`: the first
 * SIGNATURE_BYTES of it, or the whole file.
 */
export function foreignFile(head: Uint8Array): Foreign | undefined {
  const text = String.fromCharCode(...head.subarray(0, SIGNATURE_BYTES));
  const found = table.find(([, matches]) => matches(text, head));
  if (found === undefined) return undefined;
  const [kind, , name, fix] = found;
  return kind === 'lfs-pointer'
    ? { kind, name: `${name}${sizeOf(text)}`, fix }
    : { kind, name, fix };
}

/** How much a Git LFS pointer says that the real file has. */
function sizeOf(text: string): string {
  const bytes = Number(/^size (\d+)$/m.exec(text)?.[1] ?? NaN);
  if (!(bytes >= 0)) return '';
  const [unit, size] = [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
    ['bytes', 1],
  ].find((entry): entry is [string, number] => bytes >= Number(entry[1])) ?? ['bytes', 1];
  return ` of ${(bytes / size).toPrecision(3).replace(/\.?0+$/, '')} ${unit}`;
}

const refusals =
  /^(entry not found|repository not found|not found|404|401|403|access (to|denied)|invalid (username|credentials)|unauthorized|forbidden|\{\s*"(error|message|detail)"\s*:)/i;

/**
 * What a server answered in place of a file that is no text, in quotation marks; undefined where
 * the file is something else. `head`: its beginning.
 */
export function shortAnswer(head: Uint8Array, size: number): string | undefined {
  const text = new TextDecoder().decode(head.subarray(0, SIGNATURE_BYTES)).trim();
  return size <= 2048 && refusals.test(text) ? JSON.stringify(text.slice(0, 60)) : undefined;
}

export const answered = (answer: string): string =>
  `this is a short text, ${answer}, that a server answered in place of the file`;
