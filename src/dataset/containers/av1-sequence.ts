// The head of AV1 data: the codes of its colours. AV1 Bitstream & Decoding Process, 5.3 to 5.5

const SEQUENCE_HEADER = 1;

/** Codes of ITU-T H.273. */
export interface Av1Codes {
  readonly primaries: number;
  readonly transfer: number;
}

/** The codes that coded data begins with; undefined where it has none. */
export function av1Codes(data: Uint8Array): Av1Codes | undefined {
  for (let at = 0; at < data.length;) {
    const [type, hasExtension, hasSize] = [(data[at] >> 3) & 15, data[at] & 4, data[at] & 2];
    at += hasExtension === 0 ? 1 : 2;
    let size = hasSize === 0 ? data.length - at : 0;
    for (let shift = 0; hasSize !== 0 && shift < 56; shift += 7) {
      const byte = data[at++] ?? 0;
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    if (type === SEQUENCE_HEADER) return codesOfHeader(data.subarray(at, at + size));
    at += size;
  }
  return undefined;
}

/** Reads numbers of so many bits, one after the other; behind the end they are 0. */
type Bits = (count: number) => number;

function bitsOf(bytes: Uint8Array): Bits {
  let at = 0;
  return (count) => {
    let value = 0;
    for (let i = 0; i < count; i++, at++)
      value = 2 * value + (((bytes[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
}

function codesOfHeader(header: Uint8Array): Av1Codes | undefined {
  const next = bitsOf(header);
  const profile = next(3);
  next(1); // still_picture
  const isReduced = next(1) === 1;
  if (isReduced)
    next(5); // seq_level_idx
  else skipOperatingPoints(next);
  const [widthBits, heightBits] = [next(4) + 1, next(4) + 1];
  next(widthBits);
  next(heightBits);
  if (!isReduced && next(1) === 1) next(7); // lengths of frame numbers
  next(3); // superblocks, filter_intra, intra_edge_filter
  if (!isReduced) skipTools(next);
  next(3); // superres, cdef, restoration
  const isDeep = next(1) === 1;
  if (profile === 2 && isDeep) next(1); // twelve_bit
  if (profile !== 1) next(1); // mono_chrome
  return next(1) === 1 ? { primaries: next(8), transfer: next(8) } : undefined;
}

/** Timing, and how well a decoder must do. */
function skipOperatingPoints(next: Bits): void {
  const hasTiming = next(1) === 1;
  if (hasTiming) skipTiming(next);
  const hasModel = hasTiming && next(1) === 1;
  const delayBits = hasModel ? next(5) + 1 : 0;
  if (hasModel) next(32 + 5 + 5);
  const hasDelay = next(1) === 1;
  const count = next(5) + 1;
  for (let i = 0; i < count; i++) {
    next(12); // operating_point_idc
    if (next(5) > 7) next(1); // seq_tier
    if (hasModel && next(1) === 1) next(2 * delayBits + 1);
    if (hasDelay && next(1) === 1) next(4);
  }
}

function skipTiming(next: Bits): void {
  next(64);
  if (next(1) === 0) return;
  let zeros = 0; // a number that begins with as many zeros as it has bits
  while (zeros < 32 && next(1) === 0) zeros++;
  next(zeros);
}

/** Tools of moving pictures. */
function skipTools(next: Bits): void {
  next(4); // interintra, masked compound, warped motion, dual filter
  const hasOrder = next(1) === 1;
  if (hasOrder) next(2);
  const forcesScreen = next(1) === 1 || next(1) === 1;
  if (forcesScreen && next(1) === 0) next(1); // integer motion vectors
  if (hasOrder) next(3);
}
