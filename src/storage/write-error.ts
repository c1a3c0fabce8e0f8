// What it means when the system refuses to write, and what to do about it.

import { SystemError } from '../errors.ts';
import { codeOf, reasonOf } from '../util/caught.ts';

/** How far a write came. */
export interface Progress {
  readonly bytes: number;
  /** Absent where the size is not known beforehand. */
  readonly of?: number;
}

/** What a failed write means and what to do. Throws nothing: the caller does. */
export function writeError(path: string, cause: unknown, progress?: Progress): SystemError {
  const code = codeOf(cause) ?? '';
  const known = Object.hasOwn(remedies, code) ? remedies[code] : undefined;
  const reason = known?.what ?? reasonOf(cause);
  const what = `cannot be written${progressText(progress)}: ${reason}`;
  return new SystemError([{ where: path, what, fix: known?.fix ?? 'Choose another folder.' }], {
    cause,
  });
}

/** What the system refuses whatever a program does: no fault of it. */
const refusals = new Set(
  'EMFILE ENFILE ENOSPC EDQUOT EFBIG EROFS EIO ENOMEM EACCES EPERM ENAMETOOLONG'.split(' '),
);

/**
 * What to tell of an error that the system has thrown somewhere, as where no more files may be
 * open; undefined where it is not of this kind.
 */
export function refusalOf(error: unknown): SystemError | undefined {
  const code = codeOf(error) ?? '';
  if (!refusals.has(code) || !(error instanceof Error)) return undefined;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : 'the system';
  const { what, fix } = remedies[code];
  return new SystemError([{ where: path, what: `cannot be used: ${what}`, fix }], { cause: error });
}

function progressText(progress: Progress | undefined): string {
  if (progress === undefined || progress.bytes === 0) return '';
  const { bytes, of } = progress;
  return of === undefined
    ? ` (stopped after ${grouped(bytes)} bytes)`
    : ` (stopped after ${grouped(bytes)} of ${grouped(of)} bytes)`;
}

/** `281,460`, whatever the locale. */
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

const remedies: Readonly<Record<string, { what: string; fix: string }>> = {
  ENOSPC: {
    what: 'the disk is full',
    fix: 'Free some space, or choose a folder on another disk.',
  },
  EDQUOT: {
    what: 'your disk quota is used up',
    fix: 'Free some space, or choose a folder on another disk.',
  },
  EFBIG: {
    what: 'a file there may not be that large: the process (ulimit -f) or the file system limits it',
    fix: 'Raise the limit (ulimit -f unlimited), or choose a folder on another disk.',
  },
  EIO: {
    what: 'the disk reports a fault',
    fix: 'Check the disk, or choose a folder on another one.',
  },
  EACCES: {
    what: 'permission denied',
    fix: 'Choose a folder that you may write to, or change its permissions.',
  },
  EPERM: {
    what: 'the system does not permit it',
    fix: 'Choose a folder that you may write to; close programs that have the file open.',
  },
  EROFS: {
    what: 'the disk is read-only',
    fix: 'Choose a folder on a disk that can be written.',
  },
  ENOENT: {
    what: 'the file system allows no new files or folders there',
    fix: 'Choose a folder on an ordinary disk.',
  },
  ENOTDIR: {
    what: 'part of the path is a file, not a folder',
    fix: 'Choose another folder, or move that file away.',
  },
  EEXIST: {
    what: 'part of the path is a file, not a folder',
    fix: 'Choose another folder, or move that file away.',
  },
  EISDIR: {
    what: 'there is already a folder of that name',
    fix: 'Choose another name, or move that folder away.',
  },
  EBUSY: {
    what: 'another program has the file open',
    fix: 'Close that program and run again.',
  },
  EMFILE: {
    what: 'too many files are open',
    fix: 'Raise the limit (ulimit -n 4096) and run again.',
  },
  ENFILE: {
    what: 'too many files are open on this machine',
    fix: 'End other programs, and run again.',
  },
  ENOMEM: { what: 'there is no memory left', fix: 'End other programs, and run again.' },
  ENAMETOOLONG: { what: 'the name is too long', fix: 'Choose a shorter name.' },
};
