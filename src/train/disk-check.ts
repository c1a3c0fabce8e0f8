// Whether the files of a run have room on their disk.

import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import { SystemError, type Problem } from '../errors.ts';
import { byteSize } from '../util/byte-size.ts';

/** Names, shapes and metadata of a file; the log and the records of a step. */
const OVERHEAD = { file: 64 * 2 ** 10, step: 700 };
/** States of a run on the disk at a time: the newest, the one before, one being written. */
const STATES = 3;
/** A weight and its moments in a state, in bytes. */
const STATE_BYTES = 12;

const BYTES: { readonly [P in TrainConfig['save_precision']]: number } = {
  float16: 2,
  bfloat16: 2,
  float32: 4,
};

export interface DiskNeed {
  /** Of one checkpoint. */
  readonly checkpoint: number;
  /** Of everything else. */
  readonly rest: number;
  readonly checkpoints: number;
}

/** What a run writes into its folder, in bytes. */
export function diskNeed(
  { save_steps, save_precision }: Pick<TrainConfig, 'save_steps' | 'save_precision'>,
  { parameters, stepsLeft }: { readonly parameters: number; readonly stepsLeft: number },
): DiskNeed {
  const checkpoint = parameters * BYTES[save_precision] + OVERHEAD.file;
  return {
    checkpoint,
    checkpoints: save_steps > 0 ? Math.floor(stepsLeft / save_steps) : 0,
    rest: checkpoint + STATES * STATE_BYTES * parameters + stepsLeft * OVERHEAD.step,
  };
}

/**
 * Throws SystemError where the disk of the run's folder has no room for its files, with a
 * save_steps that would. `free`: bytes; undefined where the system does not tell.
 */
export function requireDisk(
  { config, source }: LoadedConfig,
  need: { readonly parameters: number; readonly stepsLeft: number },
  free: number | undefined = freeBytes(config.output_dir),
): void {
  const { checkpoint, checkpoints, rest } = diskNeed(config, need);
  const all = rest + checkpoint * checkpoints;
  if (free === undefined || all <= free) return;
  const many = checkpoints > 0 ? ` with ${checkpoints} checkpoints of ${byteSize(checkpoint)}` : '';
  const what = `this run writes about ${byteSize(all)}${many}, and the disk of output_dir has ${byteSize(free)} left`;
  const where = placeOf(checkpoints > 0 ? 'save_steps' : 'output_dir', source);
  const most = Math.floor((free - rest) / checkpoint);
  throw new SystemError([{ where, what, fix: fixOf(most, checkpoints, need.stepsLeft) }]);
}

function fixOf(most: number, checkpoints: number, stepsLeft: number): Problem['fix'] {
  const other = 'Free some space, or choose an output_dir on another disk.';
  if (checkpoints === 0 || most < 0) return other;
  const steps = most === 0 ? 0 : Math.ceil(stepsLeft / (most + 1));
  const fitting = steps === 0 ? 'save_steps: 0' : `save_steps: ${steps} or more`;
  return `${fitting} would fit. ${other}`;
}

/** On the disk of a folder that may not be there yet. */
function freeBytes(folder: string): number | undefined {
  const path = resolve(folder);
  if (!existsSync(path)) return dirname(path) === path ? undefined : freeBytes(dirname(path));
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
