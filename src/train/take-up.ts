// Whether a run goes on or begins: what lies in its folder, and whether the configuration fits it.

import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import { ConfigError, UserError, type Problem } from '../errors.ts';
import { readFacts, RUN_FILE, type RunFacts } from '../runs/facts.ts';
import { EARLIER_RUNS, RunFolder } from '../runs/run-folder.ts';
import { newestState, newestStep, stateGone, type RunState } from '../runs/run-state.ts';
import { foundData, type RecordedData } from '../runs/samples.ts';
import { isObject } from '../util/is-object.ts';
import { plural } from '../util/plural.ts';
import {
  changedSettings,
  differingSettings,
  isDifferent,
  resumeRules,
  type ChangedSetting,
} from './resume-rules.ts';
import { runToResume } from './run-to-resume.ts';

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
  const dir = isNamed ? runToResume(mode.run, job) : job.config.output_dir;
  if (!isNamed) {
    const { interrupted, done, warnings } = lookInto(dir);
    if (done !== undefined) requireSaid(done, job);
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
    const reached = stepReached(facts);
    if (state === undefined && reached > 0) throw stateGone(dir, reached);
    const before = state?.settings ?? facts.settings ?? {};
    const dated = withTemplateDate(job, before);
    const changed = changedSettings(before, dated);
    const data = foundData(dir);
    const takenUp: TakenUp = {
      ...{ folder, facts, changed, job: dated },
      state: forgiven(state, facts),
      data: data?.value,
    };
    const copied = [folder.damage, data?.damage].flatMap((problem) => problem ?? []);
    return { takenUp, warnings: [...copied, ...damaged.map(leftOut)] };
  } catch (error) {
    folder.close();
    throw error;
  }
}

const leftOut = (problem: Problem): Problem => ({
  ...problem,
  fix: 'It is left out: the run goes on from the state before it, and computes the steps between them again.',
});

/** The last step that run.json tells of. */
const stepReached = ({ checkpoints, starts }: RunFacts): number =>
  Math.max(
    0,
    ...checkpoints.map(({ step }) => step),
    ...starts.map(({ step, ended }) => ended?.step ?? step),
  );

interface LookedInto {
  readonly interrupted: boolean;
  /** The run in the folder, where it is not to be continued by itself. */
  readonly done?: RunFacts;
  readonly warnings: readonly Problem[];
}

/** Whether the folder has a run that was cut short; what else lies there is told. */
function lookInto(dir: string): LookedInto {
  try {
    const facts = readFacts(dir);
    if (facts === undefined) return { interrupted: false, warnings: withoutRun(dir) };
    if (isInterrupted(facts)) return { interrupted: true, warnings: [] };
    const warnings = facts.leaving === true ? [] : [replaced(dir, facts)];
    return { interrupted: false, done: facts, warnings };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const fix = `The run in this folder cannot go on. A new one begins; what was there goes to ${EARLIER_RUNS}/.`;
    return { interrupted: false, warnings: error.problems.map((problem) => ({ ...problem, fix })) };
  }
}

/** Runs of earlier versions, which kept no state, have no starts. */
const isInterrupted = ({ starts, finished, leaving }: RunFacts): boolean =>
  starts.length > 0 && finished === undefined && leaving !== true;

/** States whose run.json is missing: somebody copied a part of the folder. */
function withoutRun(dir: string): Problem[] {
  const step = newestStep(dir);
  if (step === undefined) return [];
  const what = `there is the state of a run at step ${step}, but no ${RUN_FILE}, without which it cannot go on`;
  const fix = `Stop, put ${RUN_FILE} back and start again, if there is one. A new run begins; what was there goes to ${EARLIER_RUNS}/.`;
  return [{ where: dir, what, fix }];
}

/** The run that a new one takes the place of. */
function replaced(where: string, { id, finished, plan }: RunFacts): Problem {
  const went = `a new one begins, and that one goes to ${EARLIER_RUNS}/${id}`;
  if (finished === undefined)
    return {
      where,
      what: `has a run of an earlier version, which kept no state to go on from: ${went}`,
      fix: 'continue_from begins a run with its weights.',
    };
  const steps = plan === undefined ? '' : ` after ${plural(plan.totalSteps, 'step')}`;
  const fix = `To make that one longer instead: --resume ${where}, with more epochs or max_train_steps.`;
  return { where, what: `has a run that is done${steps}: ${went}`, fix };
}

/** Keys that say how long a run is. */
const lengths = ['max_train_steps', 'epochs'] as const;
/** Keys that make it another run where they are written otherwise. */
const sources = ['base_model', 'train_data_dir', 'train_data'] as const;

/**
 * The same run, but longer: it may be meant to go on, or to begin anew. Throws ConfigError, asking
 * which.
 */
function requireSaid({ settings, plan, finished }: RunFacts, job: LoadedConfig): void {
  if (settings === undefined || plan === undefined || finished === undefined) return;
  const { epochs, max_train_steps, output_dir } = job.published;
  const total = max_train_steps ?? epochs * plan.stepsPerEpoch;
  const differing = differingSettings(settings, withTemplateDate(job, settings));
  const isOther =
    differing.some(({ key }) => resumeRules[key] === 'fixed') ||
    sources.some((key) => isDifferent(settings[key], job.published[key]));
  if (isOther || total <= plan.totalSteps) return;
  const key = lengths.find((one) => job.source.given.has(one)) ?? 'epochs';
  const what = `${total} steps, and the run in ${output_dir} is done after ${plan.totalSteps}: whether it is to go on or a new one is to begin is not said`;
  const fix = `Add --resume ${output_dir} to go on with it from step ${plan.totalSteps}, or --fresh to begin a new one (the other is kept in ${EARLIER_RUNS}/). New data are trained with continue_from.`;
  throw new ConfigError([{ where: placeOf(key, job.source), what, fix }]);
}

/** After numbers that were not finite, the next start may skip as many steps as any. */
function forgiven(state: RunState | undefined, { starts }: RunFacts): RunState | undefined {
  const { optimiser } = state?.holders ?? {};
  if (state === undefined || starts.at(-1)?.ended?.how !== 'diverged' || !isObject(optimiser))
    return state;
  return { ...state, holders: { ...state.holders, optimiser: { ...optimiser, skipped: 0 } } };
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
