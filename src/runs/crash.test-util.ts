// A process that dies between two calls to the disk, without a process: from the chosen call on,
// nothing more happens on the disk, whatever the program tries.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const changing = [
  'appendFileSync',
  'copyFileSync',
  'fsyncSync',
  'ftruncateSync',
  'linkSync',
  'mkdirSync',
  'renameSync',
  'rmSync',
  'rmdirSync',
  'unlinkSync',
  'writeFileSync',
  'writeSync',
] as const;

/** Runs `action`, which dies at its call number `at` (from 0). Whether it came to its end. */
export function survives(at: number, action: () => unknown): boolean {
  const originals = new Map(changing.map((name) => [name, fs[name]]));
  let calls = 0;
  // any function of the table is called as it would be
  const table = fs as unknown as Record<string, (...given: unknown[]) => unknown>;
  for (const name of changing) {
    const original = table[name];
    table[name] = (...given) => {
      if (calls++ >= at) throw new Error('the process is dead');
      return original(...given);
    };
  }
  syncBuiltinESMExports();
  try {
    action();
  } catch {
    // what a dead process says, nobody hears
  } finally {
    Object.assign(fs, Object.fromEntries(originals));
    syncBuiltinESMExports();
  }
  return calls <= at;
}
