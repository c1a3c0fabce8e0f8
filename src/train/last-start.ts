// What became of the last start of a run that goes on, where it could not say so itself.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Problem } from '../errors.ts';
import { howItEnded, type PresentSystem } from '../runs/how-it-ended.ts';
import { availableMemory, memoryKills } from '../runtime/system-memory.ts';
import { bootId } from '../storage/boot-id.ts';
import { TIMINGS_FILE } from './records/record.ts';
import type { TakenUp } from './take-up.ts';

/** The system as it is recorded with each start. */
export const presentSystem = (): PresentSystem => ({
  host: hostname(),
  boot: bootId(),
  memoryKills: memoryKills(),
});

const timing = z.object({ step: z.int(), memory_bytes: z.number() });

/** Undefined where the last start said how it ended. */
export function lastStart({ folder, facts }: TakenUp): Problem | undefined {
  const start = facts.starts.at(-1);
  if (start === undefined) return undefined;
  const seen = timingsIn(folder.dir).filter(({ step }) => step > start.step);
  const memory = seen.map(({ memory_bytes }) => memory_bytes);
  return howItEnded(start, presentSystem(), {
    dir: folder.dir,
    step: Math.max(start.step, ...seen.map(({ step }) => step)),
    ...(memory.length > 0 && { mostMemory: Math.max(...memory) }),
    available: availableMemory().bytes,
    proposal:
      facts.task === 'image'
        ? 'a smaller batch_size (gradient_accumulation_steps makes up for it) or resolution. Both change the run: they need --fresh.'
        : 'gradient_checkpointing: true goes on with the same numbers; a smaller batch_size or max_seq_length needs --fresh.',
  });
}

/** Lines that were cut short are left out. */
function timingsIn(dir: string): z.output<typeof timing>[] {
  let text: string;
  try {
    text = readFileSync(join(dir, TIMINGS_FILE), 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    try {
      return [timing.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
