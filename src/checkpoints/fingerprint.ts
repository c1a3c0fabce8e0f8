// Whether a base model is the one that a run was begun with, without reading all of it.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { isExternal } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import { bytesOf } from '../util/bytes-of.ts';

/** Bytes that are looked at from the beginning and the end of each tensor. */
const LOOKED_AT = 256;

/**
 * SHA-256 over name, type and shape of every tensor and over its first and last bytes: the same
 * wherever the files lie. A model that was tuned further differs in nearly all of them.
 */
export function weightsFingerprint(weights: Weights): string {
  const hash = createHash('sha256');
  const files = new Map<string, number>();
  const fdOf = (path: string): number => {
    const fd = files.get(path) ?? openSync(path, 'r');
    files.set(path, fd);
    return fd;
  };
  try {
    for (const [name, tensor] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(JSON.stringify([name, tensor.dtype, tensor.shape]));
      if (!isExternal(tensor)) {
        hash.update(bytesOf(tensor.data));
        continue;
      }
      const { path, offset, length } = tensor;
      const size = Math.min(LOOKED_AT, length);
      for (const at of [offset, offset + length - size]) hash.update(bytesAt(fdOf(path), at, size));
    }
  } finally {
    for (const fd of files.values()) closeSync(fd);
  }
  return hash.digest('hex');
}

function bytesAt(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  readSync(fd, bytes, 0, length, position);
  return bytes;
}
