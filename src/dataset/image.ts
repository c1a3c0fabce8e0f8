// Pictures in and out: the one file that imports sharp. Whatever the file, what comes out is
// upright sRGB, 8 bits, on white.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { DataError, InternalError } from '../errors.ts';
import { codeOf } from '../util/caught.ts';
import { decodeBmp, type Rgba } from './bmp.ts';
import { isAlike, UNSEEN } from './colour/alike.ts';
import { colourOf, type ColourSpace } from './colour/colour-space.ts';
import { fewBits, rangeOf } from './colour/number-range.ts';
import { SRGB, type RgbSpace } from './colour/rgb-space.ts';
import { toSrgb } from './colour/to-srgb.ts';
import { boxesOf } from './containers/iso-boxes.ts';
import { damageOf, isCutOffJpeg } from './picture-damage.ts';
import { fileKind, type PictureFormat } from './picture-format.ts';
import { framesOf } from './picture-frames.ts';
import { CONVERT, type UnreadFile } from './unread-files.ts';
import { unsupportedKind } from './unsupported-picture.ts';

/**
 * Extensions of pictures, lower case. What a file is, its first bytes say: a PNG named `.jpg` is
 * read as PNG.
 */
export const pictureExtensions: readonly string[] = [
  '.png',
  '.jpg',
  '.jpeg',
  '.jpe',
  '.jfif',
  '.webp',
  '.bmp',
  '.tif',
  '.tiff',
  '.avif',
  '.gif',
];

/**
 * Extensions of pictures that are not read: they are named in a message rather than passed over.
 */
export const unreadExtensions: readonly string[] = [
  '.heic',
  '.heif',
  '.hif',
  '.svg',
  '.psd',
  '.jxl',
  '.jp2',
  '.tga',
  '.ico',
  '.exr',
  '.hdr',
  '.pdf',
  '.dng',
  '.cr2',
  '.cr3',
  '.nef',
  '.arw',
  '.raf',
];

