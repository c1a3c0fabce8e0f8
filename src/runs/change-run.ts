// Changes to a run that no process is at work on: under its folder's lock, whole or not at all. A
// crash at any moment leaves either what was there or what was meant; the next change or
// `lora runs verify` clears up what it left besides.

import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DataError, UserError } from '../errors.ts';
import { discard, isPartialName, makeFolders, removePartial } from '../storage/folders.ts';
import { lockFolder, liveHolder } from '../storage/lock.ts';
import { attempt, rename } from '../storage/write-file.ts';
import { foundFacts, readFacts, RUN_FILE, writeFacts, type RunFacts } from './facts.ts';
import { isObject } from '../util/is-object.ts';
import { EARLIER_RUNS } from './run-folder.ts';

/** What is being removed lies in here, until run.json no longer names it. */
const REMOVED = '.removed-';
/** What is removed, but not yet deleted. */
const GONE = '.gone-';

/** A run that may be changed. Every method throws SystemError when the disk refuses. */
export class RunChange {
  constructor(readonly dir: string) {}

  get facts(): RunFacts {
    const facts = readFacts(this.dir);
    if (facts === undefined) throw noRun(this.dir);
    return facts;
  }

  /** Changes what run.json says; what it says besides, of other versions too, stays. */
  record(changes: Partial<RunFacts>): void {
    const raw = foundFacts(this.dir)?.json;
    writeFacts(this.dir, { ...(isObject(raw) && raw), ...changes });
  }

  /** Removes files and folders of the run for good; `changes` no longer name them. */
  remove(entries: readonly string[], changes: Partial<RunFacts>): void {
    const aside = this.#moveAside(entries);
    this.record(changes); // from here on they are gone
    deleteAside(aside);
  }

  /** Removes the run; what it did not write stays. Returns what that is. */
  removeAll(): readonly string[] {
    const { files } = this.facts;
    const aside = this.#moveAside(files.filter((name) => name !== RUN_FILE));
    attempt(this.dir, () => rename(join(this.dir, RUN_FILE), join(aside, RUN_FILE)));
    deleteAside(aside); // from the line above on it is gone
    return readdirSync(this.dir).filter((name) => name[0] !== '.');
  }

  #moveAside(entries: readonly string[]): string {
    const aside = join(this.dir, `${REMOVED}${this.facts.id}`);
    attempt(aside, () => {
      makeFolders(aside);
      for (const entry of entries)
        if (existsSync(join(this.dir, entry))) rename(join(this.dir, entry), join(aside, entry));
    });
    return aside;
  }
}

/**
 * Lets `action` change the run in a folder. Throws UserError where there is none, or where a
 * process is at work on it, and what `action` throws.
 */
export function changeRun<T>(dir: string, action: (change: RunChange) => T): T {
  if (!existsSync(join(dir, RUN_FILE))) throw noRun(dir);
  requireIdle(dir);
  const unlock = lockFolder(dir);
  try {
    clearUp(dir);
    return action(new RunChange(dir));
  } finally {
    unlock();
  }
}

const noRun = (dir: string): UserError =>
  new UserError([{ where: dir, what: `has no ${RUN_FILE}: there is no run in it` }]);

function requireIdle(dir: string): void {
  const holder = liveHolder(dir);
  if (holder === undefined) return;
  const what = `process ${holder.pid} on ${holder.host} is at work on this run`;
  throw new UserError([{ where: dir, what, fix: 'Wait until it ends, or stop it with Ctrl+C.' }]);
}

// ---- after a crash

/** Whether a folder of this name has what was being removed. */
export const isRemoved = (name: string): boolean =>
  name.startsWith(REMOVED) || name.startsWith(GONE);

/** Whether something was cut short in a folder. */
export const hasLeftovers = (dir: string): boolean =>
  readdirSync(dir).some((name) => isRemoved(name) || isPartialName(name));

/** Finishes the removal of a run from its folder; the folder goes, too, where it is empty. */
export function clearLeftovers(dir: string): void {
  requireIdle(dir);
  const unlock = lockFolder(dir);
  try {
    clearUp(dir);
  } finally {
    unlock();
  }
  removeEmpty(dir);
}

/** Removes a folder with nothing in it. */
export function removeEmpty(dir: string): void {
  if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir);
}

function clearUp(dir: string): void {
  attempt(dir, () => {
    removePartial(dir);
    for (const name of readdirSync(dir).filter(isRemoved)) finishRemoval(dir, name);
  });
}

/**
 * What run.json still names comes back: its removal was never decided. All else is deleted, as it
 * was to be.
 */
function finishRemoval(dir: string, name: string): void {
  const aside = join(dir, name);
  // the whole run was to go
  if (name.startsWith(GONE) || existsSync(join(aside, RUN_FILE))) return deleteAside(aside);
  const owner = ownerOf(dir, name);
  if (owner === undefined) return; // whose files they are is not known: nobody deletes them
  for (const entry of readdirSync(aside)) {
    if (owner.files.includes(entry)) putBack(join(aside, entry), join(owner.dir, entry));
    else discard(join(aside, entry));
  }
  if (readdirSync(aside).length === 0) rmdirSync(aside);
}

/** A crash in the middle leaves what is known to be removed. */
function deleteAside(aside: string): void {
  const name = basename(aside).replace(REMOVED, GONE);
  const gone = join(dirname(aside), name);
  if (gone !== aside) {
    discard(gone); // of an earlier crash
    rename(aside, gone);
  }
  discard(gone);
}

/** Nothing takes the place of what is there. */
function putBack(from: string, to: string): void {
  if (!existsSync(to)) rename(from, to);
}

/** The run whose files they were: it may lie among the earlier ones by now. */
function ownerOf(dir: string, name: string) {
  const id = name.slice(REMOVED.length);
  const earlier = join(dir, EARLIER_RUNS);
  const dirs = [dir, ...(existsSync(earlier) ? foldersIn(earlier) : [])];
  return dirs
    .flatMap((one) => {
      const facts = soundFacts(one);
      return facts?.id === id ? [{ dir: one, files: facts.files }] : [];
    })
    .at(0);
}

function soundFacts(dir: string): RunFacts | undefined {
  try {
    return readFacts(dir);
  } catch (error) {
    if (error instanceof DataError) return undefined; // damaged: it names no files
    throw error;
  }
}

const foldersIn = (dir: string): string[] =>
  readdirSync(dir)
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isDirectory());
