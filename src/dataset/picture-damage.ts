// Why a picture cannot be decoded, found in its own bytes. The library that decodes keeps one text
// for the errors of all pictures that are decoded at a time, so what it says may be another's.

import { crc32 } from '../util/crc.ts';
import { afterScan } from './containers/jpeg-segments.ts';
import { TiffFile, tiffTags } from './containers/tiff-directory.ts';
import type { PictureFormat } from './picture-format.ts';

/** Whether a file ends before its format says so, or where it is damaged; undefined: not seen. */
type Look = (bytes: Uint8Array) => Damage | undefined;
/** Damage lies between two bytes. */
type Damage = 'cut off' | { readonly from: number; readonly to: number };

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Chunks of a length, a name, data and a check sum, up to IEND. https://www.w3.org/TR/png-3 */
const png: Look = (bytes) => {
  const view = viewOf(bytes);
  if (bytes.length >= 8 && view.getUint32(4) !== 0x0d0a1a0a) return { from: 4, to: 8 };
  for (let at = 8; ;) {
    if (at + 12 > bytes.length) return 'cut off';
    const length = view.getUint32(at);
    const name = view.getUint32(at + 4);
    if (!/^[A-Za-z]{4}$/.test(String.fromCharCode(...bytes.subarray(at + 4, at + 8))))
      return { from: at, to: at + 8 };
    if (at + 12 + length > bytes.length) return 'cut off';
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length))
      return { from: at, to: at + 12 + length };
    if (name === 0x49454e44) return undefined;
    at += 12 + length;
  }
};

/** Segments up to the end of image (FF D9). ITU-T T.81, annex B */
const jpeg: Look = (bytes) => {
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return { from: at, to: at + 1 };
    const marker = bytes[at + 1];
    if (marker === 0xd9) return undefined;
    if (marker === 0xff)
      at += 1; // fill byte
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else {
      at += 2 + viewOf(bytes).getUint16(at + 2);
      if (marker === 0xda) at = afterScan(bytes, at);
    }
  }
  return bytes[at] === 0xff && bytes[at + 1] === 0xd9 ? undefined : 'cut off';
};

/** RIFF names its length at byte 4. */
const webp: Look = (bytes) =>
  bytes.length < 12 || 8 + viewOf(bytes).getUint32(4, true) > bytes.length ? 'cut off' : undefined;

/** Boxes of a length and a name; those of an AVIF file fill it. ISO/IEC 14496-12 */
const avif: Look = (bytes) => {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length;) {
    if (at + 8 > bytes.length) return 'cut off';
    const length = view.getUint32(at);
    if (length === 0) return undefined; // to the end of the file
    if (length === 1) return undefined; // longer than 4 GiB
    if (length < 8) return { from: at, to: at + 8 };
    at += length;
    if (at > bytes.length) return 'cut off';
  }
  return undefined;
};

/** A GIF ends with 3B; blocks are not followed. */
const gif: Look = (bytes) => (bytes.lastIndexOf(0x3b) < bytes.length - 16 ? 'cut off' : undefined);

/** The directories lie in the file, and so do the strips or tiles that the first one names. */
const tiff: Look = (bytes) => {
  const directories = new TiffFile(bytes).directories();
  if (directories === 'cut off') return 'cut off';
  const [first] = directories;
  if (first === undefined) return { from: 4, to: 8 };
  const exceeds = (offsets: number, lengths: number): boolean => {
    const sizes = first.valuesOf(lengths);
    return first.valuesOf(offsets).some((offset, i) => offset + (sizes[i] ?? 0) > bytes.length);
  };
  return exceeds(tiffTags.stripOffsets, tiffTags.stripLengths) ||
    exceeds(tiffTags.tileOffsets, tiffTags.tileLengths)
    ? 'cut off'
    : undefined;
};

/** Bitmaps are decoded here, with reasons of their own. */
const looks: { readonly [K in PictureFormat]: Look } = {
  png,
  jpeg,
  webp,
  tiff,
  gif,
  avif,
  bmp: () => undefined,
};

/** So many zeros at the end are no picture data: a download or a copy that broke off. */
const ZEROS = 256;

const zerosAtEnd = (bytes: Uint8Array): number =>
  bytes.length - 1 - bytes.findLastIndex((value) => value !== 0);

/** Of a JPEG that is cut off in its last rows, a decoder makes up what is missing. */
export const isCutOffJpeg = (format: PictureFormat, bytes: Uint8Array): boolean =>
  format === 'jpeg' && jpeg(bytes) === 'cut off';

/** In plain words, why a file of this format that fails to decode does so. */
export function damageOf(format: PictureFormat, bytes: Uint8Array): string {
  const zeros = zerosAtEnd(bytes);
  if (zeros >= ZEROS)
    return `the file is damaged at the end: its last ${zeros} of ${bytes.length} bytes are zeros, as after a copy that broke off`;
  const damage = looks[format](bytes);
  if (damage === 'cut off')
    return `the file is cut off: it ends after ${bytes.length} bytes, ${format === 'jpeg' ? 'without the two (FF D9) that end every JPEG' : 'before the picture does'}`;
  const name = format.toUpperCase();
  if (damage === undefined)
    return `the file is damaged: it begins as ${name}, but what follows cannot be decoded`;
  const { from, to } = damage;
  const place =
    from > 0.9 * bytes.length
      ? ' at the end,'
      : to < 0.1 * bytes.length
        ? ' at the beginning,'
        : ' somewhere';
  return `the file is damaged${place} between byte ${from} and byte ${to} of ${bytes.length}`;
}
