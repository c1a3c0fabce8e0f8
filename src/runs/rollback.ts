// Taking a run back: an earlier checkpoint becomes its result, and the newer one stays beside it.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { modelHash } from '../adapter-files/hashes.ts';
import { UserError, type Problem } from '../errors.ts';
import { hashFile } from '../storage/hash-file.ts';
import { attempt, writeFilesTogether, type FileContent } from '../storage/write-file.ts';
import { changeRun, type RunChange } from './change-run.ts';
import { betweenName, savedAdapters, type SavedAdapter, type SavedFile } from './checkpoints.ts';
import type { Checkpoint, RunFacts } from './facts.ts';
import { knownRun, type KnownRun } from './known-run.ts';

export interface Rollback {
  /** The step of the result now, and before, where there was one. */
  readonly step: number;
  readonly before?: number;
  /** Names of the result's files. */
  readonly files: readonly string[];
  /** Where the weights that were the result lie now. */
  readonly kept: readonly string[];
}

/**
 * Makes the checkpoint of `step` the result of a run; what was the result is kept as a checkpoint.
 * Goes forward in the same way. Throws UserError where a process is at work on the run, where the
 * checkpoint is damaged, or where the result is damaged and nothing has its weights.
 */
export function rollBack({ dir }: Pick<KnownRun, 'dir'>, step: number): Rollback {
  return changeRun(dir, (change) => {
    const run = knownRun(dir, change.facts);
    const saved = run.checkpoints.flatMap((one) => one.saved);
    const from = saved.find((one) => one.step === step && !one.final);
    const result = saved.find(({ final }) => final);
    if (result?.step === step) return unchanged(result);
    if (from === undefined) throw new UserError([noFiles(run, step)]);
    requireWhole(dir, from);
    const files = resultNames(run, result, from);
    const pairs = from.files.flatMap((file) => files(file).map((name) => [name, file] as const));
    requireOwn(run, pairs);
    const kept = keepResult(change, run, result);
    record(change, { run, from, pairs, kept });
    copyTogether(dir, pairs);
    return {
      step,
      ...(result !== undefined && { before: result.step }),
      files: pairs.map(([name]) => name),
      kept: kept?.files.map(({ name }) => name) ?? [],
    };
  });
}

const unchanged = ({ step, files }: SavedAdapter): Rollback => ({
  step,
  before: step,
  files: files.map(({ name }) => name),
  kept: [],
});

const noFiles = ({ name }: KnownRun, step: number): Problem => ({
  where: `${name}@${step}`,
  what: 'has no files of its own',
});

// ---- what was the result stays

/** The checkpoint that has the weights of the result, made where there is none. */
function keepResult(
  change: RunChange,
  run: KnownRun,
  result: SavedAdapter | undefined,
): SavedAdapter | undefined {
  const { dir } = change;
  if (result === undefined || result.files.every(({ name }) => !existsSync(join(dir, name))))
    return undefined;
  const there = run.checkpoints
    .flatMap(({ saved }) => saved)
    .find((one) => !one.final && one.step === result.step && damageOf(dir, one) === undefined);
  if (there !== undefined) return there;
  const files = keptFiles(run, result);
  requireWhole(dir, { ...result, files });
  const pairs = files.map((file) => [betweenName(file.name, result.step, run.task), file] as const);
  const entries = pairs.map(([name]) => name.split('/')[0]);
  change.record({ files: [...new Set([...change.facts.files, ...entries])] });
  copyTogether(dir, pairs);
  return { ...result, final: false, files: pairs.map(([name, file]) => ({ ...file, name })) };
}

/** Of pictures one file is enough: the other one has the same bytes. */
const keptFiles = ({ task }: KnownRun, { files }: SavedAdapter): readonly SavedFile[] =>
  task === 'image' ? files.slice(0, 1) : files;

/** The names under which a file of a checkpoint is the result. */
function resultNames(
  run: KnownRun,
  result: SavedAdapter | undefined,
  from: SavedAdapter,
): (file: SavedFile) => readonly string[] {
  if (run.task === 'text-generation') return ({ name }) => [basename(name)];
  const own = from.files[0].name.replace(/-step\d+\.safetensors$/, '.safetensors');
  const names = result?.files.map(({ name }) => name) ?? [own, 'pytorch_lora_weights.safetensors'];
  return () => names;
}

/** Throws UserError where a file that the run did not write has the name of a result. */
function requireOwn({ dir, facts }: KnownRun, pairs: readonly Pair[]): void {
  const problems = pairs
    .filter(([name]) => !facts.files.includes(name) && existsSync(join(dir, name)))
    .map(([name]): Problem => ({
      where: join(dir, name),
      what: 'is not of this run, and has the name that its result would get',
      fix: 'Move it away, and try again.',
    }));
  if (problems.length > 0) throw new UserError(problems);
}

// ---- files

