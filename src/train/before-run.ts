// What is looked at when the plan is known and nothing is loaded yet: whether there is room.

import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { ConfigKey } from '../config/schema.ts';
import { ConfigError, type Problem } from '../errors.ts';
import { requireDisk } from './disk-check.ts';
import { requireMemory } from './memory-check.ts';
import type { Optimiser } from './optimiser.ts';
import type { TakenUp } from './take-up.ts';
import { parameterCount, type OpenTask } from './task.ts';

/** A run that is planned. */
export interface PlannedSteps {
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly optimiser: Pick<Optimiser, 'step' | 'totalSteps'>;
  readonly place: { readonly takenUp: TakenUp | undefined; readonly dir: string };
}

/** Warnings. Throws ConfigError where no step is left, SystemError where there is no room. */
export function beforeRun(run: PlannedSteps): Problem[] {
  const { job, task, optimiser } = run;
  const ending = stepsLeft(run);
  const left = optimiser.totalSteps - optimiser.step;
  requireDisk(job, { parameters: parameterCount(task.groups), stepsLeft: left });
  return [...ending, ...requireMemory(job, task)];
}

/**
 * Warnings of a run that goes on and has no step left. Throws ConfigError where it was done, or
 * has done more steps than it is to have now.
 */
function stepsLeft({ job: { config, source }, place, optimiser }: PlannedSteps): Problem[] {
  const { step, totalSteps } = optimiser;
  const { takenUp } = place;
  if (takenUp === undefined || step < totalSteps) return [];
  const key = config.max_train_steps === undefined ? 'epochs' : 'max_train_steps';
  const where = placeOf(key, source);
  const counts = `${key} counts from the beginning of the run`;
  if (takenUp.facts.finished !== undefined) {
    const what = `the run has done all its ${step} steps already`;
    throw new ConfigError([{ where, what, fix: `Raise ${key} to go on: ${counts}.` }]);
  }
  if (!takenUp.changed.some(({ key: changed }) => lengths.has(changed))) return [];
  if (step === totalSteps) {
    const what = `the run has done these ${step} steps already: it ends here, and nothing more is trained`;
    return [{ where, what, fix: `To train on, raise ${key}: ${counts}.` }];
  }
  const what = `${totalSteps} steps, but the interrupted run in output_dir has done ${step} already: ${counts}`;
  const fix = `Raise ${key} to go on, or add --fresh to begin a new run (the other is kept in runs/).`;
  throw new ConfigError([{ where, what, fix }]);
}

const lengths: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['epochs', 'max_train_steps']);
