// The segments of a JPEG file. ITU-T T.81, annex B

export interface JpegSegment {
  /** The byte behind FF: E0 … EF for the segments of applications, C0 … CF for a frame's head. */
  readonly marker: number;
  readonly data: Uint8Array;
}

const SCAN = 0xda;
const END = 0xd9;

/** Up to the first scan, as far as the file goes. */
export function headSegments(bytes: Uint8Array): JpegSegment[] {
  const found: JpegSegment[] = [];
  for (const segment of jpegSegments(bytes)) {
    if (segment.marker === SCAN) break;
    found.push(segment);
  }
  return found;
}

/** All segments, the heads of scans among them, as far as the file goes. */
function* jpegSegments(bytes: Uint8Array): Generator<JpegSegment> {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === END) return;
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else {
      const length = bytes[at + 2] * 256 + bytes[at + 3];
      yield { marker, data: bytes.subarray(at + 4, at + 2 + length) };
      at += 2 + length;
      if (marker === SCAN) at = afterScan(bytes, at);
    }
  }
}

/** The next marker behind a scan's data, in which FF 00 is a byte and FF D0 … D7 are restarts. */
export function afterScan(bytes: Uint8Array, start: number): number {
  for (let at = start; at + 1 < bytes.length; at++) {
    const next = bytes[at + 1];
    if (bytes[at] === 0xff && next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7))
      return at;
  }
  return bytes.length;
}

/** The head of the frame: how it is coded, bits, size, components. */
export const frameOf = (bytes: Uint8Array): JpegSegment | undefined =>
  headSegments(bytes).find(
    ({ marker }) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker),
  );

/** Whether the segment begins with this text and a zero. */
export const isNamed = ({ data }: JpegSegment, name: string): boolean =>
  String.fromCharCode(...data.subarray(0, name.length)) === name && data[name.length] === 0;
