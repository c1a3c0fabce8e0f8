// Whether every file of a run is as it was saved; what a crash left is cleared up.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, type Problem } from '../errors.ts';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { changeRun, hasLeftovers } from './change-run.ts';
import { isBetween, type SavedFile } from './checkpoints.ts';
import type { RunFacts } from './facts.ts';
import { knownRun, type KnownRun } from './known-run.ts';
import { hashFile } from '../storage/hash-file.ts';
import { faultOf, finishRollback } from './rollback.ts';
import { stateProblems } from './run-state.ts';
import { DATA_FILE } from './samples.ts';

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
 * Reads every file of a run that was saved whole: adapters, states, records, previews. Where no
 * process is at work on it, clears up what a crash left first. Throws SystemError when the disk
 * refuses.
 */
export function verifyRun(run: KnownRun): Verified {
  const mended = run.holder === undefined ? mend(run) : [];
  const now = mended.length === 0 ? run : again(run);
  const files = now.checkpoints.flatMap(({ saved }) => saved.flatMap((one) => one.files));
  const checked = [
    ...files.map((file) => ({ file, problem: problemOf(now, file) })),
    ...others(now).map((file) => ({ file, problem: otherProblem(now, file) })),
  ];
  const sound = checked.filter(({ problem }) => problem === undefined).map(({ file }) => file);
  return {
    run: now,
    sound: sound.length,
    bytes: sound.reduce((sum, { bytes }) => sum + bytes, 0),
    unhashed: sound.filter(({ sha256 }) => sha256 === undefined).length,
    problems: [
      ...checked.flatMap(({ problem }) => problem ?? []),
      ...damagedStates(now),
      ...missingOf(now),
    ],
    mended,
  };
}

/** The configuration, the record of the samples, previews and what else was saved whole. */
const others = ({ dir, facts, state }: KnownRun): RunFacts['written'] =>
  // named before it is written: a run that was cut short may not have come to it
  facts.written.filter(({ name }) => state === 'done' || existsSync(join(dir, name)));

function otherProblem(
  { dir }: KnownRun,
  { name, before, ...file }: RunFacts['written'][number],
): Problem | undefined {
  const where = join(dir, name);
  const what = faultOf(where, file);
  if (what === undefined || hashOf(where) === before) return undefined;
  return { where, what, fix: OTHERS[name] ?? 'No adapter is concerned.' };
}

const hashOf = (path: string): string | undefined =>
  existsSync(path) ? hashFile(path).sha256 : undefined;

/** What a damaged file is needed for. */
const OTHERS: Readonly<Record<string, string>> = {
  [DATA_FILE]: 'It says what was trained: `runs compare` needs it, and the run to go on.',
  'config.yaml': 'It says with which settings the run was trained; run.json has them, too.',
};

/** A state has its hash in itself. While a process is at work, it may be replaced at any moment. */
function damagedStates({ dir, state, holder }: KnownRun): Problem[] {
  if (holder !== undefined) return [];
  const fix =
    state === 'done'
      ? 'The run is done and does not need it, unless it is to go on with more steps.'
      : 'The next start leaves it out, and goes on from the state before it, if there is one.';
  return stateProblems(dir).map((problem) => ({ ...problem, fix }));
}

/** Other files that are gone. A run that was interrupted may not have come to write them. */
function missingOf({ dir, facts, state, checkpoints }: KnownRun): Problem[] {
  const saved = checkpoints.flatMap((one) => one.saved.flatMap(({ files }) => files));
  const named = [...saved, ...facts.written].map(({ name }) => name.split('/')[0]);
  const known = new Set(named);
  if (state !== 'done') return [];
  return facts.files
    .filter((name) => !known.has(name) && !isBetween(name) && !existsSync(join(dir, name)))
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
