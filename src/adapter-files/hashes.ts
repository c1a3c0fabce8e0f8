// The hashes by which other programs know a model file or a LoRA.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { hashFile } from '../storage/hash-file.ts';
import { dataOffset } from '../tensor/safetensors.ts';

/**
 * WebUI's old hash looks at 64 KiB after the first MiB; files that end before it all have the hash
 * of nothing.
 */
const legacyStart = 0x100000;
const legacyLength = 0x10000;

/** `sshs_model_hash`: SHA-256, in hex, of everything after the header of a safetensors file. */
export function modelHash(file: Uint8Array): string {
  return createHash('sha256')
    .update(file.subarray(dataOffset(file)))
    .digest('hex');
}

/** `sshs_legacy_hash`: 8 hex digits. */
export function legacyHash(file: Uint8Array): string {
  return shortHash(file.subarray(legacyStart, legacyStart + legacyLength));
}

/** `ss_sd_model_hash`, `ss_vae_hash`: the legacy hash of a file on disk. */
export function legacyHashOfFile(path: string): string {
  const hash = createHash('sha256');
  for (const bytes of chunks(path, legacyStart, legacyStart + legacyLength)) hash.update(bytes);
  return hash.digest('hex').slice(0, 8);
}

/**
 * `ss_new_sd_model_hash`, `ss_new_vae_hash`: SHA-256 of a whole file, in hex. Reads it all: about 2
 * s for 1 GB.
 */
export const sha256OfFile = (path: string): string => hashFile(path).sha256;

function shortHash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}

/**
 * The bytes of a file from `start` to `end` (or its end), 1 MiB at a time, in one buffer used again
 * and again.
 */
function* chunks(path: string, start: number, end: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(1 << 20);
  const fd = openSync(path, 'r');
  try {
    for (let at = start; at < end;) {
      const count = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
      if (count === 0) return;
      yield buffer.subarray(0, count);
      at += count;
    }
  } finally {
    closeSync(fd);
  }
}
