// Boxes of ISO media files (AVIF, HEIF, MP4): ISO/IEC 14496-12 and 23008-12.

export interface Box {
  readonly type: string;
  /** What the box holds, without its length and type; less where the file is cut off. */
  readonly data: Uint8Array;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const textOf = (bytes: Uint8Array, start: number, end: number): string =>
  String.fromCharCode(...bytes.subarray(start, end));

/** The boxes that stand one behind the other in these bytes. */
export function boxesOf(bytes: Uint8Array): Box[] {
  const view = viewOf(bytes);
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const short = view.getUint32(at);
    const isLong = short === 1 && at + 16 <= bytes.length;
    const head = isLong ? 16 : 8;
    const length = isLong
      ? Number(view.getBigUint64(at + 8))
      : short === 0
        ? bytes.length - at // to the end of the file
        : short;
    if (length < head) break;
    boxes.push({
      type: textOf(bytes, at + 4, at + 8),
      data: bytes.subarray(at + head, at + length),
    });
    at += length;
  }
  return boxes;
}

const inside = (boxes: readonly Box[], type: string, skip = 0): Box[] =>
  boxes.filter((box) => box.type === type).flatMap(({ data }) => boxesOf(data.subarray(skip)));

/** The brands of a media file, its major brand first; none: it is no such file. */
export function brandsOf(bytes: Uint8Array): string[] {
  if (textOf(bytes, 4, 8) !== 'ftyp') return [];
  const [{ data } = { data: new Uint8Array() }] = boxesOf(bytes);
  const count = Math.min(Math.floor(data.length / 4), 64);
  return Array.from({ length: count }, (_, i) => textOf(data, 4 * i, 4 * i + 4)).filter(
    (brand, i) => i !== 1 && /^[ -~]{4}$/.test(brand), // the second is a version
  );
}

/** A full box begins with a version and flags. */
const FULL = 4;

const metaOf = (bytes: Uint8Array): Box[] => inside(boxesOf(bytes), 'meta', FULL);

/** Reads numbers of 1, 2 and 4 bytes one after the other; behind the end they are 0. */
function reader(bytes: Uint8Array, start: number): (size: number) => number {
  let at = start;
  return (size) => {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (bytes[at++] ?? 0);
    return value;
  };
}

function primaryId(meta: readonly Box[]): number | undefined {
  const pitm = meta.find(({ type }) => type === 'pitm')?.data;
  return pitm === undefined ? undefined : reader(pitm, FULL)(pitm[0] === 0 ? 2 : 4);
}

interface Item {
  readonly id: number;
  /** How it is coded. */
  readonly type: string;
}

/** The still picture; of a grid of tiles, the first of these. */
function stillItem(meta: readonly Box[]): Item | undefined {
  const primary = primaryId(meta);
  const iinf = meta.find(({ type }) => type === 'iinf')?.data;
  if (iinf === undefined) return undefined;
  const items = boxesOf(iinf.subarray(FULL + (iinf[0] === 0 ? 2 : 4))).map(({ data }) => {
    const next = reader(data, FULL);
    const id = next(data[0] < 3 ? 2 : 4);
    const type = data[0] < 3 ? 8 : 10;
    return { id, type: textOf(data, type, type + 4) };
  });
  const found = items.find(({ id }) => id === primary);
  return found?.type === 'grid' || found?.type === 'iovl'
    ? items.find(({ type }) => /^(av01|hvc1|vvc1|jpeg|j2k1|unci)$/.test(type))
    : found;
}

/**
 * How the still picture of the file is coded, such as `av01` or `hvc1`; of a grid of tiles, how
 * these are. Undefined: the file has no still picture, or its head is not whole.
 */
export const stillCoding = (bytes: Uint8Array): string | undefined =>
  stillItem(metaOf(bytes))?.type;

/** The first stretch of the still picture's data, or of its first tile's; empty: not found. */
export function stillData(bytes: Uint8Array): Uint8Array {
  const meta = metaOf(bytes);
  const [id, iloc] = [stillItem(meta)?.id, meta.find(({ type }) => type === 'iloc')?.data];
  const place = iloc && locations(iloc).find(({ item }) => item === id);
  if (place === undefined) return new Uint8Array();
  const idat = meta.find(({ type }) => type === 'idat')?.data;
  const source = place.isInside ? (idat ?? new Uint8Array()) : bytes;
  return source.subarray(place.start, place.start + place.length);
}

/** Where the first stretch of each item lies; `isInside`: in the box `idat`, not in the file. */
function locations(iloc: Uint8Array) {
  const [version, next] = [iloc[0], reader(iloc, FULL)];
  const sizes = next(2);
  const [offset, length, base, index] = [12, 8, 4, 0].map((shift) => (sizes >> shift) & 15);
  const wide = version < 2 ? 2 : 4;
  return Array.from({ length: Math.min(next(wide), iloc.length) }, () => {
    const item = next(wide);
    const isInside = version > 0 && (next(2) & 15) === 1;
    next(2); // the file, this one
    const start = next(base);
    const extents = Array.from({ length: Math.min(next(2), iloc.length) }, () => {
      if (version > 0) next(index);
      return { offset: next(offset), length: next(length) };
    });
    const [first = { offset: 0, length: 0 }] = extents;
    return { item, isInside, start: start + first.offset, length: first.length };
  });
}

/** The properties of the still picture: its size, its colours, and so on. */
export function stillProperties(bytes: Uint8Array): Box[] {
  const meta = metaOf(bytes);
  const primary = primaryId(meta);
  const iprp = inside(meta, 'iprp');
  const all = inside(iprp, 'ipco');
  return iprp
    .filter(({ type }) => type === 'ipma')
    .flatMap(({ data }) => associations(data))
    .filter(({ item }) => item === primary)
    .flatMap(({ properties }) => properties)
    .flatMap((index) => (index >= 1 && index <= all.length ? [all[index - 1]] : []));
}

function associations(ipma: Uint8Array): { item: number; properties: number[] }[] {
  const next = reader(ipma, FULL);
  const wide = (ipma[3] & 1) === 1;
  const count = Math.min(next(4), ipma.length);
  return Array.from({ length: count }, () => ({
    item: next(ipma[0] < 1 ? 2 : 4),
    properties: Array.from({ length: next(1) }, () => (wide ? next(2) & 0x7fff : next(1) & 0x7f)),
  }));
}

/** Pictures in the longest track of a sequence; 0: the file has no tracks. */
export function trackLength(bytes: Uint8Array): number {
  const media = inside(inside(inside(boxesOf(bytes), 'moov'), 'trak'), 'mdia');
  const tables = inside(inside(media, 'minf'), 'stbl');
  const counts = tables
    .filter(({ type }) => type === 'stsz')
    .map(({ data }) => reader(data, FULL + 4)(4));
  return Math.max(0, ...counts);
}
