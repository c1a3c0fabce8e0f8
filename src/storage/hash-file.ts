// The hash of a whole file, read piece by piece.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

const PIECE = 1 << 22;

/** SHA-256 in hexadecimal, and the bytes. Throws the system's error. */
export function hashFile(path: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const piece of piecesOf(path)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** A file's bytes, in one buffer that is used again. Throws the system's error. */
export function* piecesOf(path: string): Generator<Uint8Array> {
  const fd = openSync(path, 'r');
  try {
    const buffer = new Uint8Array(PIECE);
    for (let at = 0, count; (count = readSync(fd, buffer, 0, PIECE, at)) > 0; at += count)
      yield buffer.subarray(0, count);
  } finally {
    closeSync(fd);
  }
}
