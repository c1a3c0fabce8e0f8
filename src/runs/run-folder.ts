// The folder of a run: nothing in it but this run's files; those of an earlier run are moved to
// runs/<id> first.

import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  type Dirent,
} from 'node:fs';
import { join } from 'node:path';
import { SystemError, UserError, type Problem } from '../errors.ts';
import { lockFolder } from '../storage/lock.ts';
import { flush, makeFolders, probeFolder, removePartial } from '../storage/folders.ts';
import {
  appendToFile,
  attempt,
  rename,
  writeFileAtomically,
  writeFilesTogether,
} from '../storage/write-file.ts';
import {
  foundFacts,
  readFacts,
  RUN_FILE,
  wholeFacts,
  writeFacts,
  type Change,
  type Checkpoint,
  type NewFacts,
  type RunFacts,
  type Start,
} from './facts.ts';

/** Earlier runs of a folder lie in here, each in a folder of its id. */
export const EARLIER_RUNS = 'runs';

/**
 * Throws SystemError when the folder cannot be made or written to, and leaves everything as it was.
 */
export function requireWritable(dir: string): void {
  const made = probeFolder(dir);
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
}

/** A file as it was written. */
type WrittenFile = Checkpoint['files'][number];

/** A run's folder while it is written. Every method throws SystemError when the disk refuses. */
export class RunFolder {
  #facts: RunFacts;
  readonly #unlock: () => void;
  #isGone = false;
  /** Whether run.json has been written by this process. */
  #hasFacts = false;
  /** What could not be added to a file yet, by its name. */
  readonly #refused = new Map<string, Buffer>();
  /** What the run cannot do without, by name: written again where the folder vanished. */
  readonly #kept = new Map<string, string>();

  private constructor(
    readonly dir: string,
    facts: RunFacts,
    unlock: () => void,
    /** What was wrong with run.json when the run was taken up. */
    readonly damage?: Problem,
  ) {
    this.#facts = facts;
    this.#unlock = unlock;
  }

  /** Makes the folder, takes it for this process and moves an earlier run in it aside. */
  static begin(dir: string, facts: Omit<NewFacts, 'files'>): RunFolder {
    attempt(dir, () => makeFolders(dir));
    return locked(dir, (unlock) => {
      moveEarlierRun(dir);
      const folder = new RunFolder(dir, wholeFacts({ ...facts, files: [] }), unlock);
      folder.#announce(RUN_FILE);
      return folder;
    });
  }

  /**
   * Takes the folder of an interrupted run for this process, and removes what a crash left half
   * done. Throws UserError where another process is at work there.
   */
  static resume(dir: string): RunFolder {
    return locked(dir, (unlock) => {
      const found = foundFacts(dir);
      if (found === undefined) throw gone(dir);
      const { value: facts, damage } = found;
      for (const folder of foldersOf(dir, facts.files)) removePartial(folder);
      return new RunFolder(dir, facts, unlock, damage);
    });
  }

  get facts(): RunFacts {
    return this.#facts;
  }

