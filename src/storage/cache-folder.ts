// Where what can be computed again is kept between runs.

import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user's cache folder by the custom of the system; LORA_SCRIPTS_CACHE names another. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.LORA_SCRIPTS_CACHE) return env.LORA_SCRIPTS_CACHE;
  const base =
    env.XDG_CACHE_HOME ||
    (process.platform === 'win32' ? env.LOCALAPPDATA : undefined) ||
    join(homedir(), '.cache');
  return join(base, 'lora-scripts');
}
