// Files that are either wholly written or not there: write beside, flush, rename.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { SystemError } from '../errors.ts';
import { codeOf, reasonOf } from '../util/caught.ts';

/**
 * Writes a file, making its folders; a file of that name is replaced only when the new one is
 * complete and on disk. Throws SystemError (disk full, no permission …) and then leaves nothing
 * half-written.
 */
export function writeFileAtomically(path: string, content: Uint8Array | string): void {
  try {
    makeFolders(dirname(path));
    // A Buffer over the same bytes: the library takes no plain Uint8Array.
    writeFileAtomic.sync(
      path,
      typeof content === 'string'
        ? content
        : Buffer.from(content.buffer, content.byteOffset, content.byteLength),
    );
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/**
 * Makes a folder and those above it, one by one: Node's own recursive way never ends where a file
 * system, as /proc, answers ENOENT. Returns the first it made; where it cannot make them all, it
 * leaves none. Throws the system's error.
 */
export function makeFolders(dir: string): string | undefined {
  if (existsSync(dir)) return undefined;
  const parent = dirname(dir);
  const first = parent === dir ? undefined : makeFolders(parent);
  try {
    mkdirSync(dir);
  } catch (error) {
    if (existsSync(dir)) return first; // another process was faster
    if (first !== undefined) rmSync(first, { recursive: true, force: true });
    throw error;
  }
  return first ?? dir;
}

/** What a failed write means and what to do, for any code that writes files. */
export function writeError(path: string, cause: unknown): SystemError {
  const code = codeOf(cause) ?? '';
  const known = Object.hasOwn(remedies, code) ? remedies[code] : undefined;
  const what = known?.what ?? `cannot be written: ${reasonOf(cause)}`;
  return new SystemError([{ where: path, what, fix: known?.fix ?? 'Choose another folder.' }], {
    cause,
  });
}

const remedies: Readonly<Record<string, { what: string; fix: string }>> = {
  ENOSPC: {
    what: 'cannot be written: the disk is full',
    fix: 'Free some space, or choose a folder on another disk.',
  },
  EDQUOT: {
    what: 'cannot be written: your disk quota is used up',
    fix: 'Free some space, or choose a folder on another disk.',
  },
  EACCES: {
    what: 'cannot be written: permission denied',
    fix: 'Choose a folder that you may write to, or change its permissions.',
  },
  EPERM: {
    what: 'cannot be written: the system does not permit it',
    fix: 'Choose a folder that you may write to; close programs that have the file open.',
  },
  EROFS: {
    what: 'cannot be written: the disk is read-only',
    fix: 'Choose a folder on a disk that can be written.',
  },
  ENOENT: {
    what: 'cannot be written: the file system takes no folders or files there',
    fix: 'Choose a folder on an ordinary disk.',
  },
  ENOTDIR: {
    what: 'cannot be written: part of the path is a file, not a folder',
    fix: 'Choose another folder, or move that file away.',
  },
  EEXIST: {
    what: 'cannot be written: part of the path is a file, not a folder',
    fix: 'Choose another folder, or move that file away.',
  },
  EISDIR: {
    what: 'cannot be written: a folder of that name is there',
    fix: 'Choose another name, or move that folder away.',
  },
  EBUSY: {
    what: 'cannot be written: another program has the file open',
    fix: 'Close that program and run again.',
  },
  ENAMETOOLONG: { what: 'cannot be written: the name is too long', fix: 'Choose a shorter name.' },
};
