// Whether every file of a run is as it was saved; what a crash left is cleared up.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, type Problem } from '../errors.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { changeRun, hasLeftovers } from './change-run.ts';
import { isBetween, type SavedFile } from './checkpoints.ts';
import { knownRun, type KnownRun } from './known-run.ts';
import { faultOf, finishRollback } from './rollback.ts';

export interface Verified {
  readonly run: KnownRun;
  /** Files with the hash that they were saved with. */
  readonly sound: number;
  /** Their bytes. */
  readonly bytes: number;
  /** Adapters from before hashes were recorded: only their form could be checked. */
  readonly unhashed: number;
  readonly problems: readonly Problem[];
  /** What was put right. */
  readonly mended: readonly string[];
}

/**
 * Reads every adapter of a run. Where no process is at work on it, clears up what a crash left
 * first. Throws SystemError when the disk refuses.
 */
export function verifyRun(run: KnownRun): Verified {
  const mended = run.holder === undefined ? mend(run) : [];
  const now = mended.length === 0 ? run : again(run);
  const files = now.checkpoints.flatMap(({ saved }) => saved.flatMap((one) => one.files));
  const checked = files.map((file) => ({ file, problem: problemOf(now, file) }));
  const sound = checked.filter(({ problem }) => problem === undefined).map(({ file }) => file);
  return {
    run: now,
    sound: sound.length,
    bytes: sound.reduce((sum, { bytes }) => sum + bytes, 0),
    unhashed: sound.filter(({ sha256 }) => sha256 === undefined).length,
    problems: [...checked.flatMap(({ problem }) => problem ?? []), ...missingOf(now)],
    mended,
  };
}

/** Other files that are gone. A run that was interrupted may not have come to write them. */
function missingOf({ dir, facts, state, checkpoints }: KnownRun): Problem[] {
  const saved = checkpoints.flatMap((one) => one.saved.flatMap(({ files }) => files));
  const adapters = new Set(saved.map(({ name }) => name.split('/')[0]));
  if (state !== 'done') return [];
  return facts.files
    .filter((name) => !adapters.has(name) && !isBetween(name) && !existsSync(join(dir, name)))
    .map((name) => ({ where: join(dir, name), what: 'is missing' }));
}

const again = ({ dir }: KnownRun): KnownRun => changeRun(dir, ({ facts }) => knownRun(dir, facts));

/** What was put right, in words. A folder in which all is well is not touched. */
function mend(run: KnownRun): readonly string[] {
  const { dir } = run;
  const left = hasLeftovers(dir);
  const result = run.facts.checkpoints.find(({ final }) => final);
  const isDone =
    result === undefined ||
    result.files.every((file) => faultOf(join(dir, file.name), file) === undefined);
  if (!left && isDone) return [];
  const restored = changeRun(dir, finishRollback);
  return [
    ...(left ? ['what a crash left behind was cleared up'] : []),
    ...restored.map((name) => `${name} was put back as run.json has it`),
  ];
}

function problemOf(run: KnownRun, file: SavedFile): Problem | undefined {
  const path = join(run.dir, file.name);
  const what = faultOf(path, file) ?? (file.sha256 === undefined ? formFault(path) : undefined);
  if (what === undefined) return undefined;
  const fix = remedyOf(run, file);
  return { where: path, what, ...(fix !== undefined && { fix }) };
}

/** What can be told without a hash. */
function formFault(path: string): string | undefined {
  if (!path.endsWith('.safetensors')) return undefined;
  try {
    openSafetensors(path);
    return undefined;
  } catch (error) {
    if (error instanceof CheckpointError) return error.problems[0].what;
    throw error;
  }
}

/** Where the same bytes still are. */
function remedyOf({ dir, checkpoints }: KnownRun, file: SavedFile): string | undefined {
  if (file.sha256 === undefined) return undefined;
  const twin = checkpoints
    .flatMap(({ saved }) => saved.flatMap(({ files }) => files))
    .find(
      (one) =>
        one.name !== file.name &&
        one.sha256 === file.sha256 &&
        faultOf(join(dir, one.name), one) === undefined,
    );
  return twin === undefined ? undefined : `Copy ${join(dir, twin.name)}, which has its bytes.`;
}
