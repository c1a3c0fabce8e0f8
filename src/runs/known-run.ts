// Everything that is known of a run, from its folder alone: what it says of itself, what it
// recorded, whether a process is at work on it.

import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { liveHolder, type Holder } from '../storage/lock.ts';
import { knownCheckpoints, type KnownCheckpoint } from './checkpoints.ts';
import type { RunFacts } from './facts.ts';
import { howItEnded } from './how-it-ended.ts';
import { lastSeen, presentSystem } from './last-seen.ts';
import { EARLIER_RUNS } from './run-folder.ts';
import { METRICS_FILE, readMetrics, type Metrics } from './metrics.ts';
import { readSettings, textSetting, type Settings } from './settings.ts';

export type Standing = 'running' | 'interrupted' | 'done' | 'diverged';

export interface KnownRun {
  readonly dir: string;
  readonly facts: RunFacts;
  /** What people call it: the adapter's name. */
  readonly name: string;
  /** It was moved to runs/ when another one began in its folder. */
  readonly earlier: boolean;
  readonly state: Standing;
  /** Why it is not done, where it could still say so. */
  readonly reason?: string;
  /** The process that is at work on it. */
  readonly holder?: Holder;
  readonly task: 'image' | 'text-generation';
  /** The base model as it was written. */
  readonly base?: string;
  /** The data as they were written. */
  readonly data: readonly string[];
  readonly settings: Settings;
  /** Steps done. */
  readonly step: number;
  readonly totalSteps?: number;
  /** Moving mean of the losses at the end. */
  readonly loss?: number;
  readonly metrics: Metrics;
  readonly checkpoints: readonly KnownCheckpoint[];
  /** Of all its files. */
  readonly bytes: number;
  /** When something last happened, in ms since 1970. */
  readonly at: number;
}

/** Reads what a folder with a run says. */
export function knownRun(dir: string, facts: RunFacts): KnownRun {
  const settings = readSettings(dir);
  const metrics = readMetrics(dir);
  const task = taskOf(facts, settings);
  const checkpoints = knownCheckpoints(dir, facts, metrics);
  const step = Math.max(0, ...stepsSeen(facts, metrics, checkpoints));
  const ended = endingOf(dir, facts, step);
  const base = facts.base ?? textSetting(settings, 'base_model');
  const holder = liveHolder(dir);
  const totalSteps = facts.plan?.totalSteps ?? ended.totalSteps;
  const loss = metrics.steps.at(-1)?.average ?? checkpoints.at(-1)?.loss;
  return {
    dir,
    facts,
    ...namesOf(dir, facts, settings),
    ...(holder === undefined
      ? { state: ended.state, ...(ended.reason !== undefined && { reason: ended.reason }) }
      : { state: 'running', holder }),
    task,
    ...(base !== undefined && { base }),
    data: facts.data.length > 0 ? facts.data : dataOf(settings),
    settings,
    step,
    ...(totalSteps !== undefined && { totalSteps }),
    ...(loss !== undefined && { loss }),
    metrics,
    checkpoints,
    bytes: bytesOf(dir, facts.files),
    at: lastTrace(dir, facts),
  };
}

/** The checkpoint whose weights the result has; else, where there is no result yet, the last. */
export const currentCheckpoint = ({ checkpoints }: KnownRun): KnownCheckpoint | undefined =>
  checkpoints.find(({ current }) => current) ?? checkpoints.at(-1);

export const bestCheckpoint = ({ checkpoints }: KnownRun): KnownCheckpoint | undefined =>
  checkpoints.find(({ best }) => best);

function namesOf(dir: string, { name, id }: RunFacts, settings: Settings) {
  const path = resolve(dir);
  const earlier = basename(dirname(path)) === EARLIER_RUNS && basename(path).startsWith(id);
  const folder = earlier ? dirname(dirname(path)) : path;
  return { earlier, name: name ?? textSetting(settings, 'output_name') ?? basename(folder) };
}

const taskOf = ({ task }: RunFacts, settings: Settings): KnownRun['task'] =>
  (task ?? settings.task_type) === 'text-generation' ? 'text-generation' : 'image';

