// What the records of a run say of its last start, where that could not say itself how it ended.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { memoryKills } from '../runtime/system-memory.ts';
import { bootId } from '../storage/boot-id.ts';
import type { Start } from './facts.ts';
import type { LastSeen, PresentSystem } from './how-it-ended.ts';

/** A line for each step: how long it took, and the memory that was held. */
export const TIMINGS_FILE = 'logs/timings.jsonl';

/** The system as it is recorded with each start. */
export const presentSystem = (): PresentSystem => ({
  host: hostname(),
  boot: bootId(),
  memoryKills: memoryKills(),
});

const timing = z.object({ step: z.int(), memory_bytes: z.number() });

/** What is known of a start: the last of the run in `dir`. */
export function lastSeen(dir: string, start: Start): LastSeen {
  const seen = timingsIn(dir).filter(({ step }) => step > start.step);
  const memory = seen.map(({ memory_bytes }) => memory_bytes);
  return {
    dir,
    step: seen.reduce((most, { step }) => Math.max(most, step), start.step),
    ...(memory.length > 0 && { mostMemory: memory.reduce((most, one) => Math.max(most, one)) }),
  };
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
