// What a file is, by its first bytes: its name may say anything.

import { brandsOf, stillCoding } from './containers/iso-boxes.ts';
import { unreadKind, has, isText, type UnreadFile } from './unread-files.ts';

/** Formats that are read; of those with several pictures, the first. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'tiff' | 'gif' | 'avif' | 'bmp';

export type FileKind = { readonly format: PictureFormat } | UnreadFile;

/** Not a text that begins with BM. */
const isBmp = (bytes: Uint8Array): boolean => has(bytes, 'BM') && !isText(bytes);

/** HEIF files may hold pictures of several codings: that of the picture shown counts. */
function isAvif(bytes: Uint8Array): boolean {
  const brands = brandsOf(bytes);
  if (brands.length === 0) return false;
  const coding = stillCoding(bytes);
  return coding === undefined
    ? brands.some((brand) => brand === 'avif' || brand === 'avis')
    : coding === 'av01';
}

/** A raw photo of Canon begins as a TIFF file does. */
const isTiff = (bytes: Uint8Array): boolean =>
  ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((begin) => has(bytes, begin)) && !has(bytes, 'CR', 8);

const readFormats: readonly (readonly [PictureFormat, (bytes: Uint8Array) => boolean])[] = [
  ['png', (bytes) => has(bytes, '\x89PNG')],
  ['jpeg', (bytes) => has(bytes, '\xff\xd8\xff')],
  ['webp', (bytes) => has(bytes, 'RIFF') && has(bytes, 'WEBP', 8)],
  ['tiff', isTiff],
  ['gif', (bytes) => has(bytes, 'GIF87a') || has(bytes, 'GIF89a')],
  ['avif', isAvif],
  ['bmp', isBmp],
];

/** What a file is, by its bytes; its beginning is enough. */
export function fileKind(bytes: Uint8Array): FileKind {
  const known = readFormats.find(([, test]) => test(bytes));
  return known === undefined ? unreadKind(bytes) : { format: known[0] };
}