  /** Adds to a file of the run; what the disk refuses is added with what comes next. */
  append(name: string, content: string | Uint8Array): string {
    const path = join(this.dir, name);
    const all = Buffer.concat([this.#refused.get(name) ?? Buffer.alloc(0), Buffer.from(content)]);
    this.#refused.set(name, all);
    this.#announce(name);
    appendToFile(path, all);
    this.#refused.delete(name);
    return path;
  }

  /** Writes a file whole and records its hash; returns its path. */
  write(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const { written } = this.#facts;
    const before = written.find((one) => one.name === name)?.sha256;
    const record = { ...writtenFile([name, content]), ...(before !== undefined && { before }) };
    this.record({ written: [...written.filter((one) => one.name !== name), record] });
    return this.overwrite(name, content);
  }

  /** As `write`, of a file that is written again and again: its hash is not recorded. */
  overwrite(name: string, content: string | Uint8Array): string {
    this.#announce(name);
    const path = join(this.dir, name);
    writeFileAtomically(path, content);
    return path;
  }

  /** As `write`; where the folder vanishes while the run goes on, the file is made again. */
  keep(name: string, content: string): void {
    this.#kept.set(name, content);
    this.write(name, content);
  }

  /** Writes files that belong together, all or none, and records them as a checkpoint. */
  writeCheckpoint(
    files: ReadonlyMap<string, string | Uint8Array>,
    about: Omit<Checkpoint, 'files'>,
  ): string[] {
    for (const name of files.keys()) this.#announce(name);
    const placed = new Map(
      Array.from(files, ([name, content]) => [join(this.dir, name), content] as const),
    );
    writeFilesTogether(placed);
    const record = { ...about, files: Array.from(files, writtenFile) };
    const { checkpoints } = this.#facts;
    const others = checkpoints.filter(
      ({ step, final }) => final !== about.final || (!final && step !== about.step),
    );
    const sorted = [...others, record].sort((a, b) => a.step - b.step);
    // a new result is of the last step again, whatever was taken back before
    this.record({ checkpoints: sorted, ...(about.final && { current: undefined }) });
    return [...placed.keys()];
  }

  /**
   * Removes checkpoints that were saved as the best alone, but that of `best`, those with a tag and
   * the one that is the result.
   */
  removeOutdone(best: number): void {
    const { checkpoints, tags, current, files } = this.#facts;
    const stays = ({ step, asBest = false }: Checkpoint) =>
      !asBest || step === best || step === current || tags.some((tag) => tag.step === step);
    const outdone = checkpoints.filter((one) => !stays(one));
    if (outdone.length === 0) return;
    const entries = new Set(outdone.flatMap((one) => one.files.map(({ name }) => topOf(name))));
    for (const entry of entries) {
      const path = join(this.dir, entry);
      attempt(path, () => rmSync(path, { recursive: true, force: true }));
    }
    this.record({
      checkpoints: checkpoints.filter(stays),
      files: files.filter((name) => !entries.has(name)),
    });
  }

  /** Bytes of a file; 0 where it is not there. */
  size(name: string): number {
    return statSync(join(this.dir, name), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** As `size`, of a file that is appended to; flushes it to the disk. */
  flushed(name: string): number {
    const path = join(this.dir, name);
    if (!existsSync(path)) return 0;
    attempt(path, () => {
      const fd = openSync(path, 'r+');
      try {
        flush(fd);
      } finally {
        closeSync(fd);
      }
    });
    return this.size(name);
  }

  /**
   * Cuts a file that was appended to back to so many bytes; returns how many of them are missing,
   * where it has become shorter.
   */
  cutTo(name: string, bytes: number): number {
    const path = join(this.dir, name);
    const size = this.size(name);
    this.#refused.delete(name);
    if (size > bytes) attempt(path, () => truncateSync(path, bytes));
    return Math.max(0, bytes - size);
  }

  /** Removes a file of the run, if it is there. */
  remove(name: string): void {
    const path = join(this.dir, name);
    attempt(path, () => rmSync(path, { force: true }));
  }

  /** Changes what run.json says. */
  record(facts: Partial<RunFacts>): void {
    this.#facts = { ...this.#facts, ...facts };
    this.#writeFacts();
  }

  /** A process begins to work on the run. */
  start(start: Start, facts: Partial<RunFacts> = {}, changes: readonly Change[] = []): void {
    const { starts, changes: before } = this.#facts;
    const isNew = (change: Change) =>
      !before.some(
        ({ step, key, to }) =>
          step === change.step &&
          key === change.key &&
          JSON.stringify(to) === JSON.stringify(change.to),
      );
    const all = [...before, ...changes.filter(isNew)];
    this.record({ ...facts, starts: [...starts, start], changes: all, finished: undefined });
  }

  /** The process stops working on it. */
  end(ended: NonNullable<Start['ended']>): void {
    const { starts } = this.#facts;
    const last = starts.at(-1);
    const others = starts.slice(0, -1);
    const finished = ended.how === 'done' ? ended.at : undefined;
    this.record({ starts: last === undefined ? [] : [...others, { ...last, ended }], finished });
  }

  /**
   * What to tell where the folder has vanished and was made again since the last time; undefined
   * where it was there all along.
   */
  vanished(): Problem | undefined {
    if (!this.#isGone) return undefined;
    this.#isGone = false;
    const what =
      'the folder of the run vanished while it was trained; it was made again, and what was in it is lost';
    return { where: this.dir, what, fix: 'The run goes on. Nobody should move or delete it.' };
  }

  /** Gives the folder back to other runs. */
  close(): void {
    this.#unlock();
  }

  /**
   * Before a file is first written: a foreign one of that name goes aside, and run.json names it.
   */
  #announce(name: string): void {
    const entry = topOf(name);
    if (this.#facts.files.includes(entry)) return this.#requirePlace();
    moveAside(this.dir, [entry], `before-${this.#facts.id}`);
    this.record({ files: [...this.#facts.files, entry] });
  }

  /** Makes the folder again where somebody removed it. */
  #requirePlace(): void {
    if (!existsSync(join(this.dir, RUN_FILE))) this.#writeFacts();
  }

  /** With all that is kept, where somebody removed it. */
  #writeFacts(): void {
    if (this.#hasFacts && !existsSync(join(this.dir, RUN_FILE))) {
      this.#isGone = true;
      attempt(this.dir, () => makeFolders(this.dir));
      for (const [name, content] of this.#kept) writeFileAtomically(join(this.dir, name), content);
    }
    writeFacts(this.dir, this.#facts);
    this.#hasFacts = true;
  }
}

/** The entry of the run's folder that a file lies in. */
const topOf = (name: string): string => name.split('/')[0];

/** Takes the folder for this process while `open` works, and beyond where that succeeds. */
function locked(dir: string, open: (unlock: () => void) => RunFolder): RunFolder {
  const unlock = lockFolder(dir);
  try {
    removePartial(dir);
    return open(unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

const gone = (dir: string): UserError =>
  new UserError([
    { where: dir, what: `has no ${RUN_FILE}: there is no run to continue`, fix: 'Use --fresh.' },
  ]);

/** The run's folder and every folder of the run in it. */
function foldersOf(dir: string, entries: readonly string[]): string[] {
  const isFolder = (path: string) =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const below = (folder: string): string[] => [
    folder,
    ...readdirSync(folder, { withFileTypes: true })
      .filter((entry: Dirent) => entry.isDirectory())
      .flatMap(({ name }) => below(join(folder, name))),
  ];
  const own = entries.map((entry) => join(dir, entry)).filter(isFolder);
  return [dir, ...own.flatMap(below)];
}

const writtenFile = ([name, content]: readonly [string, string | Uint8Array]): WrittenFile => {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name, bytes: bytes.length, sha256 };
};

function moveEarlierRun(dir: string): void {
  const path = join(dir, RUN_FILE);
  if (!existsSync(path)) return;
  const facts = factsOrNothing(dir);
  // not ours, or damaged: it goes aside, the rest when its name is wanted
  if (facts === undefined) return moveAside(dir, [RUN_FILE], 'unknown');
  // a move that is cut short is finished by the next run, and not taken for an interrupted one
  writeFacts(dir, { ...facts, leaving: true });
  moveAside(dir, facts.files, facts.id);
}

function factsOrNothing(dir: string): RunFacts | undefined {
  try {
    return readFacts(dir);
  } catch (error) {
    if (error instanceof SystemError || !(error instanceof UserError)) throw error;
    return undefined;
  }
}

/** Moves what exists of `entries` to runs/<id>, or runs/<id>-2 … where that is taken. */
function moveAside(dir: string, entries: readonly string[], id: string): void {
  const present = entries.filter((entry) => existsSync(join(dir, entry)));
  if (present.length === 0) return;
  const target = freeName(join(dir, EARLIER_RUNS, id), present);
  attempt(target, () => {
    makeFolders(target);
    // run.json last: when the move is cut short, the next run finishes it
    for (const entry of [
      ...present.filter((name) => name !== RUN_FILE),
      ...present.filter((name) => name === RUN_FILE),
    ])
      rename(join(dir, entry), join(target, entry));
    const moved = factsOrNothing(target);
    if (moved?.leaving === true) {
      const { leaving: _, ...facts } = moved;
      writeFacts(target, facts);
    }
  });
}

/** The first name whose folder has none of the entries, nor a whole run. */
function freeName(path: string, entries: readonly string[]): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path}-${n}`;
    if (![...entries, RUN_FILE].some((entry) => existsSync(join(name, entry)))) return name;
  }
}
