// What became of the last start of a run that goes on, where it could not say so itself.

import type { Problem } from '../errors.ts';
import { howItEnded } from '../runs/how-it-ended.ts';
import { lastSeen, presentSystem } from '../runs/last-seen.ts';
import { availableMemory } from '../runtime/system-memory.ts';
import type { TakenUp } from './take-up.ts';

/** Undefined where the last start said how it ended. */
export function lastStart({ folder, facts }: TakenUp): Problem | undefined {
  const start = facts.starts.at(-1);
  if (start === undefined) return undefined;
  return howItEnded(start, presentSystem(), {
    ...lastSeen(folder.dir, start),
    available: availableMemory().bytes,
    proposal:
      facts.task === 'image'
        ? 'a smaller batch_size (gradient_accumulation_steps makes up for it) or resolution. Both change the run: they need --fresh.'
        : 'gradient_checkpointing: true goes on with the same numbers; a smaller batch_size or max_seq_length needs --fresh.',
  });
}
