// Pictures in and out: the one file that imports sharp. Whatever the file, what comes out is
// upright sRGB, 8 bits, on white.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { DataError, InternalError } from '../errors.ts';
import { codeOf } from '../util/caught.ts';
import { decodeBmp, type Rgba } from './bmp.ts';
import { damageOf, isDecodedThoughDamaged } from './picture-damage.ts';
import { fileKind, type PictureFormat } from './picture-format.ts';

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
  /** Pictures in the file, of which the first counts. */
  readonly frames: number;
  /** Whether some of it is transparent, which is shown on white. */
  readonly isTransparent: boolean;
  /** Whether its colours are inks (CMYK), which are converted. */
  readonly isForPrint: boolean;
}

/**
 * Decodes the whole file, so that damage anywhere in it is found. Throws DataError when the file is
 * not a picture, is empty, damaged, cut off or too large.
 */
export async function inspectImage(path: string): Promise<InspectedImage> {
  return withPicture(path, async (picture, bytes) => {
    const { pages = 1, hasAlpha, space } = await picture.metadata();
    // JPEG: decodes at an eighth, reads every byte
    const { data, info } = await picture
      .clone()
      .resize(8, 8, { fit: 'fill' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { channels } = info;
    return {
      ...(await sizeOf(picture)),
      hash: createHash('sha256').update(bytes).digest('hex'),
      frames: pages,
      isTransparent: hasAlpha && data.some((value, i) => (i + 1) % channels === 0 && value < 255),
      isForPrint: space === 'cmyk',
    };
  });
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
  return withPicture(path, async (picture) => {
    const whole = onWhite(picture);
    return toPicture(
      placement === undefined ? whole : place(whole, placement, await sizeOf(picture)),
    );
  });
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

/** An upright picture. `failOn: 'error'` refuses cut-off files, not odd metadata. */
async function open(bytes: Uint8Array, format: PictureFormat): Promise<Sharp> {
  if (format === 'bmp') {
    const { data, width, height } = bitmap(bytes);
    return sharp(data, { raw: { width, height, channels: 4 } });
  }
  if (isDecodedThoughDamaged(format, bytes)) throw new PictureFault(damageOf(format, bytes));
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  if (width * height > MOST_PIXELS)
    throw new PictureFault(
      `the picture is too large: ${width}x${height} are more than ${Math.floor(MOST_PIXELS / 1e6)} million pixels`,
    );
  return sharp(bytes, { failOn: 'error', autoOrient: true });
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

/** Why a picture is not read, in our own words. */
class PictureFault extends Error {}

/** By the codes of the file system. */
const unreadable: { readonly [code: string]: string } = {
  ENOENT: 'the file does not exist',
  EISDIR: 'it is a folder',
  EACCES: 'the file cannot be read: permission denied',
  EPERM: 'the file cannot be read: permission denied',
};

const REPLACE = 'Replace the file, or remove it from the data set.';
const refused = (path: string, what: string, fix: string, cause?: unknown): DataError =>
  new DataError([{ where: path, what: `cannot read the picture: ${what}`, fix }], { cause });

/**
 * Reads a file and hands the picture to `work`. What goes wrong becomes a DataError whose reason is
 * found in the bytes alone: pictures that are decoded side by side share the decoder's messages.
 */
async function withPicture<T>(
  path: string,
  work: (picture: Sharp, bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  const bytes = await bytesOf(path);
  const kind = fileKind(bytes);
  if ('what' in kind) throw refused(path, kind.what, kind.fix);
  try {
    return await work(await open(bytes, kind.format), bytes);
  } catch (cause) {
    if (cause instanceof InternalError) throw cause;
    const what = cause instanceof PictureFault ? cause.message : damageOf(kind.format, bytes);
    throw refused(path, what, REPLACE, cause);
  }
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
