// Folders: made one by one, tried before they are needed, flushed to the disk.

import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { codeOf } from '../util/caught.ts';
import { writeError } from './write-error.ts';

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
    if (first !== undefined) discard(first);
    throw error;
  }
  return first ?? dir;
}

/** Removes what could not be finished; what hinders that was told already. */
export function discard(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // the failure that made it useless is the one to tell
  }
}

/** Bytes of the probe: more than what fits beside a file's name on any disk. */
const probeBytes = 1 << 16;

/**
 * Throws SystemError when the folder cannot be made or written to. Written, not asked: some file
 * systems promise what they then refuse. Returns the first folder that it made.
 */
export function probeFolder(dir: string): string | undefined {
  let made: string | undefined;
  const probe = join(dir, `.probe-${process.pid}`);
  try {
    made = makeFolders(dir);
    writeFileSync(probe, new Uint8Array(probeBytes));
    rmSync(probe);
    return made;
  } catch (cause) {
    discard(made ?? probe);
    throw writeError(dir, cause);
  }
}

/** What file systems answer that cannot flush: there is nothing more to be done there. */
const cannotFlush = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']);

/** Flushes an open file to the disk. Throws the system's error. */
export function flush(fd: number): void {
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!cannotFlush.has(codeOf(error) ?? '')) throw error;
  }
}

/** Flushes the names in a folder, so that a renamed file survives a power cut. */
export function flushFolder(dir: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there; NTFS keeps a journal
  const fd = openSync(dir, 'r');
  try {
    flush(fd);
  } finally {
    closeSync(fd);
  }
}

/** What begins the names of files and folders that are not whole yet. */
export const PARTIAL = '.part-';

/** Of a process and a machine, in hexadecimal: 6 digits and 4. A larger number is of nobody. */
const writerOf = (pid: number): string => {
  const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 4);
  return `${Math.min(pid, 0xffffff).toString(16).padStart(6, '0')}${machine}`;
};

/**
 * A name for a file that is not whole yet, and that no user would give. It tells who writes, so
 * that what a dead process left is known.
 */
export const partialName = (): string =>
  `${PARTIAL}${writerOf(process.pid)}${randomBytes(3).toString('hex')}`;

/** Whether a file or folder of this name is not whole yet. */
export const isPartialName = (name: string): boolean =>
  name.startsWith(PARTIAL) && /^[0-9a-f]{16}$/.test(name.slice(PARTIAL.length));

/** Whether its writer was a process of this machine that is there no more. */
function isAbandoned(name: string): boolean {
  const writer = name.slice(PARTIAL.length, PARTIAL.length + 10);
  const pid = Number.parseInt(writer.slice(0, 6), 16);
  if (!isPartialName(name) || writer !== writerOf(pid) || pid === 0xffffff) return false;
  try {
    process.kill(pid, 0); // asks only
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** Removes unfinished files whose writers are dead: those of a killed export, say. */
export function removeAbandoned(dir: string): void {
  let names: readonly string[] = [];
  try {
    names = readdirSync(dir);
  } catch {
    // what may not be looked into can be written to all the same
  }
  for (const name of names.filter(isAbandoned)) discard(join(dir, name));
}

/** Removes files that a run that was cut short left unfinished in a folder. */
export function removePartial(dir: string): void {
  for (const name of existsSync(dir) ? readdirSync(dir) : [])
    if (isPartialName(name)) rmSync(join(dir, name), { force: true });
}
