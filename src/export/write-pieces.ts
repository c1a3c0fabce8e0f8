// Large files written piece by piece: beside their place, then flushed and renamed, so that none is ever half there.

import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { writeError } from '../checkpoints/write-file.ts';

/**
 * Runs `produce`, which gives the file's bytes one piece after another; a file of that name is replaced at the end.
 * Throws SystemError when the disk refuses, and what `produce` throws; then nothing is left behind.
 */
export function writeInPieces(path: string, produce: (write: (bytes: Uint8Array) => void) => void): void {
  const partial = `${path}.part`;
  const fd = attempt(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(partial, 'w');
  });
  try {
    produce((bytes) => attempt(path, () => writeAll(fd, bytes)));
    attempt(path, () => fsyncSync(fd));
  } catch (error) {
    closeSync(fd);
    rmSync(partial, { force: true });
    throw error;
  }
  closeSync(fd);
  attempt(path, () => renameSync(partial, path));
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw writeError(path, cause);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 30));
}
