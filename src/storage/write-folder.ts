// Folders that appear whole or not at all: written beside their place, then renamed.

import { existsSync, readdirSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SystemError, UserError } from '../errors.ts';
import { discard, flushFolder, makeFolders, PARTIAL } from './folders.ts';
import { attempt, rename } from './write-file.ts';

/**
 * Runs `produce` with a new folder beside `path`, which becomes `path` when all is written. Throws
 * UserError where a folder with something in it is already there, SystemError when the disk
 * refuses, and what `produce` throws; then nothing is left behind.
 */
export function writeFolder(path: string, produce: (folder: string) => void): void {
  requireFree(path);
  const target = resolve(path);
  const partial = join(dirname(target), `${PARTIAL}${basename(target)}`);
  rmSync(partial, { recursive: true, force: true }); // of a run that was cut short
  const made = attempt(path, () => makeFolders(partial));
  try {
    produce(partial);
    attempt(path, () => {
      flushFolder(partial);
      if (existsSync(target)) rmdirSync(target);
      rename(partial, target);
      flushFolder(dirname(target));
    });
  } catch (error) {
    if (made !== undefined) discard(made);
    throw error instanceof SystemError ? named(error, partial, target) : error;
  }
}

/** The error about the file as it would have been called, not where it was written first. */
const named = (error: SystemError, partial: string, target: string): UserError =>
  error.withEach(({ where, ...rest }) => ({
    ...rest,
    where: where.startsWith(partial) ? target + where.slice(partial.length) : where,
  }));

function requireFree(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || (found.isDirectory() && readdirSync(path).length === 0)) return;
  const what = found.isDirectory()
    ? 'this folder is not empty'
    : 'this is a file; expected the name of a new folder';
  const fix = 'Name a new folder, or empty this one first.';
  throw new UserError([{ where: path, what, fix }]);
}
