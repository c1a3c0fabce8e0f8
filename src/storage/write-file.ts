// Files that appear whole and on disk, or not at all: written beside their place, flushed, read
// back, renamed.

import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { SystemError, UserError } from '../errors.ts';
import {
  discard,
  flush,
  flushFolder,
  makeFolders,
  partialName,
  removeAbandoned,
} from './folders.ts';
import { hashFile } from './hash-file.ts';
import { codeOf } from '../util/caught.ts';
import { writeError } from './write-error.ts';

/** Gives a file's bytes to `write`, one piece after another. */
export type Produce = (write: (bytes: Uint8Array) => void) => void;

export type FileContent = string | Uint8Array | Produce;

/** A file that is complete and on disk beside its place. */
interface Staged {
  readonly path: string;
  readonly partial: string;
  /** Where it goes: the path given, through links. */
  readonly target: string;
}

/**
 * Writes a file, making its folders; a file of that name is replaced only when the new one is
 * complete, on disk and read back. Throws SystemError (disk full, no permission …), and what
 * `content` throws where it produces; then nothing is left behind.
 */
export function writeFileAtomically(path: string, content: FileContent): void {
  commit(stage(path, content));
}

/**
 * Writes several files that belong together: none is replaced before all are complete and on disk.
 * Throws as `writeFileAtomically`.
 */
export function writeFilesTogether(files: ReadonlyMap<string, FileContent>): void {
  const staged: Staged[] = [];
  try {
    for (const [path, content] of files) staged.push(stage(path, content));
  } catch (error) {
    for (const { partial } of staged) discard(partial);
    throw error;
  }
  staged.forEach(commit);
}

/**
 * Adds to a file, making its folders: all of it or nothing. Not flushed. Throws SystemError.
 */
export function appendToFile(path: string, content: string | Uint8Array): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  attempt(path, () => {
    makeFolders(dirname(resolve(path)));
    const fd = openSync(path, 'a');
    try {
      appendAll(fd, bytes);
    } finally {
      closeSync(fd);
    }
  });
}

function appendAll(fd: number, bytes: Uint8Array): void {
  const { size } = fstatSync(fd);
  try {
    writeAll(fd, bytes);
  } catch (error) {
    ftruncateSync(fd, size);
    throw error;
  }
}

/** Bytes of one call: a system takes at most 2 GiB at once. */
const LARGEST_WRITE = 1 << 30;

/**
 * Writes all bytes, however many of them the system takes at a time; tells how many it took.
 * Throws the system's error.
 */
export function writeAll(
  fd: number,
  bytes: Uint8Array,
  took: (count: number) => void = () => undefined,
  write: (fd: number, bytes: Uint8Array, offset: number, length: number) => number = writeSync,
): void {
  for (let done = 0; done < bytes.length;) {
    const count = write(fd, bytes, done, Math.min(bytes.length - done, LARGEST_WRITE));
    if (count === 0) throw Object.assign(new Error('no byte was taken'), { code: 'ENOSPC' });
    done += count;
    took(count);
  }
}

// ---- beside its place

function stage(path: string, content: FileContent): Staged {
  const { target, partial, fd } = attempt(path, () => openBeside(path));
  const written = { bytes: 0, hash: createHash('sha256') };
  try {
    try {
      fill(path, fd, content, written);
      attempt(path, () => flush(fd));
    } finally {
      closeSync(fd);
    }
    readBack(path, partial, written.bytes, written.hash);
  } catch (error) {
    discard(partial);
    throw error;
  }
  return { path, partial, target };
}

function openBeside(path: string): Omit<Staged, 'path'> & { readonly fd: number } {
  makeFolders(dirname(resolve(path)));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
  if (found !== undefined && !found.isFile()) throw new Error('this is a device, not a file');
  const target = found === undefined ? resolve(path) : realpathSync(path);
  removeAbandoned(dirname(target));
  const partial = join(dirname(target), partialName());
  return { target, partial, fd: openSync(partial, 'wx', found?.mode) };
}

function fill(
  path: string,
  fd: number,
  content: FileContent,
  written: { bytes: number; readonly hash: Hash },
): void {
  const whole = typeof content === 'string' ? Buffer.from(content) : content;
  const of = typeof whole === 'function' ? undefined : whole.length;
  const write = (bytes: Uint8Array): void => {
    written.hash.update(bytes);
    try {
      writeAll(fd, bytes, (count) => (written.bytes += count));
    } catch (cause) {
      throw writeError(path, cause, { bytes: written.bytes, of });
    }
  };
  if (typeof whole === 'function') whole(write);
  else write(whole);
}

/** Throws SystemError unless the file has the bytes that were written. */
function readBack(path: string, partial: string, bytes: number, hash: Hash): void {
  const found = attempt(path, () => hashFile(partial));
  if (found.bytes === bytes && found.sha256 === hash.digest('hex')) return;
  const what =
    found.bytes === bytes
      ? `cannot be written: its ${bytes} bytes, when read back, differ from those that were written`
      : `cannot be written: when read back, it has ${found.bytes} of ${bytes} bytes`;
  const fix = 'The disk or its driver is faulty: choose a folder on another disk.';
  throw new SystemError([{ where: path, what, fix }]);
}

// ---- into its place

function commit({ path, partial, target }: Staged): void {
  try {
    rename(partial, target);
    flushFolder(dirname(target));
  } catch (cause) {
    discard(partial);
    throw writeError(path, cause);
  }
}

/** What Windows answers while a virus scanner or an indexer looks at a new file. */
const passing = new Set(['EACCES', 'EPERM', 'EBUSY']);
const RETRIES = 20;
const RETRY_MS = 50;

/** Renames; on Windows tries for a second where another program has the file open. */
export function rename(from: string, to: string): void {
  for (let left = process.platform === 'win32' ? RETRIES : 0; ; left--) {
    try {
      return renameSync(from, to);
    } catch (error) {
      if (left === 0 || !passing.has(codeOf(error) ?? '')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

/** Runs `action`; what the system refuses becomes a SystemError about `path`. */
export function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw cause instanceof UserError ? cause : writeError(path, cause);
  }
}
