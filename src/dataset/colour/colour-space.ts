// What the colour space of a picture is: the one place that knows where each format says so.

import { inflateSync } from 'node:zlib';
import { av1Codes } from '../containers/av1-sequence.ts';
import { stillData, stillProperties } from '../containers/iso-boxes.ts';
import { headSegments, isNamed } from '../containers/jpeg-segments.ts';
import { headChunks } from '../containers/png-chunks.ts';
import { TiffFile, tiffTags } from '../containers/tiff-directory.ts';
import type { PictureFormat } from '../picture-format.ts';
import { parseProfile, spaceOfProfile, type IccProfile } from './icc-profile.ts';
import {
  ADOBE_RGB,
  BT709,
  HDR_WHITE,
  HLG,
  isSrgb,
  power,
  PQ,
  spaceOf,
  spaceOfCodes,
  srgbCurve,
  VIDEO_CURVES,
  type Primaries,
  type RgbSpace,
} from './rgb-space.ts';

/** `profile`: the embedded ICC profile, which the decoder applies. */
export type ColourSpace = { readonly kind: 'srgb' } | { readonly kind: 'profile' } | RgbSpace;

export interface PictureColour {
  readonly space: ColourSpace;
  /** What people may not expect of the conversion. */
  readonly note?: { readonly what: string; readonly detail?: string };
}

/** What the decoder says of a picture. */
export interface DecodedHead {
  /** Of its numbers: uchar, ushort, float. */
  readonly depth: string;
  /** Such as srgb, b-w, rgb16, grey16, scrgb, cmyk. */
  readonly space: string;
  readonly icc?: Uint8Array;
  readonly exif?: Uint8Array;
}

const SRGB: PictureColour = { space: { kind: 'srgb' } };

/** The colour space that the file names; sRGB where it names none. */
export function colourOf(
  format: PictureFormat,
  bytes: Uint8Array,
  head: DecodedHead,
): PictureColour {
  const codes = codesOf[format]?.(bytes);
  if (codes !== undefined && format === 'png') return colourOfCodes(codes);
  if (head.icc !== undefined) return colourOfProfile(head.icc, head);
  if (codes !== undefined) return colourOfCodes(codes);
  if (holdsProfile(format, bytes)) return ofUntakenProfile(profileOfPng(format, bytes), head);
  const space = format === 'png' ? spaceOfPng(headChunks(bytes)) : spaceOfExif(head);
  return space === undefined || isSrgb(space) ? SRGB : { space };
}

const DAMAGED: PictureColour = {
  space: { kind: 'srgb' },
  note: { what: 'its colour profile is damaged, so its colours are taken as sRGB' },
};

/** The decoder takes no profile of a PNG that is damaged, or made for pictures of another kind. */
function ofUntakenProfile(icc: Uint8Array | undefined, { space }: DecodedHead): PictureColour {
  const profile = icc && parseProfile(icc);
  if (profile === undefined) return DAMAGED;
  if (!fits(profile, space)) return foreignProfile(profile);
  const own = spaceOfProfile(profile);
  return own === undefined ? DAMAGED : { space: own };
}

/** Behind a name, which 0 ends, and the number of the compression. */
function profileOfPng(format: PictureFormat, bytes: Uint8Array): Uint8Array | undefined {
  const chunk = format === 'png' ? headChunks(bytes).get('iCCP') : undefined;
  if (chunk === undefined) return undefined;
  const data = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  try {
    return inflateSync(data.subarray(data.indexOf(0) + 2));
  } catch {
    return undefined; // damaged
  }
}

/** Profiles of curves and a matrix: exactly, whatever the depth. Others are the decoder's work. */
function colourOfProfile(icc: Uint8Array, { depth, space }: DecodedHead): PictureColour {
  const profile = parseProfile(icc);
  if (profile === undefined) return DAMAGED;
  if (!fits(profile, space)) return foreignProfile(profile);
  const isOwn = depth !== 'uchar' || (isGrey(space) && profile.space === 'RGB');
  const own = isOwn && space !== 'cmyk' ? spaceOfProfile(profile) : undefined;
  return { space: own ?? { kind: 'profile' } };
}

const isGrey = (space: string): boolean => space === 'b-w' || space === 'grey16';

/** A profile for RGB says what grey is, too. */
const fits = (profile: IccProfile, space: string): boolean =>
  space === 'cmyk'
    ? profile.space === 'CMYK'
    : profile.space === 'RGB' || (isGrey(space) && profile.space === 'GRAY');

const foreignProfile = ({ space }: IccProfile): PictureColour => ({
  space: { kind: 'srgb' },
  note: {
    what: 'its colour profile is made for pictures of another kind, so its colours are taken as sRGB',
    detail: `a profile for ${space}`,
  },
});

/** Codes of ITU-T H.273. */
interface Codes {
  readonly primaries: number;
  readonly transfer: number;
  /** Of a PNG: anything but 0 is not allowed. */
  readonly matrix?: number;
  readonly isNarrow?: boolean;
}

const UNSPECIFIED = 2;

