// Removing runs, and checkpoints that are not needed any more.

import { basename, dirname } from 'node:path';
import { UserError } from '../errors.ts';
import { changeRun, removeEmpty, type RunChange } from './change-run.ts';
import type { KnownCheckpoint } from './checkpoints.ts';
import { savedAdapters } from './checkpoints.ts';
import { currentCheckpoint, knownRun, type KnownRun } from './known-run.ts';
import { EARLIER_RUNS } from './run-folder.ts';

/** Removes a run. Returns what was left in its folder: files that are not of the run. */
export function removeRun({ dir }: Pick<KnownRun, 'dir'>): readonly string[] {
  const left = changeRun(dir, (change) => change.removeAll());
  removeEmpty(dir);
  if (basename(dirname(dir)) === EARLIER_RUNS) removeEmpty(dirname(dir));
  return left;
}

export interface Pruned {
  readonly removed: readonly KnownCheckpoint[];
  readonly kept: readonly KnownCheckpoint[];
}

/**
 * The checkpoints that go where only the newest `keep` stay: never the best, the current or a
 * tagged one.
 */
export function pruned(run: KnownRun, keep: number): Pruned {
  const { checkpoints } = run;
  const result = currentCheckpoint(run);
  const newest = new Set(checkpoints.slice(Math.max(0, checkpoints.length - keep)));
  const stays = (one: KnownCheckpoint) =>
    newest.has(one) || one.best || one === result || one.tags.length > 0;
  return {
    removed: checkpoints.filter((one) => !stays(one)),
    kept: checkpoints.filter(stays),
  };
}

/** Removes all but the newest `keep` checkpoints of a run, and those that `pruned` spares. */
export function prune({ dir }: Pick<KnownRun, 'dir'>, keep: number): Pruned {
  return changeRun(dir, (change) => {
    const run = knownRun(dir, change.facts);
    const found = pruned(run, keep);
    removeSteps(change, run, new Set(found.removed.map(({ step }) => step)));
    return found;
  });
}

/** Removes one checkpoint. Throws UserError where it is the result of the run. */
export function removeCheckpoint({ dir }: Pick<KnownRun, 'dir'>, step: number): void {
  changeRun(dir, (change) => {
    const run = knownRun(dir, change.facts);
    const found = run.checkpoints.find((one) => one.step === step);
    if (found?.current === true)
      throw new UserError([
        {
          where: `${run.name}@${step}`,
          what: 'is the result of the run, which is not removed alone',
          fix: 'Make another checkpoint the result first (lora runs rollback), or remove the run.',
        },
      ]);
    removeSteps(change, run, new Set([step]));
  });
}

function removeSteps(change: RunChange, run: KnownRun, steps: ReadonlySet<number>): void {
  if (steps.size === 0) return;
  const { dir, facts } = change;
  const saved = savedAdapters(dir, facts, run.metrics);
  const going = saved.filter(({ step }) => steps.has(step));
  const entries = new Set(going.flatMap(({ files }) => files.map(({ name }) => topOf(name))));
  change.remove([...entries], {
    checkpoints: facts.checkpoints.filter(({ step }) => !steps.has(step)),
    tags: facts.tags.filter(({ step }) => !steps.has(step)),
    files: facts.files.filter((name) => !entries.has(name)),
  });
}

/** The entry of the run's folder that a file lies in. */
const topOf = (name: string): string => name.split('/')[0];

/** Runs that came from this one. */
export const childrenOf = (run: KnownRun, runs: readonly KnownRun[]): readonly KnownRun[] =>
  runs.filter(({ facts }) => facts.parent?.run === run.facts.id);
