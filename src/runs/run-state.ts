// The state of a run: all that its steps have changed, in one file that is whole or not there. A
// run that goes on from it computes what it would have computed without a stop.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, type Problem } from '../errors.ts';
import { attempt } from '../storage/write-file.ts';
import { dataOffset, deserialize, serialize } from '../tensor/safetensors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { jsonObject } from '../util/own.ts';

export interface RunState {
  /** Steps done. */
  readonly step: number;
  /** Weights and moments. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** What each holder saved that is not a tensor, by its name. */
  readonly holders: Readonly<Record<string, unknown>>;
  /** The configuration of the step, its paths as they were written. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Bytes that the run's records had, by file. */
  readonly records: Readonly<Record<string, number>>;
}

const KEY = 'lora_scripts_state';
const FORMAT = 1;

const described = z.strictObject({
  format: z.literal(FORMAT),
  step: z.int().nonnegative(),
  holders: jsonObject,
  settings: jsonObject,
  records: jsonObject,
});

/** A safetensors file; its metadata has what is not a tensor, and a hash over everything. */
export function encodeState({ tensors, ...rest }: RunState): Uint8Array {
  const text = JSON.stringify({ format: FORMAT, ...rest });
  const bare = serialize(tensors);
  const sha256 = hashOf(text, bare.subarray(dataOffset(bare)));
  return serialize(tensors, { [KEY]: text, sha256 });
}

/** Throws CheckpointError where the file is cut short, damaged, or of another kind. */
export function decodeState(bytes: Uint8Array, path: string): RunState {
  const { metadata, tensors } = deserialize(bytes, path);
  if (hashOf(metadata[KEY], bytes.subarray(dataOffset(bytes))) !== metadata['sha256'])
    throw damaged(path, 'its bytes are not those that were written');
  const parsed = described.safeParse(JSON.parse(metadata[KEY]));
  if (!parsed.success) throw damaged(path, parsed.error.issues[0].message);
  const { step, holders, settings, records } = parsed.data;
  return { step, tensors, holders, settings, records: records as RunState['records'] }; // hashed: ours
}

const hashOf = (text: string | undefined, data: Uint8Array): string =>
  createHash('sha256')
    .update(text ?? '')
    .update(data)
    .digest('hex');

const damaged = (path: string, why: string): CheckpointError =>
  new CheckpointError([{ where: path, what: `is no state of a run that can be used: ${why}` }]);

// ---- in the run's folder

/** The newest states lie in here, by step. */
const STATE_FOLDER = 'state';
/** So many are kept: where the newest is damaged, the run goes on from the one before. */
const KEPT = 2;

export const stateName = (step: number): string =>
  `${STATE_FOLDER}/step-${String(step).padStart(8, '0')}.safetensors`;

/** Names of the states, the newest first. */
function stateNames(dir: string): string[] {
  const folder = join(dir, STATE_FOLDER);
  if (!existsSync(folder)) return [];
  return attempt(folder, () => readdirSync(folder))
    .filter((name) => STATE_NAME.test(name))
    .sort()
    .reverse()
    .map((name) => `${STATE_FOLDER}/${name}`);
}

/** The name of a state's file. */
const STATE_NAME = /^step-(\d{8,})\.safetensors$/;

/** The step of a state by the name of its file; undefined of other files. */
export function stepOfState(path: string): number | undefined {
  const [, step] = STATE_NAME.exec(basename(path)) ?? [];
  return step === undefined ? undefined : Number(step);
}

/** The newest step that there is a state of. */
export function newestStep(dir: string): number | undefined {
  const [newest] = stateNames(dir);
  return newest === undefined ? undefined : stepOfState(newest);
}

/** States that are not needed any more; of a run that is done, all but the last. */
export const outdatedStates = (dir: string, isDone: boolean): string[] =>
  stateNames(dir).slice(isDone ? 1 : KEPT);

/** What is wrong with the states of a run. */
export const stateProblems = (dir: string): readonly Problem[] =>
  stateNames(dir).flatMap((name): readonly Problem[] => {
    const path = join(dir, name);
    try {
      decodeState(readFileSync(path), path);
      return [];
    } catch (error) {
      if (error instanceof CheckpointError) return error.problems;
      throw error;
    }
  });

export interface FoundState {
  /** Undefined where none was saved yet. */
  readonly state?: RunState;
  /** Of newer ones that are damaged; they are gone now. */
  readonly damaged: readonly Problem[];
}

/**
 * The newest state that is whole. Throws CheckpointError where there are some and all are damaged.
 */
export function newestState(dir: string): FoundState {
  const problems: Problem[] = [];
  const unusable: string[] = [];
  for (const path of stateNames(dir).map((name) => join(dir, name))) {
    try {
      const state = decodeState(readFileSync(path), path);
      for (const one of unusable) rmSync(one, { force: true });
      return { state, damaged: problems };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      unusable.push(path);
      problems.push(...error.problems);
    }
  }
  if (problems.length === 0) return { damaged: [] };
  throw new CheckpointError(problems.map((problem) => ({ ...problem, fix: WITHOUT_STATE })));
}

const WITHOUT_STATE =
  'Begin a new run with --fresh; continue_from gives it the weights of the last adapter that was saved.';

/** Of a run that had come to a step whose state somebody has removed since. */
export const stateGone = (dir: string, step: number): CheckpointError =>
  new CheckpointError([
    {
      where: join(dir, STATE_FOLDER),
      what: `there is no state any more, though the run had come to step ${step}: it cannot go on`,
      fix: `Put the folder back, if there is a copy. ${WITHOUT_STATE}`,
    },
  ]);
