// Picture files made byte by byte, for tests of what no encoder at hand writes.

import { deflateSync } from 'node:zlib';
import { crc32 } from '../../util/crc.ts';
import { av1Codes } from '../containers/av1-sequence.ts';

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  return bytes;
};

export function pngChunk(name: string, data: Uint8Array): Buffer {
  const named = Buffer.concat([ascii(name), data]);
  return Buffer.concat([u32(data.length), named, u32(crc32(named))]);
}

export interface PngPixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bits: 8 | 16;
  /** Whole numbers of `bits` bits. */
  readonly numbers: readonly number[];
}

export const PNG_SIGNATURE = ascii('\x89PNG\r\n\x1a\n');

/** The pixels as PNG holds them: rows without filter. */
export function pngData({ width, channels, bits, numbers }: PngPixels): Buffer {
  const row = width * channels;
  const bytes: number[] = [];
  numbers.forEach((value, i) => {
    if (i % row === 0) bytes.push(0);
    if (bits === 16) bytes.push(value >> 8);
    bytes.push(value & 255);
  });
  return deflateSync(Uint8Array.from(bytes));
}

/** The first chunk of a PNG file. */
export function pngHead({ width, height, channels, bits }: PngPixels): Buffer {
  const colourType = [0, 0, 4, 2, 6][channels];
  return pngChunk(
    'IHDR',
    Buffer.concat([u32(width, height), Buffer.from([bits, colourType, 0, 0, 0])]),
  );
}

/** A PNG file with these chunks before its pixels. */
export const pngFile = (pixels: PngPixels, ...chunks: readonly Uint8Array[]): Buffer =>
  Buffer.concat([
    PNG_SIGNATURE,
    pngHead(pixels),
    ...chunks,
    pngChunk('IDAT', pngData(pixels)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);

export const cicp = (primaries: number, transfer: number, matrix = 0, full = 1): Buffer =>
  pngChunk('cICP', Buffer.from([primaries, transfer, matrix, full]));
export const iccp = (profile: Uint8Array): Buffer =>
  pngChunk('iCCP', Buffer.concat([ascii('x\0\0'), deflateSync(profile)]));
const s15Fixed16 = (...values: readonly number[]): Buffer => u32(...values.map((v) => v * 65536));
const u16 = (...values: readonly number[]): Buffer =>
  Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));

/** An ICC profile with one tag: `space` of the numbers, to Lab. ICC.1:2001 */
const profileOf = (space: string, name: string, tag: Buffer): Buffer => {
  const head = Buffer.alloc(128);
  head.writeUInt32BE(144 + tag.length, 0);
  head.write('\x02\x40', 8, 'latin1');
  head.write(`scnr${space.padEnd(4)}Lab `, 12, 'latin1');
  head.write('acsp', 36, 'latin1');
  s15Fixed16(0.9642, 1, 0.8249).copy(head, 68); // D50
  return Buffer.concat([head, u32(1), ascii(name), u32(144, tag.length), tag]);
};

/** A profile of a table alone: `corners` are the Lab of black, blue, green … white. */
export function tableProfile(corners: readonly (readonly number[])[], space = 'RGB'): Buffer {
  const table = corners.flatMap(([l, a, b]) =>
    [(l / 100) * 0xff00, (a + 128) * 256, (b + 128) * 256].map(Math.round),
  );
  const ends = [0, 65535, 0, 65535, 0, 65535];
  const unit = s15Fixed16(1, 0, 0, 0, 1, 0, 0, 0, 1);
  const head = [ascii('mft2'), u32(0), Buffer.from([3, 3, 2, 0]), unit, u16(2, 2)];
  return profileOf(space, 'A2B0', Buffer.concat([...head, u16(...ends, ...table, ...ends)]));
}

export const gama = (gamma: number): Buffer => pngChunk('gAMA', u32(gamma));
/** x and y of red, green, blue and white. */
export const chrm = (primaries: readonly (readonly number[])[]): Buffer => {
  const [red, green, blue, white] = primaries;
  const values = [white, red, green, blue].flat().map((value) => Math.round(value * 100_000));
  return pngChunk('cHRM', u32(...values));
};

export interface TiffPage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** The type of the array is that of the pixels. */
  readonly numbers:
    Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Float32Array | Float64Array;
  /** More tags of one number each, or others in place of the usual ones. */
  readonly tags?: { readonly [tag: number]: number };
  readonly profile?: Uint8Array;
}

const formatOf = (numbers: TiffPage['numbers']): number =>
  numbers instanceof Float32Array || numbers instanceof Float64Array
    ? 3
    : numbers instanceof Int8Array || numbers instanceof Int16Array
      ? 2
      : 1;

/** A TIFF file of these pages, one strip each, little-endian. */
export function tiffFile(...pages: readonly TiffPage[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0])];
  let at = 8;
  pages.forEach((page, i) => {
    const written = tiffPage(page, at, i === pages.length - 1);
    parts.push(written);
    at += written.length;
  });
  return Buffer.concat(parts);
}