function dataOf(settings: Settings): string[] {
  const sources: unknown = settings.train_data;
  const paths = Array.isArray(sources)
    ? sources.flatMap((source: unknown) =>
        typeof source === 'object' && source !== null && 'path' in source
          ? [String(source.path)]
          : [],
      )
    : [];
  const folder = textSetting(settings, 'train_data_dir');
  return paths.length > 0 ? paths : folder === undefined ? [] : [folder];
}

function stepsSeen(
  { starts }: RunFacts,
  { steps }: Metrics,
  checkpoints: readonly KnownCheckpoint[],
): number[] {
  const last = starts.at(-1);
  const counted = last?.ended?.step ?? steps.at(-1)?.step ?? checkpoints.at(-1)?.step ?? last?.step;
  return counted === undefined ? [] : [counted];
}

// ---- how it ended

interface Ending {
  readonly state: Exclude<Standing, 'running'>;
  readonly reason?: string;
  readonly totalSteps?: number;
}

/** Of a run that no process is at work on. */
function endingOf(dir: string, { starts, finished }: RunFacts, step: number): Ending {
  const last = starts.at(-1);
  if (last === undefined) return loggedEnding(dir, finished !== undefined);
  if (last.ended === undefined) {
    const seen = lastSeen(dir, last);
    const about = { ...seen, step: Math.max(seen.step, step) };
    const told = howItEnded(last, presentSystem(), about)?.what;
    return { state: 'interrupted', reason: told ?? unsaid.lost };
  }
  const { how, reason } = last.ended;
  const state = how === 'done' || how === 'diverged' ? how : 'interrupted';
  const said = reason ?? unsaid[how];
  return { state, ...(said !== undefined && { reason: said }) };
}

const unsaid = {
  done: undefined,
  diverged: undefined,
  stopped: 'stopped when asked to',
  failed: 'ended by an error',
  lost: 'its process ended without a word: it was killed, or the machine went off',
} as const;

const LOG_TAIL = 1 << 16;

/** Runs from before run.json told how they ended say it in the last lines of their log. */
function loggedEnding(dir: string, finished: boolean): Ending {
  const log = tail(join(dir, 'logs/train.log'));
  const end = [...log.matchAll(/ {2}(done|stopped) after step \d+ of (\d+)/g)].at(-1);
  const total = end?.[2] ?? [...log.matchAll(/ {2}step \d+\/(\d+)/g)].at(-1)?.[1];
  const totalSteps = total === undefined ? {} : { totalSteps: Number(total) };
  const error = [...log.matchAll(/training: ended by an error: (.*)/g)].at(-1)?.[1];
  if (finished && end?.[1] !== 'stopped') return { state: 'done', ...totalSteps };
  if (finished) return { state: 'interrupted', reason: unsaid.stopped, ...totalSteps };
  if (error === undefined) return { state: 'interrupted', reason: unsaid.lost, ...totalSteps };
  const isDiverged = /training stopped at step \d+: the \w+ became/.test(error);
  return { state: isDiverged ? 'diverged' : 'interrupted', reason: error, ...totalSteps };
}

function tail(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(-LOG_TAIL);
  } catch {
    return '';
  }
}

// ---- size and date

/** Of all files; those with two names count once. */
function bytesOf(dir: string, entries: readonly string[]): number {
  const seen = new Map<string, number>();
  const look = (path: string): void => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (found.isDirectory()) readdirSync(path).forEach((name) => look(join(path, name)));
    else seen.set(`${found.dev}:${found.ino}`, found.size);
  };
  for (const entry of entries) look(join(dir, entry));
  return [...seen.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** When something last happened. */
function lastTrace(dir: string, { started, finished, starts, checkpoints }: RunFacts): number {
  const dates = [started, finished, starts.at(-1)?.ended?.at, ...checkpoints.map(({ at }) => at)];
  const recorded = statSync(join(dir, METRICS_FILE), { throwIfNoEntry: false });
  const times = dates.flatMap((date) => (date === undefined ? [] : [Date.parse(date)]));
  const isOver = finished !== undefined || starts.at(-1)?.ended !== undefined;
  return Math.max(...times, ...(recorded === undefined || isOver ? [] : [recorded.mtimeMs]));
}
