// What a file is, by its first bytes: its name may say anything.

import { foreignFile } from '../util/file-signatures.ts';

/** Formats that are read; of those with several pictures, the first. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'tiff' | 'gif' | 'avif' | 'bmp';

export type FileKind =
  | { readonly format: PictureFormat }
  /** No picture that is read: what it is instead, and what to do. */
  | { readonly what: string; readonly fix: string };

const latin = (bytes: Uint8Array, start = 0, end = 64): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** Whether the bytes are these characters at `offset`. */
const has = (bytes: Uint8Array, text: string, offset = 0): boolean =>
  latin(bytes, offset, offset + text.length) === text;

/** The brands of an ISO media file, its major brand first. */
function brands(bytes: Uint8Array): string[] {
  if (!has(bytes, 'ftyp', 4)) return [];
  const end = Math.min(
    bytes.length,
    new DataView(bytes.buffer, bytes.byteOffset).getUint32(0),
    256,
  );
  const names: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) names.push(latin(bytes, at, at + 4));
  return names;
}

/** Not a text that begins with BM. */
const isBmp = (bytes: Uint8Array): boolean => has(bytes, 'BM') && !isText(bytes);

const readFormats: readonly (readonly [PictureFormat, (bytes: Uint8Array) => boolean])[] = [
  ['png', (bytes) => has(bytes, '\x89PNG')],
  ['jpeg', (bytes) => has(bytes, '\xff\xd8\xff')],
  ['webp', (bytes) => has(bytes, 'RIFF') && has(bytes, 'WEBP', 8)],
  [
    'tiff',
    (bytes) => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((signature) => has(bytes, signature)),
  ],
  ['gif', (bytes) => has(bytes, 'GIF87a') || has(bytes, 'GIF89a')],
  ['avif', (bytes) => brands(bytes).some((brand) => brand === 'avif' || brand === 'avis')],
  ['bmp', isBmp],
];

const heic = ['heic', 'heix', 'hevc', 'hevx', 'heim', 'heis', 'mif1', 'msf1'];
const CONVERT = 'Convert it to png or jpg.';
const REPLACE = 'Replace the file, or remove it from the data set.';

/** What people take for pictures. */
const others: readonly (readonly [(bytes: Uint8Array) => boolean, what: string, fix: string])[] = [
  [
    (bytes) => heic.includes(brands(bytes)[0]),
    'it is a HEIC picture, as iPhones take them, which is not supported',
    CONVERT,
  ],
  [
    (bytes) => brands(bytes)[0]?.startsWith('crx'),
    'it is a raw photo, which is not supported',
    CONVERT,
  ],
  [(bytes) => brands(bytes).length > 0, 'it is a video, not a picture', REPLACE],
  [(bytes) => has(bytes, '8BPS'), 'it is a Photoshop file (PSD), which is not supported', CONVERT],
  [
    (bytes) => has(bytes, '\xff\x0a') || has(bytes, 'JXL ', 4),
    'it is a JPEG XL picture, which is not supported',
    CONVERT,
  ],
  [
    (bytes) => has(bytes, 'jP  ', 4) || has(bytes, '\xff\x4f\xff\x51'),
    'it is a JPEG 2000 picture, which is not supported',
    CONVERT,
  ],
  [(bytes) => has(bytes, '\0\0\x01\0'), 'it is an icon (ICO), which is not supported', CONVERT],
  [(bytes) => has(bytes, 'gimp xcf'), 'it is a GIMP file (XCF), which is not supported', CONVERT],
  [
    (bytes) => has(bytes, '\x76\x2f\x31\x01'),
    'it is an EXR picture, which is not supported',
    CONVERT,
  ],
  [(bytes) => has(bytes, '#?RADIANCE'), 'it is an HDR picture, which is not supported', CONVERT],
  [(bytes) => has(bytes, '%PDF'), 'it is a PDF, not a picture', CONVERT],
  [(bytes) => has(bytes, 'PK\x03\x04'), 'it is a zip file, not a picture', 'Unpack it.'],
  [
    (bytes) => /^\s*<(!doctype html|html)/i.test(latin(bytes)),
    'it is a web page, not a picture',
    'Download the picture itself.',
  ],
  [
    (bytes) => /<svg[\s>]/i.test(latin(bytes, 0, 1024)),
    'it is an SVG drawing, which is not supported',
    CONVERT,
  ],
];

function isText(bytes: Uint8Array): boolean {
  try {
    const head = bytes.subarray(0, 512);
    const text = new TextDecoder('utf-8', { fatal: bytes.length <= 512 }).decode(head);
    return !/[\0-\x08\x0e-\x1f\x7f\ufffd](?!$)/.test(text);
  } catch {
    return false;
  }
}

/** What a file is, by its bytes; its beginning is enough. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (bytes.length === 0) return { what: 'the file is empty (0 bytes)', fix: REPLACE };
  const known = readFormats.find(([, test]) => test(bytes));
  if (known !== undefined) return { format: known[0] };
  const other = others.find(([test]) => test(bytes));
  if (other !== undefined) return { what: other[1], fix: other[2] };
  const foreign = foreignFile(bytes);
  if (foreign !== undefined) return { what: `it is ${foreign.name}`, fix: foreign.fix };
  if (isText(bytes)) return { what: 'it is a text file, not a picture', fix: REPLACE };
  const zeros = bytes.every((value) => value === 0);
  const what = zeros ? 'the file holds nothing but zeros' : 'its content is not a picture';
  return { what, fix: REPLACE };
}
