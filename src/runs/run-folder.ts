// The folder of a run: nothing in it but this run's files; those of an earlier run are moved to
// runs/<id> first.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { lockFolder } from '../storage/lock.ts';
import { makeFolders, probeFolder, removePartial } from '../storage/folders.ts';
import {
  appendToFile,
  attempt,
  rename,
  writeFileAtomically,
  writeFilesTogether,
} from '../storage/write-file.ts';
import { RUN_FILE, type NewFacts } from './facts.ts';

/**
 * Throws SystemError when the folder cannot be made or written to, and leaves everything as it was.
 */
export function requireWritable(dir: string): void {
  const made = probeFolder(dir);
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
}

/** A run's folder while it is written. Every method throws SystemError when the disk refuses. */
export class RunFolder {
  #facts: NewFacts;
  readonly #unlock: () => void;

  /** Makes the folder, takes it for this process and moves an earlier run in it aside. */
  constructor(
    readonly dir: string,
    facts: Omit<NewFacts, 'files'>,
  ) {
    this.#facts = { ...facts, files: [] };
    attempt(dir, () => makeFolders(dir));
    this.#unlock = lockFolder(dir);
    try {
      removePartial(dir);
      moveEarlierRun(dir);
      this.#announce(RUN_FILE);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds to a file of the run; returns its path. */
  append(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const path = join(this.dir, name);
    appendToFile(path, content);
    return path;
  }

  /** Writes a file whole; returns its path. */
  write(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const path = join(this.dir, name);
    writeFileAtomically(path, content);
    return path;
  }

  /** Writes files that belong together: all or none; returns their paths. */
  writeTogether(files: ReadonlyMap<string, string | Uint8Array>): string[] {
    for (const name of files.keys()) this.#announce(name);
    const placed = new Map(
      Array.from(files, ([name, content]) => [join(this.dir, name), content] as const),
    );
    writeFilesTogether(placed);
    return [...placed.keys()];
  }

  /** Gives the folder back to other runs. */
  close(): void {
    this.#unlock();
  }

  finish(finished: Date): void {
    this.#facts = { ...this.#facts, finished: finished.toISOString() };
    this.#writeFacts();
  }

  /**
   * Before a file is first written: a foreign one of that name goes aside, and run.json names it.
   */
  #announce(name: string): void {
    const entry = name.split('/')[0];
    if (this.#facts.files.includes(entry)) return;
    moveAside(this.dir, [entry], `before-${this.#facts.id}`);
    this.#facts = { ...this.#facts, files: [...this.#facts.files, entry] };
    this.#writeFacts();
  }

  #writeFacts(): void {
    writeFileAtomically(join(this.dir, RUN_FILE), `${JSON.stringify(this.#facts, null, 2)}\n`);
  }
}

const earlierFacts = z.object({
  id: z.string().regex(/^[\w-]+$/),
  files: z.array(z.string().regex(/^[^/\\]+$/)),
});

function moveEarlierRun(dir: string): void {
  const path = join(dir, RUN_FILE);
  if (!existsSync(path)) return;
  const { id, files } = readFacts(path);
  moveAside(dir, files, id);
}

function readFacts(path: string): z.output<typeof earlierFacts> {
  try {
    return earlierFacts.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // not ours, or damaged: it goes aside, the rest when its name is wanted
    return { id: 'unknown', files: [RUN_FILE] };
  }
}

/** Moves what exists of `entries` to runs/<id>, or runs/<id>-2 … where that is taken. */
function moveAside(dir: string, entries: readonly string[], id: string): void {
  const present = entries.filter((entry) => existsSync(join(dir, entry)));
  if (present.length === 0) return;
  const target = freeName(join(dir, 'runs', id));
  attempt(target, () => {
    makeFolders(target);
    // run.json last: when the move is cut short, the next run finishes it
    for (const entry of [
      ...present.filter((name) => name !== RUN_FILE),
      ...present.filter((name) => name === RUN_FILE),
    ])
      rename(join(dir, entry), join(target, entry));
  });
}

function freeName(path: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path}-${n}`;
    if (!existsSync(name)) return name;
  }
}
