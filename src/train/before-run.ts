// What is looked at when the plan is known and nothing is loaded yet: whether there is room.

import { placeOf, type LoadedConfig } from '../config/load.ts';
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
  requireStepsLeft(run);
  const stepsLeft = optimiser.totalSteps - optimiser.step;
  requireDisk(job, { parameters: parameterCount(task.groups), stepsLeft });
  return [...requireMemory(job, task)];
}

/** A run that was done can go on where it is to be longer. */
function requireStepsLeft({ job: { config, source }, place, optimiser }: PlannedSteps): void {
  const { step, totalSteps } = optimiser;
  if (place.takenUp?.facts.finished === undefined || step < totalSteps) return;
  const key = config.max_train_steps === undefined ? 'epochs' : 'max_train_steps';
  const what = `the run has done all its ${step} steps already`;
  throw new ConfigError([{ where: placeOf(key, source), what, fix: `Raise ${key} to go on.` }]);
}