/** Throws UserError where a file is missing or has changed since it was saved. */
function requireWhole(dir: string, saved: SavedAdapter): void {
  const damage = damageOf(dir, saved);
  if (damage !== undefined) throw new UserError([damage]);
}

/** What is wrong with the first file that is not as it was saved. */
function damageOf(dir: string, { files }: SavedAdapter): Problem | undefined {
  for (const file of files) {
    const what = faultOf(join(dir, file.name), file);
    if (what !== undefined) return { where: join(dir, file.name), what, fix: ELSEWHERE };
  }
  return undefined;
}

const ELSEWHERE = 'Name another checkpoint, or copy the file back from a backup.';

/** What is wrong with a file; undefined where it has the bytes that were saved. */
export function faultOf(path: string, { bytes, sha256 }: Omit<SavedFile, 'name'>) {
  if (!existsSync(path)) return 'is missing';
  const found = attempt(path, () => hashFile(path));
  if (found.bytes !== bytes) return `has ${found.bytes} bytes; ${bytes} were saved`;
  if (sha256 === undefined || found.sha256 === sha256) return undefined;
  return 'has changed since it was saved: its hash is another one';
}

type Pair = readonly [name: string, file: SavedFile];

/** All or none. What is copied is what was checked. */
function copyTogether(dir: string, pairs: readonly Pair[]): void {
  const contents = pairs.map(([name, file]): [string, FileContent] => [
    join(dir, name),
    attempt(join(dir, file.name), () => readFileSync(join(dir, file.name))),
  ]);
  writeFilesTogether(new Map(contents));
}

// ---- run.json, before the files: what a crash leaves undone is then known, and done again

interface Decision {
  readonly run: KnownRun;
  readonly from: SavedAdapter;
  readonly pairs: readonly Pair[];
  readonly kept: SavedAdapter | undefined;
}

function record(change: RunChange, { run, from, pairs, kept }: Decision): void {
  const { dir, facts } = change;
  const between = savedAdapters(dir, facts, run.metrics).filter(({ final }) => !final);
  const others = between.filter(({ step }) => step !== kept?.step);
  const result = {
    ...from,
    final: true,
    files: pairs.map(([name, file]) => ({ ...file, name })),
  };
  const all = [...others, ...(kept === undefined ? [] : [kept]), result];
  const last = Math.max(...all.map(({ step }) => step));
  change.record({
    checkpoints: all.sort((a, b) => a.step - b.step).map((one) => hashed(dir, one, pairs)),
    current: from.step === last ? undefined : from.step,
    files: [...new Set([...facts.files, ...pairs.map(([name]) => name)])],
  });
}

/** With the hashes and the date that a run from before they were recorded lacks. */
function hashed(dir: string, one: SavedAdapter, pairs: readonly Pair[]): Checkpoint {
  const source = (name: string) =>
    one.final ? (pairs.find(([to]) => to === name)?.[1].name ?? name) : name;
  const files = one.files.map((file) => ({
    ...file,
    sha256: file.sha256 ?? hashFile(join(dir, source(file.name))).sha256,
  }));
  return { ...one, at: one.at ?? dateOf(join(dir, source(one.files[0].name))), files };
}

const dateOf = (path: string): string => statSync(path).mtime.toISOString();

/**
 * Finishes what a crash cut short between run.json and the files. Returns the names of the files
 * that were put right.
 */
export function finishRollback(change: RunChange): readonly string[] {
  const { dir, facts } = change;
  const wanted = facts.checkpoints.find(({ final }) => final);
  if (wanted === undefined) return [];
  const pairs = wanted.files.flatMap((file): Pair[] => {
    const source = sourceOf(dir, facts, file);
    return source === undefined ? [] : [[file.name, source]];
  });
  copyTogether(dir, pairs);
  return pairs.map(([name]) => name);
}

/**
 * The checkpoint's file that a file of the result is to have the bytes of, where it is not there or
 * its weights are those of another checkpoint, and nothing is lost.
 */
function sourceOf(
  dir: string,
  { checkpoints }: RunFacts,
  file: Checkpoint['files'][number],
): SavedFile | undefined {
  const path = join(dir, file.name);
  const isThere = existsSync(path);
  if (isThere && hashFile(path).sha256 === file.sha256) return undefined;
  const between = checkpoints.filter(({ final }) => !final).flatMap(({ files }) => files);
  const whole = between.filter((one) => faultOf(join(dir, one.name), one) === undefined);
  const isKept =
    !isThere || whole.some(({ name }) => weightsOf(join(dir, name)) === weightsOf(path));
  return isKept ? whole.find(({ sha256 }) => sha256 === file.sha256) : undefined;
}

/** A hash of what counts: the metadata of a result name the moment at which it was written. */
function weightsOf(path: string): string {
  const bytes = readFileSync(path);
  const isWeights = path.endsWith('.safetensors') && bytes.length > SHORTEST;
  return isWeights ? modelHash(bytes) : hashFile(path).sha256;
}

/** A safetensors file begins with the length of its header. */
const SHORTEST = 8;
