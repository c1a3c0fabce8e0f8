// How many pictures a file holds: frames of an animation, pages, views. The first is trained.

import { trackLength } from './containers/iso-boxes.ts';
import { headSegments, isNamed } from './containers/jpeg-segments.ts';
import { headChunks } from './containers/png-chunks.ts';
import { TiffFile, tiffTags } from './containers/tiff-directory.ts';
import type { PictureFormat } from './picture-format.ts';

/** Thumbnails and masks are no pictures of their own. `pages`: as many as the decoder counts. */
export function framesOf(format: PictureFormat, bytes: Uint8Array, pages: number): number {
  const counts: { readonly [K in PictureFormat]?: () => number } = {
    png: () => framesOfPng(bytes),
    jpeg: () => viewsOfJpeg(bytes),
    avif: () => Math.max(pages, trackLength(bytes)),
    tiff: () => pagesOfTiff(bytes).filter((kind) => kind === 'page').length,
  };
  return Math.max(1, counts[format]?.() ?? pages);
}

/** APNG: the picture that stands in the file as in any PNG need not be one of the frames. */
function framesOfPng(bytes: Uint8Array): number {
  const chunks = headChunks(bytes);
  const control = chunks.get('acTL');
  if (control === undefined || control.byteLength < 4) return 1;
  return control.getUint32(0) + (chunks.has('fcTL') ? 0 : 1);
}

const THUMBNAIL = 1;
const ENTRIES = 0xb002;
const ENTRY_SIZE = 16;

/** The list of several pictures in one JPEG file. CIPA DC-007 */
function viewsOfJpeg(bytes: Uint8Array): number {
  const list = headSegments(bytes).find((part) => part.marker === 0xe2 && isNamed(part, 'MPF'));
  if (list === undefined) return 1;
  const content = list.data.subarray(4);
  const directories = new TiffFile(content).directories();
  const entries = directories === 'cut off' ? [] : (directories[0]?.valuesOf(ENTRIES) ?? []);
  const isLittle = content[0] === 0x49;
  // the kind stands in the second highest byte of each entry's first number
  const kinds = entries.filter((_, i) => i % ENTRY_SIZE === (isLittle ? 2 : 1));
  const views = kinds.filter((kind) => kind !== THUMBNAIL).length;
  return holdsGainMap(bytes) ? 1 : views;
}

/** HDR photos of phones: the second picture says how much brighter the first one can be shown. */
const holdsGainMap = (bytes: Uint8Array): boolean => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return ['hdrgm:', 'HDRGainMap'].some((name) => buffer.includes(name, 0, 'latin1'));
};

const REDUCED = 1;
const MASK = 4;

/** What each directory of a TIFF file is. */
export function pagesOfTiff(bytes: Uint8Array): ('page' | 'thumbnail' | 'mask')[] {
  const directories = new TiffFile(bytes).directories();
  if (directories === 'cut off') return [];
  return directories.map((directory) => {
    const [kind = 0] = directory.valuesOf(tiffTags.subfileType);
    return (kind & REDUCED) !== 0 ? 'thumbnail' : (kind & MASK) !== 0 ? 'mask' : 'page';
  });
}
