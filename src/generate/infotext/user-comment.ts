// The comment of a picture's Exif data (Exif 2.32, tag 0x9286), where WebUI keeps the settings of
// JPEG and WebP files.

const EXIF_POINTER = 0x8769;
const USER_COMMENT = 0x9286;
/** Bytes of an entry of a directory. */
const ENTRY = 12;
/** Bytes before the comment that name its encoding. */
const CODE = 8;

/** Undefined where there is none, or the data are damaged. */
export function userComment(exif: Uint8Array): string | undefined {
  const tiff = tiffOf(exif);
  if (tiff === undefined) return undefined;
  try {
    const pointer = entryAt(tiff, uint32(tiff, 4), EXIF_POINTER);
    const comment =
      pointer === undefined ? undefined : entryAt(tiff, uint32(tiff, pointer + 8), USER_COMMENT);
    if (comment === undefined) return undefined;
    const [length, offset] = [uint32(tiff, comment + 4), uint32(tiff, comment + 8)];
    return decoded(tiff.bytes.subarray(offset, offset + length), tiff.little);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // an offset beyond the end
    throw error;
  }
}

interface Tiff {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly little: boolean;
}

/** From the byte order on; some keep `Exif\0\0` before it. */
function tiffOf(exif: Uint8Array): Tiff | undefined {
  const start = [0, 6].find((at) => ['II*\0', 'MM\0*'].includes(latin1(exif.subarray(at, at + 4))));
  if (start === undefined) return undefined;
  const bytes = exif.subarray(start);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes, view, little: bytes[0] === 0x49 };
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const uint32 = ({ view, little }: Tiff, at: number): number => view.getUint32(at, little);

/** Where the entry of a tag stands in a directory. */
function entryAt({ view, little }: Tiff, directory: number, tag: number): number | undefined {
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + i * ENTRY;
    if (view.getUint16(at, little) === tag) return at;
  }
  return undefined;
}

/** Eight bytes name the encoding; UNICODE is UTF-16, in whichever byte order the program likes. */
function decoded(comment: Uint8Array, little: boolean): string {
  const code = latin1(comment.subarray(0, CODE)).replace(/\0+$/, '');
  const text = comment.subarray(CODE);
  if (code === 'UNICODE') return utf16(text, little).replace(/\0+$/, '');
  const plain = code === 'ASCII' || code === '' ? text : comment;
  return new TextDecoder('utf-8').decode(plain).replace(/\0+$/, '');
}

/** Texts are mostly of characters below 256: their high bytes are 0. */
function utf16(bytes: Uint8Array, little: boolean): string {
  const zeros = [0, 0];
  bytes.forEach((byte, i) => {
    if (byte === 0) zeros[i % 2]++;
  });
  const isLittle = zeros[0] === zeros[1] ? little : zeros[1] > zeros[0];
  const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
  return isLittle
    ? new TextDecoder('utf-16le').decode(even)
    : new TextDecoder('utf-16le').decode(Buffer.from(even).swap16());
}