const SHORT = 3;
const LONG = 4;
const UNDEFINED = 7;

/** A directory at byte `at`, and behind it its profile and pixels. */
function tiffPage(page: TiffPage, at: number, isLast: boolean): Buffer {
  const { width, height, channels, numbers, profile = new Uint8Array() } = page;
  const data = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const values = new Map<number, number>([
    [256, width],
    [257, height],
    [258, numbers.BYTES_PER_ELEMENT * 8],
    [259, 1],
    [262, channels < 3 ? 1 : 2],
    [277, channels],
    [278, height],
    [279, data.length],
    [339, formatOf(numbers)],
    ...(channels % 2 === 0 ? [[338, 2] as const] : []),
    ...Object.entries(page.tags ?? {}).map(([tag, value]) => [Number(tag), value] as const),
  ]);
  const count = values.size + 1 + (profile.length > 0 ? 1 : 0);
  const behind = at + 6 + 12 * count;
  values.set(273, behind + profile.length);
  if (profile.length > 0) values.set(34675, behind);
  const directory = Buffer.alloc(6 + 12 * count);
  directory.writeUInt16LE(count, 0);
  [...values.entries()]
    .sort(([a], [b]) => a - b)
    .forEach(([tag, value], i) => {
      const isProfile = tag === 34675;
      const isShort = !isProfile && value < 65536 && ![273, 279, 330].includes(tag);
      const entry = 2 + 12 * i;
      directory.writeUInt16LE(tag, entry);
      directory.writeUInt16LE(isProfile ? UNDEFINED : isShort ? SHORT : LONG, entry + 2);
      directory.writeUInt32LE(isProfile ? profile.length : 1, entry + 4);
      directory.writeUInt32LE(value, entry + 8);
    });
  const end = behind + profile.length + data.length;
  directory.writeUInt32LE(isLast ? 0 : end, 2 + 12 * count);
  return Buffer.concat([directory, profile, data]);
}

/** A box of an ISO media file. */
export const isoBox = (type: string, ...content: readonly Uint8Array[]): Buffer => {
  const data = Buffer.concat(content);
  return Buffer.concat([u32(data.length + 8), ascii(type), data]);
};

/** The first box, its major brand before the others. */
export const ftyp = (major: string, ...brands: readonly string[]): Buffer =>
  isoBox('ftyp', ascii(major), u32(0), ascii(brands.join('')));

/** The first box and a description of one picture that is coded so; of a grid, of its tiles too. */
export const heif = (
  coding: string | readonly string[],
  major: string,
  ...brands: readonly string[]
): Buffer => {
  const items = [coding].flat();
  return Buffer.concat([
    ftyp(major, ...brands),
    isoBox(
      'meta',
      u32(0),
      isoBox('pitm', u32(0), Buffer.from([0, 1])),
      isoBox(
        'iinf',
        u32(0),
        Buffer.from([0, items.length]),
        ...items.map((type, i) =>
          isoBox('infe', u32(0x02000000), Buffer.from([0, i + 1, 0, 0]), ascii(`${type}\0`)),
        ),
      ),
    ),
  ]);
};

/** The same AVIF file with other codes for its colours. */
export function withNclx(avif: Uint8Array, primaries: number, transfer: number): Buffer {
  const bytes = Buffer.from(avif);
  const at = bytes.indexOf('nclx');
  if (at < 0) throw new Error('the file has no nclx');
  bytes.writeUInt16BE(primaries, at + 4);
  bytes.writeUInt16BE(transfer, at + 6);
  return bytes;
}

/** The same AVIF file without `colr`, and with these codes in the head of its AV1 data. */
export function withCodesInData(avif: Uint8Array, primaries: number, transfer: number): Buffer {
  const bytes = Buffer.from(avif);
  const colr = bytes.indexOf('colr');
  if (colr >= 0) bytes.write('free', colr, 'latin1');
  const data = bytes.indexOf('mdat') + 4;
  const withCodes = (bit: number, ...codes: readonly number[]): Buffer => {
    const copy = Buffer.from(bytes);
    codes.forEach((code, i) => putBits(copy, bit + 8 * i, code));
    return copy;
  };
  for (let bit = 8 * data; bit < 8 * (data + 32); bit++) {
    const found = av1Codes(withCodes(bit, 123, 45).subarray(data));
    if (found?.primaries === 123 && found.transfer === 45)
      return withCodes(bit, primaries, transfer);
  }
  throw new Error('the AV1 data has no codes');
}

/** Eight bits at a distance in bits. */
function putBits(bytes: Buffer, at: number, value: number): void {
  for (let i = 0; i < 8; i++) {
    const [byte, mask] = [(at + i) >> 3, 128 >> ((at + i) & 7)];
    bytes[byte] = ((value >> (7 - i)) & 1) === 1 ? bytes[byte] | mask : bytes[byte] & ~mask;
  }
}
