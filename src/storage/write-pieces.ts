// Large files and folders written piece by piece: beside their place, then flushed and renamed, so
// that none is ever half there.

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { makeFolders, writeError } from './write-file.ts';
import { UserError } from '../errors.ts';

/**
 * Runs `produce`, which gives the file's bytes one piece after another; a file of that name is
 * replaced at the end. Throws SystemError when the disk refuses, and what `produce` throws; then
 * nothing is left behind.
 */
export function writeInPieces(
  path: string,
  produce: (write: (bytes: Uint8Array) => void) => void,
): void {
  const partial = `${path}.part`;
  const fd = attempt(path, () => {
    makeFolders(dirname(resolve(path)));
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

/**
 * Runs `produce` with a new folder beside `path`, which becomes `path` when all is written. Throws
 * UserError where a folder with something in it is already there, SystemError when the disk
 * refuses, and what `produce` throws; then nothing is left behind.
 */
export function writeFolder(path: string, produce: (folder: string) => void): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && (!found.isDirectory() || readdirSync(path).length > 0)) {
    throw new UserError([
      {
        where: path,
        what: found.isDirectory()
          ? 'this folder is not empty'
          : 'this is a file; expected the name of a new folder',
        fix: 'Name a new folder, or empty this one first.',
      },
    ]);
  }
  const partial = `${resolve(path)}.part`;
  rmSync(partial, { recursive: true, force: true }); // of a run that was cut short
  const made = attempt(path, () => makeFolders(partial));
  try {
    produce(partial);
    attempt(path, () => {
      if (existsSync(path)) rmdirSync(path);
      renameSync(partial, path);
    });
  } catch (error) {
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
    throw error;
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw writeError(path, cause);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 1 << 30));
}
