// Whether a run goes on or begins: what lies in its folder, and whether the configuration fits it.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import { ConfigError, UserError, type Problem } from '../errors.ts';
import { readFacts, RUN_FILE, type RunFacts } from '../runs/facts.ts';
import { EARLIER_RUNS, RunFolder } from '../runs/run-folder.ts';
import { newestState, type RunState } from '../runs/run-state.ts';
import { readData, type RecordedData } from '../runs/samples.ts';
import { isObject } from '../util/is-object.ts';
import { changedSettings, type ChangedSetting } from './resume-rules.ts';

/**
 * auto: an interrupted run in output_dir goes on, else one begins. fresh: one begins. dry-run:
 * nothing is trained or written, the plan is told, and what the run would take. Otherwise the
 * run that is named goes on: by its folder, or by its id in output_dir.
 */
export type ResumeMode = 'auto' | 'fresh' | 'dry-run' | { readonly run: string };

/** A run that goes on. */
export interface TakenUp {
  /** Locked for this process. */
  readonly folder: RunFolder;
  /** As they were before this start. */
  readonly facts: RunFacts;
  /** Undefined where nothing was saved yet: it goes on from step 0. */
  readonly state: RunState | undefined;
  readonly data: RecordedData | undefined;
  readonly changed: readonly ChangedSetting[];
  readonly job: LoadedConfig;
}

export interface Outcome {
  readonly takenUp?: TakenUp;
  readonly warnings: readonly Problem[];
}

/**
 * Throws ConfigError where the configuration is that of another run, UserError where there is no
 * such run, another process works on it, or nothing of it can be read.
 */
export function takeUp(job: LoadedConfig, mode: ResumeMode): Outcome {
  if (mode === 'fresh') return { warnings: [] };
  if (mode === 'dry-run') return { warnings: ofWholeRun(job) };
  const isNamed = mode !== 'auto';
  const dir = isNamed ? namedRun(mode.run, job) : job.config.output_dir;
  if (!isNamed) {
    const { interrupted, warnings } = lookInto(dir);
    if (!interrupted) return { warnings };
  }
  return openRun(dir, isNamed ? withOutput(job, dir) : job);
}

/** Where an interrupted run would go on. */
function ofWholeRun({ config: { output_dir }, source }: LoadedConfig): Problem[] {
  if (!lookInto(output_dir).interrupted) return [];
  const what = `has an interrupted run, with which a training would go on; what is told here is of the whole run, from step 1`;
  return [{ where: placeOf('output_dir', source), what }];
}

function openRun(dir: string, job: LoadedConfig): Outcome {
  const folder = RunFolder.resume(dir);
  try {
    const { facts } = folder;
    const { state, damaged } = newestState(dir);
    const before = state?.settings ?? facts.settings ?? {};
    const dated = withTemplateDate(job, before);
    const changed = changedSettings(before, dated);
    const data = readData(dir);
    const takenUp = { folder, facts, state: forgiven(state, facts), data, changed, job: dated };
    return { takenUp, warnings: damaged.map(leftOut) };
  } catch (error) {
    folder.close();
    throw error;
  }
}

const leftOut = (problem: Problem): Problem => ({
  ...problem,
  fix: 'It is left out: the run goes on from the state before it, and computes the steps between them again.',
});

/** Whether the folder has a run that was cut short; damage that hides one is told. */
function lookInto(dir: string): {
  readonly interrupted: boolean;
  readonly warnings: readonly Problem[];
} {
  try {
    const facts = readFacts(dir);
    return { interrupted: facts !== undefined && isInterrupted(facts), warnings: [] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const fix = `The run in this folder cannot go on. A new one begins; what was there goes to ${EARLIER_RUNS}/.`;
    return { interrupted: false, warnings: error.problems.map((problem) => ({ ...problem, fix })) };
  }
}

/** Runs of earlier versions, which kept no state, have no starts. */
const isInterrupted = ({ starts, finished, leaving }: RunFacts): boolean =>
  starts.length > 0 && finished === undefined && leaving !== true;

/** After numbers that were not finite, the next start may skip as many steps as any. */
function forgiven(state: RunState | undefined, { starts }: RunFacts): RunState | undefined {
  const { optimiser } = state?.holders ?? {};
  if (state === undefined || starts.at(-1)?.ended?.how !== 'diverged' || !isObject(optimiser))
    return state;
  return { ...state, holders: { ...state.holders, optimiser: { ...optimiser, skipped: 0 } } };
}

/** The folder of a run that is named. */
function namedRun(name: string, { config: { output_dir }, source }: LoadedConfig): string {
  const isRun = (dir: string) => existsSync(join(dir, RUN_FILE));
  const earlier = join(output_dir, EARLIER_RUNS, name);
  if (isRun(name)) return resolve(name) === resolve(output_dir) ? output_dir : name;
  if (isRun(output_dir) && readFacts(output_dir)?.id === name) return output_dir;
  if (isRun(earlier)) return earlier;
  const folder = join(output_dir, EARLIER_RUNS);
  const others = existsSync(folder) ? readdirSync(folder) : [];
  const known = [...(isRun(output_dir) ? [output_dir] : []), ...others];
  const fix =
    known.length === 0
      ? `There is no run in ${output_dir}. Leave --resume out to begin one.`
      : `Runs there: ${known.join(', ')}.`;
  const where = placeOf('--resume', source);
  const what = `there is no run ${name}: neither a folder with ${RUN_FILE}, nor an id in ${output_dir}`;
  throw new ConfigError([{ where, what, fix }]);
}

const withOutput = (job: LoadedConfig, output_dir: string): LoadedConfig =>
  output_dir === job.config.output_dir ? job : withSettings(job, { output_dir });

/** The day that the run was begun on is its day. */
function withTemplateDate(
  job: LoadedConfig,
  { template_date }: Readonly<Record<string, unknown>>,
): LoadedConfig {
  const isOpen = job.config.template_date === undefined;
  return isOpen && typeof template_date === 'string' ? withSettings(job, { template_date }) : job;
}

export const withSettings = (job: LoadedConfig, settings: Partial<TrainConfig>): LoadedConfig => ({
  ...job,
  config: { ...job.config, ...settings },
  published: { ...job.published, ...settings },
});