const codesOf: { readonly [K in PictureFormat]?: (bytes: Uint8Array) => Codes | undefined } = {
  png: (bytes) => {
    const chunk = headChunks(bytes).get('cICP');
    if (chunk === undefined || chunk.byteLength < 4) return undefined;
    const [primaries, transfer, matrix, range] = [0, 1, 2, 3].map((i) => chunk.getUint8(i));
    return { primaries, transfer, matrix, isNarrow: range === 0 };
  },
  avif: (bytes) => {
    const box = stillProperties(bytes).find(
      ({ type, data }) => type === 'colr' && String.fromCharCode(...data.subarray(0, 4)) === 'nclx',
    );
    if (box === undefined || box.data.length < 8) return av1Codes(stillData(bytes));
    const view = new DataView(box.data.buffer, box.data.byteOffset, box.data.length);
    return { primaries: view.getUint16(4), transfer: view.getUint16(6) };
  },
};

function colourOfCodes({ primaries, transfer, matrix = 0, isNarrow }: Codes): PictureColour {
  const [points, curve] = [
    primaries === UNSPECIFIED ? 1 : primaries,
    transfer === UNSPECIFIED ? 13 : transfer,
  ];
  const known = matrix === 0 ? spaceOfCodes(points, curve) : undefined;
  if (known === undefined)
    return {
      space: { kind: 'srgb' },
      note: {
        what: 'its colours are of a kind that is not known, and are taken as sRGB',
        detail: `codes ${primaries}, ${transfer}, ${matrix}`,
      },
    };
  const space = isNarrow === true ? { ...known, isNarrow } : known;
  const note = noteOnCurve(curve);
  return { space: isSrgb(space) ? SRGB.space : space, ...(note !== undefined && { note }) };
}

function noteOnCurve(code: number): PictureColour['note'] {
  if (code === PQ || code === HLG)
    return {
      what: `an HDR picture: ${HDR_WHITE} cd/m² becomes white, and what is brighter is cut to white`,
      detail: code === PQ ? 'PQ' : 'HLG',
    };
  return VIDEO_CURVES.includes(code)
    ? { what: "its brightness follows the curve of video (BT.709), which is taken as sRGB's" }
    : undefined;
}

/** Whether the file holds a profile, sound or not. */
function holdsProfile(format: PictureFormat, bytes: Uint8Array): boolean {
  if (format === 'png') return headChunks(bytes).has('iCCP');
  if (format === 'jpeg')
    return headSegments(bytes).some((part) => part.marker === 0xe2 && isNamed(part, 'ICC_PROFILE'));
  if (format === 'avif')
    return stillProperties(bytes).some(
      ({ type, data }) =>
        type === 'colr' && /^(prof|rICC)/.test(String.fromCharCode(...data.subarray(0, 4))),
    );
  if (format !== 'tiff') return false;
  const directories = new TiffFile(bytes).directories();
  return directories !== 'cut off' && directories[0]?.valuesOf(tiffTags.profile).length > 0;
}

/** PNG's older chunks: gAMA is what the light was raised to, times 100,000, cHRM the primaries. */
function spaceOfPng(chunks: ReadonlyMap<string, DataView>): RgbSpace | undefined {
  if (chunks.has('sRGB')) return undefined;
  const [gama, chrm] = [chunks.get('gAMA'), chunks.get('cHRM')];
  const gamma = gama !== undefined && gama.byteLength >= 4 ? gama.getUint32(0) / 100_000 : 0;
  const primaries = chrm !== undefined && chrm.byteLength >= 32 ? primariesOf(chrm) : BT709;
  // 1/2.2 with these primaries is how many programs say sRGB
  const isUsual = primaries === BT709 && Math.abs(gamma - 1 / 2.2) < 0.001;
  return spaceOf(primaries, gamma === 0 || isUsual ? srgbCurve : power(1 / gamma));
}

function primariesOf(chunk: DataView): Primaries {
  const point = (i: number) =>
    [chunk.getUint32(8 * i) / 100_000, chunk.getUint32(8 * i + 4) / 100_000] as const;
  const found: Primaries = [point(1), point(2), point(3), point(0)];
  const isUsual = found.every((xy, i) => xy.every((v, j) => Math.abs(v - BT709[i][j]) < 0.001));
  return isUsual ? BT709 : found;
}

const UNCALIBRATED = 0xffff;

/** Cameras that save Adobe RGB say so by the name R03 alone. DCF 2.0 */
function spaceOfExif({ exif }: DecodedHead): RgbSpace | undefined {
  if (exif === undefined || exif.length < 16) return undefined;
  const file = new TiffFile(exif[0] === 0x45 ? exif.subarray(6) : exif); // behind "Exif", 0, 0
  const directories = file.directories();
  if (directories === 'cut off') return undefined;
  const [at = 0] = directories[0]?.valuesOf(tiffTags.exif) ?? [];
  const own = file.directoryAt(at);
  if (own?.valuesOf(tiffTags.exifColourSpace)[0] !== UNCALIBRATED) return undefined;
  const [link = 0] = own.valuesOf(tiffTags.interoperability);
  const name = file.directoryAt(link)?.valuesOf(1) ?? [];
  return String.fromCharCode(...name.slice(0, 3)) === 'R03'
    ? spaceOf(ADOBE_RGB, power(563 / 256))
    : undefined;
}
