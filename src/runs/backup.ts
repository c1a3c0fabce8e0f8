// Copies of a run's adapters in another place, made as they are saved: whole, flushed, read back.
// What could not be copied, as when the disk was gone, is copied the next time.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { withHome } from '../config/output-path.ts';
import { SystemError, UserError, type Problem } from '../errors.ts';
import { piecesOf } from '../storage/hash-file.ts';
import { removePartial } from '../storage/folders.ts';
import { attempt, writeFileAtomically, type Produce } from '../storage/write-file.ts';
import { plural } from '../util/plural.ts';
import type { SavedFile } from './checkpoints.ts';
import type { Checkpoint } from './facts.ts';
import { faultOf } from './rollback.ts';
import type { KnownRun } from './known-run.ts';
import { CONFIG_FILE, textSetting } from './settings.ts';

/** What a folder of copies says of itself. */
const BACKUP_FILE = 'backup.json';

const listing = z.object({
  /** Of the run. */
  id: z.string(),
  files: z.array(z.object({ name: z.string(), bytes: z.int(), sha256: z.string() })),
});
type Listing = z.output<typeof listing>;

export interface BackupOf {
  /** `backup_dir`. */
  readonly backupDir: string;
  /** The run's folder, and its id. */
  readonly dir: string;
  readonly id: string;
}

/** What came of one look at the copies. */
export interface Copied {
  /** Paths of the copies that were made now. */
  readonly made: readonly string[];
  /** What keeps copies from being made; the same is told once. */
  readonly problems: readonly Problem[];
  /** Copies of earlier moments that were missing, and are there now. */
  readonly caughtUp?: string;
}

/** The folder of a run's copies: `<name>-<id>` in `backup_dir`, so that several runs have room. */
export const backupFolder = ({ backupDir, dir, id }: BackupOf): string =>
  join(backupDir, `${basename(resolve(dir))}-${id}`);

/** Those of a run that is known from its folder; undefined where it has no `backup_dir`. */
export function backupOfRun({ dir, facts, settings }: KnownRun): Backup | undefined {
  const backupDir = textSetting(settings, 'backup_dir');
  if (backupDir === undefined) return undefined;
  return new Backup({ backupDir: withHome(backupDir), dir, id: facts.id });
}

/** The copies of one run. Nothing that the other disk does throws. */
export class Backup {
  readonly #of: BackupOf;
  /** The copies' own. */
  readonly #folder: string;
  /** Once made, it is never made again: where it is gone, another disk is in its place. */
  #wasThere = false;
  #isOut = false;
  /** Files of the run that are not as they were saved, and were told. */
  readonly #told = new Set<string>();

  constructor(of: BackupOf) {
    this.#of = of;
    this.#folder = backupFolder(of);
  }

