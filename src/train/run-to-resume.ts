// Which run `--resume` names: a folder, an id, a name, or something that lies in a run.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { LoadedConfig } from '../config/load.ts';
import { ConfigError, UserError, type Problem } from '../errors.ts';
import { readFacts, RUN_FILE } from '../runs/facts.ts';
import { EARLIER_RUNS } from '../runs/run-folder.ts';
import { namedRun } from '../runs/run-names.ts';
import { newestStep, stepOfState } from '../runs/run-state.ts';

const where = '--resume';
/** Words of other trainers for the newest state of the run in output_dir. */
const ofOutput = /^(true|yes|latest|last|newest|auto)$/i;

const isRun = (dir: string): boolean => existsSync(join(dir, RUN_FILE));

/**
 * The folder of the run that goes on. Throws ConfigError where there is none, or where an earlier
 * step than that of its newest state is named.
 */
export function runToResume(name: string, { config: { output_dir } }: LoadedConfig): string {
  if (name.trim() === '')
    throw new ConfigError([{ where, what: 'is empty; expected the folder or the id of a run' }]);
  if (isRun(name)) return resolve(name) === resolve(output_dir) ? output_dir : name;
  const earlier = join(output_dir, EARLIER_RUNS, name);
  if (isRun(earlier)) return earlier;
  const inOutput = isRun(output_dir) ? output_dir : undefined;
  if (inOutput !== undefined && (ofOutput.test(name) || readFacts(inOutput)?.id === name))
    return inOutput;
  const found = existsSync(name) ? placeInRun(name) : checkpointOf(name, output_dir);
  if (found === undefined)
    throw new ConfigError([existsSync(name) ? foreign(name) : unknown(name, output_dir)]);
  return newestOf(name, found, output_dir);
}

interface Found {
  readonly dir: string;
  /** Where something of one step was named. */
  readonly step?: number;
}

/** The run that a file or folder lies in. */
function placeInRun(path: string): Found | undefined {
  const above = [dirname(resolve(path)), dirname(dirname(resolve(path)))];
  const dir = above.find(isRun);
  if (dir === undefined) return undefined;
  return { dir, step: stepOfState(path) ?? checkpointOf(path, dir)?.step };
}

/** What a name, or a name with a checkpoint behind an `@`, stands for below `from`. */
function checkpointOf(text: string, from: string): Found | undefined {
  try {
    const { run, checkpoint } = namedRun(text, existsSync(from) ? from : '.');
    return { dir: run.dir, step: checkpoint?.step };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return undefined;
  }
}

/** A run goes on from its newest state alone; from another step a new one begins. */
function newestOf(name: string, { dir, step }: Found, output_dir: string): string {
  const known = resolve(dir) === resolve(output_dir) ? output_dir : dir;
  const newest = newestStep(dir);
  if (step === undefined || step === newest || newest === undefined) return known;
  const what = `${name} is of step ${step}, and a run goes on from its newest state alone: that of step ${newest}`;
  const fix = `--resume ${known} goes on from step ${newest}. To train on from step ${step}, begin a new run with its weights: --fresh --continue-from ${known}@${step}.`;
  throw new ConfigError([{ where, what, fix }]);
}

function foreign(path: string): Problem {
  const what = `${path} is not a run of lora-scripts, nor in one (${RUN_FILE} says what is): states of other trainers are not read`;
  const fix = `To begin a new run with the weights of an adapter: --continue-from ${path}.`;
  return { where, what, fix };
}

function unknown(name: string, output_dir: string): Problem {
  const folder = join(output_dir, EARLIER_RUNS);
  const others = existsSync(folder) ? readdirSync(folder) : [];
  const known = [...(isRun(output_dir) ? [output_dir] : []), ...others];
  const fix =
    known.length === 0
      ? `There is no run in ${output_dir}. Leave --resume out to begin one.`
      : `Runs there: ${known.join(', ')}.`;
  const what = `there is no run ${name}: neither a folder with ${RUN_FILE}, nor an id in ${output_dir}`;
  return { where, what, fix };
}
