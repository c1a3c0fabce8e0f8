// The chunks of a PNG file. https://www.w3.org/TR/png-3

interface PngChunk {
  readonly name: string;
  readonly data: Uint8Array;
}

/** As far as the file goes. */
function* pngChunks(bytes: Uint8Array): Generator<PngChunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield { name, data: bytes.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
}

/** The chunks that stand before the pixels, by name; of several with one name, the first. */
export function headChunks(bytes: Uint8Array): ReadonlyMap<string, DataView> {
  const found = new Map<string, DataView>();
  for (const { name, data } of pngChunks(bytes)) {
    if (name === 'IDAT') break;
    if (!found.has(name)) found.set(name, new DataView(data.buffer, data.byteOffset, data.length));
  }
  return found;
}
