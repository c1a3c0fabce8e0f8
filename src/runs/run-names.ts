// What people call a run and its checkpoints: a folder, an id, a name, the beginning of an id;
// `@` and a step, a tag, or a word for one.

import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { UserError, type Problem } from '../errors.ts';
import { suggest } from '../util/suggest.ts';
import type { KnownCheckpoint } from './checkpoints.ts';
import { readFacts, RUN_FILE } from './facts.ts';
import { findRuns, type FoundRuns } from './find-runs.ts';
import { bestCheckpoint, currentCheckpoint, knownRun, type KnownRun } from './known-run.ts';

export interface NamedRun {
  readonly run: KnownRun;
  /** Where one was named: `brand@400`. */
  readonly checkpoint?: KnownCheckpoint;
}

/** Words behind `@` that are no tags. */
export const CHECKPOINT_WORDS = ['best', 'current', 'last'] as const;

/**
 * The run that is called `text`; names and ids are looked for below `from`. Throws UserError where
 * there is none, or several.
 */
export function namedRun(text: string, from = '.'): NamedRun {
  const whole = atPath(text);
  if (whole !== undefined) return whole;
  const at = text.lastIndexOf('@');
  if (at < 0) return { run: called(text, from) };
  const run = atPath(text.slice(0, at))?.run ?? called(text.slice(0, at), from);
  return { run, checkpoint: checkpointCalled(run, text.slice(at + 1)) };
}

/** As `namedRun`; the checkpoint is the current one where none was named. Throws UserError. */
export function namedCheckpoint(text: string, from = '.'): Required<NamedRun> {
  const { run, checkpoint = currentCheckpoint(run) } = namedRun(text, from);
  if (checkpoint !== undefined) return { run, checkpoint };
  throw new UserError([{ where: run.dir, what: 'has no adapter: nothing was saved yet' }]);
}

/**
 * The runs that are called `texts`, each by a name or by a folder with runs in it; without any, all
 * below `from`. Throws UserError for what is neither.
 */
export function namedRuns(texts: readonly string[], from = '.'): FoundRuns {
  if (texts.length === 0) return findRuns([from]);
  const found = texts.map((text) => runsIn(text) ?? alone(namedRun(text, from).run));
  return {
    runs: [
      ...new Map(found.flatMap(({ runs }) => runs).map((run) => [resolve(run.dir), run])).values(),
    ],
    problems: found.flatMap(({ problems }) => problems),
    leftovers: [...new Set(found.flatMap(({ leftovers }) => leftovers))],
  };
}

const alone = (run: KnownRun): FoundRuns => ({ runs: [run], problems: [], leftovers: [] });

/** Of a folder that is no run itself; undefined where there is nothing of a run in it. */
function runsIn(folder: string): FoundRuns | undefined {
  if (atPath(folder) !== undefined || !isFolder(folder)) return undefined;
  const found = findRuns([folder]);
  return found.runs.length + found.leftovers.length > 0 ? found : undefined;
}

const isFolder = (path: string): boolean =>
  path !== '' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

// ---- by its place

/** A run's folder, or something in it; undefined where there is no such file or folder. */
function atPath(path: string): NamedRun | undefined {
  if (path === '' || !existsSync(path)) return undefined;
  const facts = isFolder(path) ? readFacts(path) : undefined;
  if (facts !== undefined) return { run: knownRun(path, facts) };
  const inside = insideRun(path);
  if (inside !== undefined) return inside;
  // a name may also be that of a folder: `output`
  return undefined;
}

/** A file of a checkpoint, or its folder. */
function insideRun(path: string): NamedRun | undefined {
  for (const dir of [dirname(resolve(path)), dirname(dirname(resolve(path)))]) {
    const facts = existsSync(join(dir, RUN_FILE)) ? readFacts(dir) : undefined;
    if (facts === undefined) continue;
    const run = knownRun(relative('.', dir) || '.', facts);
    const name = relative(dir, resolve(path)).split(sep).join('/');
    const checkpoint = run.checkpoints.find(({ saved }) =>
      saved.some(({ files }) =>
        files.some((file) => file.name === name || file.name.startsWith(`${name}/`)),
      ),
    );
    return checkpoint === undefined ? undefined : { run, checkpoint };
  }
  return undefined;
}

// ---- by its name

function called(text: string, from: string): KnownRun {
  const { runs, problems } = findRuns([from]);
  const found = meant(text, runs);
  if (found.length === 1) return found[0];
  if (text === '')
    throw new UserError([{ where: '""', what: 'names no run', fix: 'lora runs lists them.' }]);
  throw new UserError([found.length === 0 ? unknown(text, runs, problems) : several(text, found)]);
}

