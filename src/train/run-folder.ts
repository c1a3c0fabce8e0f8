// The folder of a run: nothing in it but this run's files; those of an earlier run are moved to
// runs/<id> first.

import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { makeFolders, writeError, writeFileAtomically } from '../storage/write-file.ts';

/** What run.json says. */
export interface RunFacts {
  /** Date and time of the start: `20260131-235959`. */
  readonly id: string;
  readonly started: string;
  readonly finished?: string;
  readonly seed: number;
  readonly device: string;
  readonly threads: number;
  readonly versions: Readonly<Record<string, string>>;
  /** Every file and folder of the run, relative to its folder. */
  readonly files: readonly string[];
}

const RUN_FILE = 'run.json';
/** Bytes of the probe: more than what fits beside a file's name on any disk. */
const probeBytes = 1 << 16;

/**
 * Throws SystemError when the folder cannot be made or written to, and leaves everything as it was.
 */
export function requireWritable(dir: string): void {
  let made: string | undefined;
  try {
    made = makeFolders(dir);
    const probe = join(dir, `.probe-${process.pid}`);
    writeFileSync(probe, new Uint8Array(probeBytes));
    rmSync(probe);
  } catch (cause) {
    throw writeError(dir, cause);
  } finally {
    if (made !== undefined) rmSync(made, { recursive: true, force: true });
  }
}

/** A run's folder while it is written. Every method throws SystemError when the disk refuses. */
export class RunFolder {
  #facts: RunFacts;

  /** Makes the folder and moves an earlier run in it aside. */
  constructor(
    readonly dir: string,
    facts: Omit<RunFacts, 'files'>,
  ) {
    this.#facts = { ...facts, files: [] };
    moveEarlierRun(dir);
    this.#announce(RUN_FILE);
  }

  /** Adds to a file of the run; returns its path. */
  append(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const path = join(this.dir, name);
    return refusing(path, () => {
      makeFolders(dirname(path));
      appendFileSync(path, content);
    });
  }

  /** Writes a file whole; returns its path. */
  write(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const path = join(this.dir, name);
    writeFileAtomically(path, content);
    return path;
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

/** `20260131-235959`, in UTC, as all times of a run. */
export const runId = (date: Date): string =>
  date.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');

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
  refusing(target, () => {
    makeFolders(target);
    // run.json last: when the move is cut short, the next run finishes it
    for (const entry of [
      ...present.filter((name) => name !== RUN_FILE),
      ...present.filter((name) => name === RUN_FILE),
    ])
      renameSync(join(dir, entry), join(target, entry));
  });
}

function freeName(path: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path}-${n}`;
    if (!existsSync(name)) return name;
  }
}

function refusing(path: string, work: () => void): string {
  try {
    work();
    return path;
  } catch (cause) {
    throw writeError(path, cause);
  }
}
