// Directories of TIFF files, of raw photos and of Exif data: tags with numbers. Adobe TIFF 6.0;
// BigTIFF: http://www.simplesystems.org/libtiff/bigtiff

export const tiffTags = {
  subfileType: 254,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  samplesPerPixel: 277,
  stripLengths: 279,
  tileOffsets: 324,
  tileLengths: 325,
  subDirectories: 330,
  sampleFormat: 339,
  exif: 34665,
  profile: 34675,
  exifColourSpace: 40961,
  interoperability: 40965,
  dngVersion: 50706,
} as const;

/** One directory. */
export interface TiffDirectory {
  /** The numbers of a tag, none where it is absent; Infinity where they lie behind the end. */
  readonly valuesOf: (tag: number) => number[];
  readonly next: number;
}

/** Bytes of a value, by its type. */
const SIZES: { readonly [type: number]: number } = {
  1: 1,
  2: 1,
  3: 2,
  4: 4,
  7: 1,
  13: 4,
  16: 8,
  18: 8,
};
const MOST_VALUES = 1 << 22;
const MOST_DIRECTORIES = 4096;

/** Reads directories of bytes that begin as a TIFF file does. */
export class TiffFile {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #big: boolean;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#little = bytes[0] === 0x49;
    this.#big = bytes.length >= 16 && this.#number(2, 2) === 43;
  }

  /** The directories of the file's own pictures. 'cut off': one of them lies behind the end. */
  directories(): TiffDirectory[] | 'cut off' {
    const found: TiffDirectory[] = [];
    const seen = new Set<number>();
    if (this.#view.byteLength < (this.#big ? 16 : 8)) return 'cut off';
    let at = this.#big ? this.#number(8, 8) : this.#number(4, 4);
    while (at !== 0 && !seen.has(at) && found.length < MOST_DIRECTORIES) {
      const directory = this.directoryAt(at);
      if (directory === undefined) return 'cut off';
      seen.add(at);
      found.push(directory);
      at = directory.next;
    }
    return found;
  }

  /** The directory that begins at this byte; undefined: it does not lie in the file. */
  directoryAt(start: number): TiffDirectory | undefined {
    const [countSize, entrySize, offsetSize] = this.#big ? [8, 20, 8] : [2, 12, 4];
    const end = this.#view.byteLength;
    if (start < 1 || start + countSize > end) return undefined;
    const count = this.#number(start, countSize);
    const after = start + countSize + count * entrySize;
    if (after > end) return undefined;
    const entries = new Map<number, number>();
    for (let at = start + countSize; at < after; at += entrySize)
      entries.set(this.#number(at, 2), at);
    return {
      valuesOf: (tag) => this.#values(entries.get(tag), offsetSize),
      next: after + offsetSize > end ? 0 : this.#number(after, offsetSize),
    };
  }

  #values(entry: number | undefined, offsetSize: number): number[] {
    if (entry === undefined) return [];
    const size = SIZES[this.#number(entry + 2, 2)] ?? 0;
    const count = this.#number(entry + 4, offsetSize);
    if (size === 0 || count > MOST_VALUES) return [];
    const field = entry + 4 + offsetSize;
    const at = count * size <= offsetSize ? field : this.#number(field, offsetSize);
    if (at + count * size > this.#view.byteLength) return [Infinity];
    return Array.from({ length: count }, (_, i) => this.#number(at + i * size, size));
  }

  #number(at: number, size: number): number {
    if (size === 8) return Number(this.#view.getBigUint64(at, this.#little));
    if (size === 4) return this.#view.getUint32(at, this.#little);
    return size === 2 ? this.#view.getUint16(at, this.#little) : this.#view.getUint8(at);
  }
}
