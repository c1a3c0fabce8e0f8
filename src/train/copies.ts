// What becomes of a run's copies in backup_dir, as events.

import type { SavedEvent, WarningEvent } from '../events.ts';
import { Backup, type Copied } from '../runs/backup.ts';
import type { RunPlace } from './run-place.ts';

/** The copies of a run; undefined without backup_dir. */
export const backupFor = (
  backupDir: string | undefined,
  { dir, id }: RunPlace,
): Backup | undefined => (backupDir === undefined ? undefined : new Backup({ backupDir, dir, id }));

export function* copyEvents(
  copied: Copied | undefined,
  step: number,
): Generator<SavedEvent | WarningEvent> {
  if (copied === undefined) return;
  const { made, problems, caughtUp } = copied;
  for (const problem of problems) yield { type: 'warning', problem };
  if (made.length > 0)
    yield {
      type: 'saved',
      step,
      files: made,
      ...(caughtUp !== undefined && { notes: [caughtUp] }),
    };
}