  /**
   * As `copy`. For a run that has saved nothing yet makes `backup_dir`, where the folder around it
   * is there: later, a disk that is gone would be mistaken for a folder that is to be made.
   */
  begin(checkpoints: readonly Checkpoint[]): Copied {
    const { backupDir } = this.#of;
    const isNew = checkpoints.length === 0 && !existsSync(backupDir);
    return this.#tried(() => {
      if (isNew && existsSync(dirname(resolve(backupDir))))
        attempt(backupDir, () => mkdirSync(backupDir));
      return this.#copyMissing(checkpoints);
    });
  }

  /** Copies every file of the checkpoints that is not there yet. */
  copy(checkpoints: readonly Checkpoint[]): Copied {
    return this.#tried(() => this.#copyMissing(checkpoints));
  }

  /** As `copy`; every copy that is there is read, and made again where it is damaged. */
  verify(checkpoints: readonly Checkpoint[]): Copied {
    return this.#tried(() => this.#copyMissing(checkpoints, isSound));
  }

  #tried(action: () => Omit<Copied, 'caughtUp'>): Copied {
    try {
      const copied = action();
      const wasOut = this.#isOut;
      this.#isOut = false;
      if (!wasOut) return copied;
      const files = plural(copied.made.length, 'file');
      return { ...copied, caughtUp: `${this.#of.backupDir} can be written again: ${files} copied` };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const wasOut = this.#isOut;
      this.#isOut = true;
      return { made: [], problems: wasOut ? [] : [told(error.problems[0])] };
    }
  }

  #copyMissing(checkpoints: readonly Checkpoint[], isCopied = isThere): Omit<Copied, 'caughtUp'> {
    const { dir, id } = this.#of;
    this.#requirePlace();
    const before = readListing(this.#folder);
    const known = new Map((before?.files ?? []).map((file) => [file.name, file]));
    const list = () => writeListing(this.#folder, { id, files: [...known.values()] });
    if (before === undefined) list();
    this.#wasThere = true;
    const missing = checkpoints
      .flatMap(({ files }) => files)
      .filter((file) => !isCopied(this.#folder, before, file));
    if (missing.length > 0) copyConfig(dir, this.#folder);
    const results = missing.map((file): { made?: string; fault?: Problem } => {
      const [from, to] = [dir, this.#folder].map((folder) => join(folder, file.name));
      const what = faultOf(from, file);
      if (what !== undefined) return { fault: { where: from, what } };
      copyFile(from, to, file);
      known.set(file.name, file);
      list();
      return { made: to };
    });
    return {
      made: results.flatMap(({ made }) => made ?? []),
      problems: results.flatMap(({ fault }) => fault ?? []).filter((fault) => this.#isNew(fault)),
    };
  }

  #isNew({ where }: Problem): boolean {
    const isNew = !this.#told.has(where);
    this.#told.add(where);
    return isNew;
  }

  /** Throws SystemError where the disk is not there. */
  #requirePlace(): void {
    const { backupDir } = this.#of;
    const isGone = this.#wasThere && !existsSync(join(this.#folder, BACKUP_FILE));
    if (isGone || !existsSync(backupDir))
      throw new SystemError([
        {
          where: backupDir,
          what: this.#wasThere ? 'the folder of the backup is gone' : 'there is no such folder',
          fix: 'Connect its disk, or make the folder.',
        },
      ]);
    attempt(this.#folder, () => {
      if (!existsSync(this.#folder)) mkdirSync(this.#folder);
      removePartial(this.#folder);
    });
  }
}

const told = ({ where, what, fix }: Problem): Problem => ({
  where,
  what: `${what}: adapters are not copied there`,
  fix: `${fix === undefined ? '' : `${fix} `}What is missing is copied the next time that it can be.`,
});

// ---- files

/** A checkpoint that was pruned in the run stays in the backup; one that has changed is copied. */
function isThere(folder: string, known: Listing | undefined, file: SavedFile): boolean {
  const listed = known?.files.find(({ name }) => name === file.name);
  const found = statSync(join(folder, file.name), { throwIfNoEntry: false });
  return listed?.sha256 === file.sha256 && found?.size === file.bytes;
}

const isSound: typeof isThere = (folder, known, file) =>
  isThere(folder, known, file) && faultOf(join(folder, file.name), file) === undefined;

/** What was checked is what is copied: the bytes are counted and hashed once more. */
function copyFile(from: string, to: string, file: SavedFile): void {
  const produce: Produce = (write) => {
    const hash = createHash('sha256');
    for (const piece of piecesOf(from)) {
      hash.update(piece);
      write(piece);
    }
    if (hash.digest('hex') !== file.sha256) throw new SystemError([unsteady(from)]);
  };
  writeFileAtomically(to, produce);
}

const unsteady = (where: string): Problem => ({
  where,
  what: 'reads otherwise each time',
  fix: 'Its disk may be faulty.',
});

/** The settings, without which an adapter is half the story. */
function copyConfig(dir: string, folder: string): void {
  const from = join(dir, CONFIG_FILE);
  if (existsSync(from)) writeFileAtomically(join(folder, CONFIG_FILE), readFileSync(from));
}

const writeListing = (folder: string, content: Listing): void =>
  writeFileAtomically(join(folder, BACKUP_FILE), `${JSON.stringify(content, null, 2)}\n`);

/** Undefined where there is none, or none that can be read: all is copied again then. */
function readListing(folder: string): Listing | undefined {
  try {
    return listing.parse(JSON.parse(readFileSync(join(folder, BACKUP_FILE), 'utf8')));
  } catch {
    return undefined;
  }
}