/** RGB bytes [height, width, 3]. */
export interface Picture {
  readonly rgb: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Where a picture goes: scaled to `resized`, then cut to `crop` = [x, y, width, height], all in
 * pixels.
 */
export interface Placement {
  readonly resized: readonly [number, number];
  readonly crop: readonly [number, number, number, number];
}

/** What one look at a whole file finds. */
export interface InspectedImage extends ImageSize {
  /** SHA-256 of the file. */
  readonly hash: string;
  /** What is done to the picture that people may not expect. */
  readonly notes: readonly PictureNote[];
}

export interface PictureNote {
  readonly what: string;
  /** What belongs to this picture alone. */
  readonly detail?: string;
}

/**
 * Decodes the whole file, so that damage anywhere in it is found. Throws DataError when the file is
 * not a picture, is empty, damaged, cut off or too large, or when nothing is to be seen in it.
 */
export async function inspectImage(path: string): Promise<InspectedImage> {
  return withPicture(path, async (opened, bytes) => {
    const { picture } = opened;
    // JPEG: decodes at an eighth, reads every byte
    const { data, info } = await picture
      .clone()
      .resize(8, 8, { fit: 'fill' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { channels } = info;
    const hasAlpha = channels === 2 || channels === 4;
    const isTransparent =
      opened.isTransparent ||
      (hasAlpha && data.some((value, i) => (i + 1) % channels === 0 && value < 255));
    const colour = isAlike(data, channels) ? await singleColour(picture) : undefined;
    requireContent(opened, isTransparent, colour);
    return {
      ...(await sizeOf(picture)),
      hash: createHash('sha256').update(bytes).digest('hex'),
      notes: [
        ...opened.notes,
        ...notesOn(opened, isTransparent),
        ...(opened.white > 255 ? fewBits(await highest(picture)) : []),
      ],
    };
  });
}

/** The highest number of its colours, as the file has it. */
async function highest(picture: Sharp): Promise<number> {
  const { hasAlpha } = await picture.metadata();
  const { channels } = await picture.stats();
  return Math.max(...channels.slice(0, hasAlpha ? -1 : undefined).map(({ max }) => max));
}

/** The only colour of a picture on white; undefined: it has several. */
async function singleColour(picture: Sharp): Promise<readonly number[] | undefined> {
  const { rgb } = await toPicture(onWhite(picture.clone()));
  return isAlike(rgb, 3) ? [...rgb.subarray(0, 3)] : undefined;
}

/** Refuses pictures of which nothing is seen, and animations that begin with an empty frame. */
function requireContent(
  { frames }: Opened,
  isTransparent: boolean,
  colour: readonly number[] | undefined,
): void {
  if (colour === undefined) return;
  const isWhite = colour.every((value) => value >= 255 - UNSEEN);
  if (frames > 1)
    throw new PictureFault(
      `the first of its ${frames} pictures, which would be used, is ${isTransparent && isWhite ? 'empty: transparent, or white on white' : 'empty: all of it has one colour'}`,
      { fix: 'Save the picture that you want to train on as png, or remove the file.' },
    );
  if (isTransparent && isWhite)
    throw new PictureFault(
      'nothing can be seen: it is transparent, or white where it is not, and is put on white',
      { fix: 'Put it on another background, or remove it from the data set.' },
    );
}

/** What is done to a picture that people may not expect. */
function notesOn({ frames, isForPrint }: Opened, isTransparent: boolean): PictureNote[] {
  const notes: readonly (readonly [boolean, PictureNote])[] = [
    [
      frames > 1,
      {
        detail: `${frames} pictures`,
        what: 'an animation, or several pictures in one file: the first of them is used, the others are not',
      },
    ],
    [isTransparent, { what: 'what is transparent is trained as white' }],
    [isForPrint, { what: "the colours are inks (CMYK), and are converted to the screen's (sRGB)" }],
  ];
  return notes.flatMap(([isSo, note]) => (isSo ? [note] : []));
}

/**
 * A picture as the model takes it: [3, h, w] with values in [-1, 1] (byte / 127.5 - 1), h and w
 * those of `crop`. Enlarges with Lanczos. Shrinks with the cubic kernel stretched over the source
 * pixels, which of sharp's kernels is nearest to an area mean (mean difference 0.3 to 0.4 of 255
 * between factors 1.8 and 2.3). Throws DataError.
 */
export async function loadPixels(path: string, placement: Placement): Promise<Float32Array> {
  const { rgb } = await loadPicture(path, placement);
  const plane = rgb.length / 3;
  const out = new Float32Array(rgb.length);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) out[c * plane + i] = rgb[3 * i + c] / 127.5 - 1;
  }
  return out;
}

/** As `loadPixels`, in bytes; without a placement the picture keeps its size. */
export async function loadPicture(path: string, placement?: Placement): Promise<Picture> {
  return withPicture(path, async ({ picture, space, white }) => {
    const isOwn = space.kind === 'rgb';
    const whole = isOwn ? picture.clone() : onWhite(picture);
    const placed = placement === undefined ? whole : place(whole, placement, await sizeOf(picture));
    return isOwn ? ownColours(placed, space, white) : toPicture(placed);
  });
}

/** The decoder leaves colours of these spaces as they are. Scaled first, fewer are converted. */
async function ownColours(picture: Sharp, space: RgbSpace, white: number): Promise<Picture> {
  const isDeep = white > 255;
  const { data, info } = await picture
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const numbers = isDeep ? new Uint16Array(Uint8Array.from(data).buffer) : data;
  return { rgb: toSrgb({ data: numbers, channels, white }, space), width, height };
}

function place(
  picture: Sharp,
  { resized: [width, height], crop: [left, top, w, h] }: Placement,
  from: ImageSize,
): Sharp {
  const shrinks = width * height < from.width * from.height;
  return picture
    .resize(width, height, {
      fit: 'fill',
      kernel: shrinks ? 'cubic' : 'lanczos3',
      fastShrinkOnLoad: false,
    })
    .extract({ left, top, width: w, height: h });
}

/** As many as sharp decodes: a header that lies must not take all memory. */
const MOST_PIXELS = 0x3fff ** 2;

/** A picture that is ready to be decoded, upright. */
interface Opened {
  readonly picture: Sharp;
  /** `rgb`: the picture keeps the numbers of the file, which are still to be converted. */
  readonly space: ColourSpace;
  /** The number that stands for white. */
  readonly white: number;
  readonly frames: number;
  readonly isForPrint: boolean;
  readonly isTransparent: boolean;
  readonly notes: readonly PictureNote[];
}

const PLAIN = {
  space: { kind: 'srgb' },
  white: 255,
  frames: 1,
  isForPrint: false,
  isTransparent: false,
  notes: [],
} as const;

/** `failOn: 'error'` refuses cut-off files, not odd metadata. */
async function open(file: Uint8Array, format: PictureFormat): Promise<Opened> {
  if (format === 'bmp') {
    const { data, width, height } = bitmap(file);
    return { ...PLAIN, picture: sharp(data, { raw: { width, height, channels: 4 } }) };
  }
  const unsupported = unsupportedKind(format, file);
  if (unsupported !== undefined) throw new PictureFault(unsupported.what, unsupported);
  if (isCutOffJpeg(format, file)) throw new PictureFault(damageOf(format, file));
  const bytes = format === 'avif' ? asStill(file) : file;
  const head = await sharp(bytes, { limitInputPixels: false }).metadata();
  requireSize(head);
  const { space, note } = colourOf(format, bytes, { ...head, depth: head.depth ?? 'uchar' });
  const options = {
    failOn: 'error',
    autoOrient: true,
    ignoreIcc: space.kind !== 'profile',
  } as const;
  const frames = framesOf(format, file, head.pages ?? 1);
  const notes = note === undefined ? [] : [note];
  if (!['uchar', 'ushort'].includes(head.depth ?? 'uchar')) {
    const numbers = await ofNumbers(sharp(bytes, options), head, space);
    return { ...PLAIN, frames, ...numbers, notes: [...notes, ...numbers.notes] };
  }
  return {
    picture: inOwnSpace(sharp(bytes, options), space, head.space),
    space,
    white: whiteOf(head),
    frames,
    isForPrint: head.space === 'cmyk',
    isTransparent: false,
    notes,
  };
}

/**
 * An AVIF file as the decoder takes it: one that begins as an animation is not known to it, and the
 * still picture is wanted, not the tracks.
 */
function asStill(file: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(file);
  const put = (text: string, at: number) => copy.set(Buffer.from(text, 'latin1'), at);
  for (const { type, data } of boxesOf(copy)) {
    if (type === 'moov') put('free', data.byteOffset - 4);
    if (type !== 'ftyp') continue;
    const brands = Buffer.from(data).toString('latin1').replaceAll('avis', 'avif');
    put(brands.replaceAll('msf1', 'mif1'), data.byteOffset);
  }
  put('avif', 8);
  return copy;
}

function requireSize({ width, height }: ImageSize): void {
  if (width * height > MOST_PIXELS)
    throw new PictureFault(
      `the picture is too large: ${width}x${height} are more than ${Math.floor(MOST_PIXELS / 1e6)} million pixels`,
    );
}

/** AVIF of 10 and 12 bits comes with its bits moved up to 16. */
function whiteOf({ depth, bitsPerSample = 16 }: Metadata): number {
  if (depth !== 'ushort') return 255;
  return bitsPerSample < 16 ? (2 ** bitsPerSample - 1) * 2 ** (16 - bitsPerSample) : 65_535;
}

/** Its numbers untouched where they are converted here, through the profile where there is one. */
function inOwnSpace(picture: Sharp, space: ColourSpace, stored: string): Sharp {
  if (space.kind === 'rgb') return picture.toColourspace(stored);
  // of 16 bits a channel the decoder makes Display P3, which it takes back where this is asked for
  return space.kind === 'profile' && stored === 'rgb16' ? picture.withIccProfile('srgb') : picture;
}

/** A picture whose pixels are fractions, or whole numbers of 16 or 32 bits: in bytes, on white. */
async function ofNumbers(
  picture: Sharp,
  { space: stored, hasAlpha }: Metadata,
  space: ColourSpace,
): Promise<Pick<Opened, 'picture' | 'isTransparent' | 'notes'>> {
  if (space.kind === 'profile')
    throw new PictureFault('its colour profile cannot be applied to pixels that are fractions', {
      fix: 'Save it with 8 or 16 bits a channel.',
    });
  const { data, info } = await picture
    .toColourspace(stored)
    .raw({ depth: 'float' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const numbers = new Float32Array(Uint8Array.from(data).buffer);
  const range = rangeOf(numbers, hasAlpha ? channels : undefined);
  if ('what' in range) throw new PictureFault(range.what, range);
  const { white } = range;
  const rgb = toSrgb({ data: numbers, channels, white }, space.kind === 'rgb' ? space : SRGB);
  return {
    picture: sharp(rgb, { raw: { width, height, channels: 3 } }),
    isTransparent:
      hasAlpha && numbers.some((value, i) => (i + 1) % channels === 0 && value < white),
    notes: space.kind === 'rgb' ? [] : [range.note],
  };
}

function bitmap(bytes: Uint8Array): Rgba {
  try {
    return decodeBmp(bytes);
  } catch (cause) {
    throw new PictureFault(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const onWhite = (picture: Sharp): Sharp =>
  picture.flatten({ background: '#ffffff' }).toColourspace('srgb');

async function sizeOf(picture: Sharp): Promise<ImageSize> {
  const { width, height, autoOrient } = await picture.metadata();
  return { width: autoOrient.width ?? width, height: autoOrient.height ?? height };
}

async function toPicture(picture: Sharp): Promise<Picture> {
  const { data, info } = await picture
    .removeAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3)
    throw new InternalError(`${info.channels} channels after the conversion to RGB`);
  return {
    rgb: new Uint8Array(data.buffer, data.byteOffset, data.length),
    width: info.width,
    height: info.height,
  };
}

/** Why a picture is not read, in our own words, and what to do. */
class PictureFault extends Error {
  readonly fix: string;
  constructor(what: string, { fix = REPLACE, cause }: { fix?: string; cause?: unknown } = {}) {
    super(what, { cause });
    this.fix = fix;
  }
}

/** By the codes of the file system. */
const unreadable: { readonly [code: string]: string } = {
  ENOENT: 'the file does not exist',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
};

const REPLACE = 'Replace the file, or remove it from the data set.';
const refused = (path: string, what: string, fix: string, cause?: unknown): DataError =>
  new DataError([{ where: path, what: `cannot be read: ${what}`, fix }], { cause });

/**
 * Reads a file and hands the picture to `work`. What goes wrong becomes a DataError whose reason is
 * found in the bytes alone: pictures that are decoded side by side share the decoder's messages.
 */
async function withPicture<T>(
  path: string,
  work: (opened: Opened, bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const bytes = await bytesOf(path);
  const kind = fileKind(bytes);
  if ('what' in kind) throw refused(path, kind.what, fixOf(kind, path));
  try {
    return await work(await open(bytes, kind.format), bytes);
  } catch (cause) {
    if (cause instanceof InternalError) throw cause;
    if (cause instanceof PictureFault) throw refused(path, cause.message, cause.fix, cause);
    throw refused(path, damageOf(kind.format, bytes), REPLACE, cause);
  }
}

/** The ending of another format may be all that somebody changed. */
function fixOf({ fix }: UnreadFile, path: string): string {
  const ending = extname(path).toLowerCase();
  return fix === CONVERT && pictureExtensions.includes(ending)
    ? `${fix} Its name ends in ${ending}, but that alone does not make it one.`
    : fix;
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = codeOf(cause) ?? String(cause);
    const what = Object.hasOwn(unreadable, code) ? unreadable[code] : `the disk says ${code}`;
    throw refused(path, what, REPLACE, cause);
  }
}

/**
 * Draws SVG text at `width` x `height` pixels: RGB bytes [height, width, 3], transparency on white.
 */
export async function renderSvg(svg: string, width: number, height = width): Promise<Uint8Array> {
  const picture = sharp(Buffer.from(svg), { density: 72 }).resize(width, height, {
    fit: 'fill',
    kernel: 'lanczos3',
  });
  return (await toPicture(onWhite(picture))).rgb;
}

/** The picture `factor` times as wide and high (a whole number), smoothly. */
export async function enlarged({ rgb, width, height }: Picture, factor: number): Promise<Picture> {
  const raw = { width, height, channels: 3 } as const;
  return toPicture(
    sharp(rgb, { raw }).resize(width * factor, height * factor, { kernel: 'cubic' }),
  );
}

/** The Exif data of a picture file's bytes; undefined where there are none, or it is no picture. */
export async function exifOf(bytes: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return (await sharp(bytes, { limitInputPixels: false, failOn: 'none' }).metadata()).exif;
  } catch {
    return undefined;
  }
}

/** PNG bytes of RGB bytes [height, width, 3]. */
export async function encodePng(
  rgb: Uint8Array,
  width: number,
  height: number,
): Promise<Uint8Array> {
  return sharp(rgb, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/**
 * PNG bytes of RGB bytes [height, width, 3] reduced to `colours` colours: small files for drawn
 * pictures.
 */
export async function encodePalettePng(
  rgb: Uint8Array,
  width: number,
  height: number,
  colours: number,
): Promise<Uint8Array> {
  const picture = sharp(rgb, { raw: { width, height, channels: 3 } });
  return picture
    .png({ palette: true, colours, dither: 0.3, effort: 8, compressionLevel: 9 })
    .toBuffer();
}
