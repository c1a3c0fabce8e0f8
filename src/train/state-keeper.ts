// Keeps the state of a run on the disk while it goes on.

import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InternalError, SystemError } from '../errors.ts';
import type { WarningEvent } from '../events.ts';
import type { Holder } from '../runs/holder.ts';
import { attempt } from '../storage/write-file.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import { encodeState, outdatedStates, stateName, type RunState } from '../runs/run-state.ts';
import type { Optimiser } from './optimiser.ts';
import { LOG_FILE } from './records/record.ts';

/** What changes with the steps, by name; a run's state has exactly these. */
export type Holders = Readonly<Record<string, Holder>>;

export interface KeeperOptions {
  readonly optimiser: Optimiser;
  /** All but the optimiser. */
  readonly holders: Holders;
  readonly settings: RunState['settings'];
  /** Open when something is saved. */
  readonly folder: () => RunFolder;
  /** A state is due after so many; 0: never for that reason. */
  readonly minutes: number;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
}

interface Moment {
  readonly records: ReadonlyMap<string, number>;
  readonly saved: ReadonlyMap<string, unknown>;
}

/** Saves the state when it is due; a disk that refuses is told once and does not end the run. */
export class StateKeeper {
  readonly #clock: () => number;
  #savedAt: number;
  #savedStep = -1;
  #isRefused = false;

  constructor(readonly options: KeeperOptions) {
    this.#clock = options.clock ?? (() => performance.now());
    this.#savedAt = this.#clock();
  }

  /** The newest step whose state is on the disk; undefined where there is none. */
  get savedStep(): number | undefined {
    return this.#savedStep < 0 ? undefined : this.#savedStep;
  }

  /** Whether so many minutes have passed since the last one. */
  get isDue(): boolean {
    const { minutes } = this.options;
    return minutes > 0 && this.#clock() - this.#savedAt >= minutes * 60_000;
  }

  /**
   * The state as it is now, unless the disk has it already. Throws SystemError where it refuses the
   * first.
   */
  *save(): Generator<WarningEvent> {
    const { optimiser } = this.options;
    if (this.#savedStep === optimiser.step) return;
    this.#savedAt = this.#clock();
    try {
      const folder = this.options.folder();
      folder.overwrite(stateName(optimiser.step), encodeState(this.#state(folder)));
      for (const name of outdatedStates(folder.dir, this.#isLast)) folder.remove(name);
      [this.#savedStep, this.#isRefused] = [optimiser.step, false];
    } catch (error) {
      // a disk that refuses the first would refuse all that the run comes to
      if (!(error instanceof SystemError) || this.savedStep === undefined) throw error;
      if (!this.#isRefused) yield notSaved(error, this.savedStep);
      this.#isRefused = true;
    }
  }

  /** What looks at the weights add to. */
  moment(): Moment {
    const { holders, folder } = this.options;
    const { dir } = folder();
    const records = numberedRecords(dir).map((name) => [name, folder().size(name)] as const);
    const saved = Object.entries(holders).map(([name, holder]) => [name, holder.save()] as const);
    return { records: new Map(records), saved: new Map(saved) };
  }

  /** Takes out what a look that was not finished has added: the next start looks again. */
  goBackTo({ records, saved }: Moment): void {
    for (const [name, holder] of Object.entries(this.options.holders))
      holder.restore(saved.get(name));
    const folder = this.options.folder();
    for (const name of numberedRecords(folder.dir)) folder.cutTo(name, records.get(name) ?? 0);
  }

  get #isLast(): boolean {
    const { step, totalSteps } = this.options.optimiser;
    return step >= totalSteps;
  }

  #state(folder: RunFolder): RunState {
    const { optimiser, holders, settings } = this.options;
    const saved = Object.entries(holders).map(([name, holder]) => [name, holder.save()] as const);
    return {
      step: optimiser.step,
      tensors: optimiser.tensors,
      holders: { optimiser: optimiser.save(), ...Object.fromEntries(saved) },
      settings,
      records: Object.fromEntries(
        numberedRecords(folder.dir).map((name) => [name, folder.flushed(name)]),
      ),
    };
  }

  /** Takes a saved state back, strictly: what is missing or unknown throws InternalError. */
  restore({ step, tensors, holders: saved }: RunState): void {
    const { optimiser, holders } = this.options;
    const names = ['optimiser', ...Object.keys(holders)].sort();
    const found = Object.keys(saved).sort();
    if (names.join() !== found.join())
      throw new InternalError(`cannot restore: the state has ${found}, the run has ${names}`);
    optimiser.restore(saved['optimiser'], tensors);
    for (const [name, holder] of Object.entries(holders)) holder.restore(saved[name]);
    this.#savedStep = step;
  }
}

function notSaved({ problems: [problem] }: SystemError, step: number): WarningEvent {
  const what = `${problem.what}. The run goes on, and tries again later. The state of step ${step} is kept: an interruption now costs the steps since then`;
  return { type: 'warning', problem: { ...problem, what } };
}

/** Records in which each step stands once; the log is for people, and is only added to. */
export function numberedRecords(dir: string): string[] {
  const folder = join(dir, 'logs');
  if (!existsSync(folder)) return [];
  return attempt(folder, () => readdirSync(folder))
    .filter((name) => name !== basename(LOG_FILE))
    .map((name) => `logs/${name}`);
}