/** The whole id first, then the name, then the beginning of an id. */
function meant(text: string, runs: readonly KnownRun[]): readonly KnownRun[] {
  const byId = runs.filter(({ facts }) => facts.id === text);
  if (byId.length > 0) return byId;
  const byName = runs.filter(({ name }) => name === text);
  // the latest of a folder goes by its name, the earlier ones by their ids
  const latest = byName.filter(({ earlier }) => !earlier);
  if (byName.length > 0) return latest.length > 0 ? latest : byName;
  return text === '' ? [] : runs.filter(({ facts }) => facts.id.startsWith(text));
}

function several(text: string, found: readonly KnownRun[]): Problem {
  const listed = found.slice(0, 5).map(({ facts, dir }) => `${facts.id} in ${dir}`);
  const more = found.length > 5 ? `, and ${found.length - 5} more` : '';
  const isOneId = new Set(found.map(({ facts }) => facts.id)).size === 1;
  return {
    where: text,
    what: `may be any of ${found.length} runs: ${listed.join(', ')}${more}`,
    fix: `Write ${isOneId ? '' : 'more of the id, or '}the folder: ${found[0].dir}.`,
  };
}

function unknown(text: string, runs: readonly KnownRun[], problems: readonly Problem[]): Problem {
  const folder = existsSync(text) ? 'the folder has no run in it' : 'there is no such run';
  const what = `${folder}${problems.length > 0 ? `; ${problems[0].where} ${problems[0].what}` : ''}`;
  const inside = runsIn(text)?.runs.map(({ dir }) => dir) ?? [];
  if (inside.length > 0) {
    const shown = `${inside.slice(0, 6).join(', ')}${inside.length > 6 ? ' …' : ''}`;
    return {
      where: text,
      what: 'is a folder with runs in it, not a run',
      fix: `Name one: ${shown}.`,
    };
  }
  if (runs.length === 0) {
    const fix = 'No run lies below the current folder: name the folder of a run.';
    return { where: text, what, fix };
  }
  const names = [...new Set(runs.flatMap(({ name, facts }) => [name, facts.id]))];
  const nearest = suggest(text, names);
  const fix =
    nearest === undefined
      ? `lora runs lists them: ${names.slice(0, 6).join(', ')}${names.length > 6 ? ' …' : ''}.`
      : `Did you mean ${nearest}?`;
  return { where: text, what, fix };
}

// ---- a checkpoint

/** The checkpoint of a run called `text`: a step, a tag, `best`, `current` or `last`. */
function checkpointCalled(run: KnownRun, text: string): KnownCheckpoint {
  const { checkpoints } = run;
  if (checkpoints.length === 0)
    throw new UserError([{ where: run.dir, what: 'has no checkpoints: nothing was saved yet' }]);
  const step = /^(?:step-?)?0*(\d+)$/i.exec(text)?.[1];
  const found =
    step === undefined ? byWord(run, text) : checkpoints.find((one) => one.step === Number(step));
  if (found !== undefined) return found;
  throw new UserError([noCheckpoint(run, text)]);
}

function byWord(run: KnownRun, text: string): KnownCheckpoint | undefined {
  if (text === 'best') return bestCheckpoint(run);
  if (text === 'current') return currentCheckpoint(run);
  if (text === 'last') return run.checkpoints.at(-1);
  return run.checkpoints.find(({ tags }) => tags.includes(text));
}

function noCheckpoint(run: KnownRun, text: string): Problem {
  const where = `${run.name}@${text}`;
  if (text === 'best')
    return {
      where,
      what: 'nobody knows which one is best: nothing was held back to validate on',
      fix: 'Train with validation_split or validation_data, or name a step.',
    };
  const tags = run.checkpoints.flatMap((one) => one.tags);
  const steps = run.checkpoints.map((one) => one.step);
  const nearest = /^\d+$/.test(text)
    ? [...steps].sort((a, b) => Math.abs(a - Number(text)) - Math.abs(b - Number(text)))[0]
    : suggest(text, [...tags, ...CHECKPOINT_WORDS]);
  const all = [...steps.map(String), ...tags].join(', ');
  return {
    where,
    what: `there is no such checkpoint; there are ${all}`,
    fix: nearest === undefined ? `Write ${run.name}@${steps[0]}.` : `Did you mean @${nearest}?`,
  };
}
