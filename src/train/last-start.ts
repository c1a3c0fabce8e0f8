// What became of the last start of a run that goes on, where it could not say so itself.

import type { Problem } from '../errors.ts';
import { howItEnded } from '../runs/how-it-ended.ts';
import { lastSeen, presentSystem } from '../runs/last-seen.ts';
import { afterRunningOut } from './memory-check.ts';
import type { TakenUp } from './take-up.ts';
import type { OpenTask } from './task.ts';

/** Undefined where the last start said how it ended. `task`: the run as it goes on now. */
export function lastStart(
  { folder, facts }: TakenUp,
  task: Pick<OpenTask, 'smaller' | 'plan'>,
): Problem | undefined {
  const start = facts.starts.at(-1);
  if (start === undefined) return undefined;
  const remedy = () => afterRunningOut(task);
  return howItEnded(start, presentSystem(), { ...lastSeen(folder.dir, start), remedy });
}
