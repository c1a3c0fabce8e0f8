// Windows bitmaps, which sharp's prebuilt binary does not read: 1 to 32 bits a pixel, palettes,
// masks, run lengths, both row orders. https://learn.microsoft.com/windows/win32/gdi/bitmap-storage

/** RGBA bytes [height, width, 4], alpha not multiplied in. */
export interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  readonly pixels: number;
  /** RGBA of each palette entry. */
  readonly palette: readonly (readonly number[])[];
  /** Bit masks of red, green, blue and alpha for 16 and 32 bits a pixel. */
  readonly masks: readonly [number, number, number, number];
}

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHABITFIELDS = 6;
/** As many pixels as sharp accepts by default: a damaged header must not take all memory. */
const maxPixels = 0x3fff ** 2;

/**
 * Decodes a whole file. Throws Error with a reason in plain words when the file is damaged or of a
 * rare kind.
 */
export function decodeBmp(bytes: Uint8Array): Rgba {
  const header = readHeader(bytes);
  const data = new Uint8Array(header.width * header.height * 4);
  const put = (x: number, y: number, colour: readonly number[]): void => {
    data.set(colour, ((header.topDown ? y : header.height - 1 - y) * header.width + x) * 4);
  };
  if (header.compression === RLE8 || header.compression === RLE4) readRuns(bytes, header, put);
  else readRows(bytes, header, put);
  // Many writers leave the alpha bytes at zero: such a picture is opaque.
  if (data.every((value, i) => i % 4 !== 3 || value === 0))
    data.forEach((_, i) => i % 4 === 3 && (data[i] = 255));
  return { width: header.width, height: header.height, data };
}

function readHeader(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 26) throw new Error('the file is cut off: it ends inside its header');
  const size = view.getUint32(14, true);
  const core = size === 12; // OS/2 1.x
  if (!core && (size < 40 || bytes.length < 54 || bytes.length < 14 + size))
    throw new Error('the header is damaged');
  const rawHeight = core ? view.getInt16(20, true) : view.getInt32(22, true);
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const height = Math.abs(rawHeight);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? RGB : view.getUint32(30, true);
  if (width < 1 || height < 1 || width * height > maxPixels)
    throw new Error(`the size ${width} x ${height} makes no sense`);
  if (![1, 4, 8, 16, 24, 32].includes(bits))
    throw new Error(`${bits} bits a pixel are not supported`);
  if (![RGB, RLE8, RLE4, BITFIELDS, ALPHABITFIELDS].includes(compression))
    throw new Error(`compression ${compression} is not supported`);
  const pixels = view.getUint32(10, true);
  const palette =
    bits > 8
      ? []
      : readPalette(
          bytes.subarray(0, pixels),
          14 + size,
          core ? 3 : 4,
          Math.min(1 << bits, core ? 256 : view.getUint32(46, true) || 256),
        );
  return {
    width,
    height,
    topDown: rawHeight < 0,
    bits,
    compression,
    pixels,
    palette,
    masks: readMasks(view, size, bits, compression),
  };
}

/** The colours that lie before the pixels; a pixel may not name others. */
function readPalette(bytes: Uint8Array, start: number, stride: number, count: number): number[][] {
  const there = Math.max(0, Math.floor((bytes.length - start) / stride));
  return Array.from({ length: Math.min(count, there) }, (_, i) => {
    const at = start + i * stride;
    return [bytes[at + 2], bytes[at + 1], bytes[at], 255];
  });
}

function readMasks(
  view: DataView,
  size: number,
  bits: number,
  compression: number,
): Header['masks'] {
  if (compression === BITFIELDS || compression === ALPHABITFIELDS) {
    const alpha = size >= 56 || compression === ALPHABITFIELDS ? view.getUint32(66, true) : 0;
    return [view.getUint32(54, true), view.getUint32(58, true), view.getUint32(62, true), alpha];
  }
  return bits === 16 ? [0x7c00, 0x3e0, 0x1f, 0] : [0xff0000, 0xff00, 0xff, 0];
}

type Put = (x: number, y: number, colour: readonly number[]) => void;

function readRows(bytes: Uint8Array, header: Header, put: Put): void {
  const { width, height, bits, pixels } = header;
  const stride = Math.ceil((width * bits) / 32) * 4;
  // The last row's padding may be missing.
  if (bytes.length < pixels + stride * (height - 1) + Math.ceil((width * bits) / 8))
    throw new Error('the file is cut off: pixels are missing');
  const colourAt = pixelReader(bytes, header);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) put(x, y, colourAt(pixels + y * stride, x));
  }
}

/** The colour of pixel `x` in the row that begins at byte `row`. */
function pixelReader(
  bytes: Uint8Array,
  { bits, palette, masks }: Header,
): (row: number, x: number) => readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bits === 24)
    return (row, x) => [bytes[row + 3 * x + 2], bytes[row + 3 * x + 1], bytes[row + 3 * x], 255];
  if (bits === 16) return (row, x) => unmask(view.getUint16(row + 2 * x, true), masks);
  if (bits === 32) return (row, x) => unmask(view.getUint32(row + 4 * x, true), masks);
  return (row, x) => {
    const shift = 8 - bits - ((x * bits) % 8);
    return entry(palette, (bytes[row + ((x * bits) >> 3)] >> shift) & ((1 << bits) - 1));
  };
}

const entry = (palette: Header['palette'], index: number): readonly number[] => {
  const colour = palette[index];
  if (colour === undefined)
    throw new Error(`a pixel names colour ${index} of a palette of ${palette.length}`);
  return colour;
};

/**
 * The four channels of a pixel, each stretched to 0 … 255; a channel without mask is 0, alpha
 * without mask 255.
 */
function unmask(pixel: number, masks: Header['masks']): number[] {
  return masks.map((mask, channel) => {
    if (mask === 0) return channel === 3 ? 255 : 0;
    const shift = 31 - Math.clz32(mask & -mask);
    return Math.round((((pixel & mask) >>> shift) * 255) / (mask >>> shift));
  });
}

/**
 * Run-length rows: (count, value) pairs; (0, 0) ends a row, (0, 1) the picture, (0, 2) jumps, (0,
 * n) copies n pixels.
 */
function readRuns(
  bytes: Uint8Array,
  { width, height, compression, pixels, palette }: Header,
  put: Put,
): void {
  const perByte = compression === RLE4 ? 2 : 1;
  let [at, x, y] = [pixels, 0, 0];
  const next = (): number => {
    if (at >= bytes.length) throw new Error('the file is cut off: pixels are missing');
    return bytes[at++];
  };
  const draw = (value: number, odd: number): void => {
    if (x >= width || y >= height) return;
    put(x++, y, entry(palette, perByte === 1 ? value : odd ? value & 15 : value >> 4));
  };
  const copy = (count: number): void => {
    const start = at;
    for (let i = 0; i < count; i++)
      draw(perByte === 1 || i % 2 === 0 ? next() : bytes[at - 1], i % 2);
    at += (at - start) % 2; // copied runs end on an even byte
  };
  for (let y0 = 0; y0 < height; y0++)
    for (let x0 = 0; x0 < width; x0++) put(x0, y0, entry(palette, 0)); // what jumps leave out
  while (y < height) {
    const [count, value] = [next(), next()];
    if (count > 0) for (let i = 0; i < count; i++) draw(value, i % 2);
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return;
    else if (value === 2) [x, y] = [x + next(), y + next()];
    else copy(value);
  }
}
