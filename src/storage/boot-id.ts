// Which run of the system this is.

import { readFileSync } from 'node:fs';

/** Another one after each start of the machine; undefined where the system has none to read. */
export function bootId(path = '/proc/sys/kernel/random/boot_id'): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch {
    return undefined; // not Linux, or a sandbox that hides /proc
  }
}
