// Pictures in and out: the one file that imports sharp. Whatever the file, what comes out is
// upright sRGB, 8 bits, on white.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import { decodeBmp, isBmp } from './bmp.ts';

/**
 * Extensions of pictures, lower case. What a file is, its first bytes say: a PNG named `.jpg` is
 * read as PNG.
 */
export const pictureExtensions: readonly string[] = [
  '.png',
  '.jpg',
  '.jpeg',
  '.webp',
  '.bmp',
  '.tif',
  '.tiff',
  '.avif',
];

/**
 * Extensions of pictures that are not read: they are named in a message rather than passed over.
 */
export const unreadExtensions: readonly string[] = [
  '.gif',
  '.heic',
  '.heif',
  '.hif',
  '.svg',
  '.psd',
  '.jxl',
  '.jp2',
  '.jfif',
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

/**
 * Formats by sharp's name; of files with several pictures, the first counts. SVG and PDF are
 * programs, not pictures.
 */
const readable: readonly string[] = ['png', 'jpeg', 'webp', 'tiff', 'heif', 'gif'];

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

/**
 * Width and height as seen, EXIF rotation applied, from the header alone. Throws DataError when it
 * is not a picture.
 */
export async function imageSize(path: string): Promise<ImageSize> {
  return naming(path, async () => sizeOf(await open(await readFile(path))));
}

/**
 * Decodes the whole file, so that damage anywhere in it is found. Gives the size as seen and the
 * SHA-256 of the file. Throws DataError when the file is not a picture, is empty, damaged or cut
 * off.
 */
export async function inspectImage(path: string): Promise<ImageSize & { readonly hash: string }> {
  return naming(path, async () => {
    const bytes = await readFile(path);
    const picture = await open(bytes);
    // JPEG: decodes at an eighth, reads every byte
    await picture.clone().resize(8, 8, { fit: 'fill' }).raw().toBuffer();
    return { ...(await sizeOf(picture)), hash: createHash('sha256').update(bytes).digest('hex') };
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
  return naming(path, async () => {
    const picture = await open(await readFile(path));
    return toPicture(
      placement === undefined ? picture : place(picture, placement, await sizeOf(picture)),
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

/**
 * An upright, opaque picture of any format. `failOn: 'error'` refuses cut-off files, not odd
 * metadata.
 */
async function open(bytes: Uint8Array): Promise<Sharp> {
  if (bytes.length === 0) throw new Error('the file is empty (0 bytes)');
  refuseDisguised(bytes);
  if (isBmp(bytes)) {
    const { data, width, height } = decodeBmp(bytes);
    return onWhite(sharp(data, { raw: { width, height, channels: 4 } }));
  }
  const picture = sharp(bytes, { failOn: 'error', autoOrient: true });
  const { format } = await picture.metadata();
  if (!readable.includes(format)) throw new Error(`it is a ${format} file`);
  return onWhite(picture);
}

/** What people take for pictures, told by its first bytes. */
function refuseDisguised(bytes: Uint8Array): void {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  if (/^\s*<(!doctype html|html)/i.test(start)) throw new Error('it is a web page, not a picture');
  if (/^....ftyp(heic|heix|hevc|hevx|heim|heis)/s.test(start))
    throw new Error('it is a HEIC picture, which is not read; convert it to png or jpg');
  if (start.startsWith('version https://git-lfs'))
    throw new Error(
      'it is a Git LFS pointer, a text that stands for the real file; run git lfs pull',
    );
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
    throw new Error(`internal: ${info.channels} channels after the conversion to RGB`);
  return {
    rgb: new Uint8Array(data.buffer, data.byteOffset, data.length),
    width: info.width,
    height: info.height,
  };
}

/** What decoders say, by a word in it, in plain words. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/ENOENT/, 'the file does not exist'],
  [/EISDIR/, 'it is a folder'],
  [/EACCES|EPERM/, 'the file cannot be read: permission denied'],
  [/unsupported image format|unknown|bad seek/i, 'the content is not that of a picture'],
  [/pixel limit/i, 'the picture is too large (more than 268 million pixels)'],
  [
    /premature end|truncat|unexpected end|not enough|cut off|chunk.*(eof|short)|eof|end of stream|out of (order|data)/i,
    'the file is cut off or damaged',
  ],
];

async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (message.startsWith('internal:')) throw cause;
    const reason = reasons.find(([word]) => word.test(message))?.[1] ?? message.split('\n')[0];
    const what = `cannot read the picture: ${reason}`;
    throw new DataError(
      [{ where: path, what, fix: 'Replace the file, or remove it from the data set.' }],
      { cause },
    );
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
