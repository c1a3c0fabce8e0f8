// config.yaml of a run as it is read: the settings, their paths as they were written.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseYaml } from '../config/yaml.ts';
import { UserError } from '../errors.ts';

export const CONFIG_FILE = 'config.yaml';

export type Settings = Readonly<Record<string, unknown>>;

/** Nothing where the file is not there, or is damaged. */
export function readSettings(dir: string): Settings {
  const path = join(dir, CONFIG_FILE);
  try {
    return parseYaml(readFileSync(path, 'utf8'), path).values;
  } catch (error) {
    if (error instanceof UserError || error instanceof Error) return {};
    throw error;
  }
}

/** A setting that is a text. */
export function textSetting(settings: Settings, key: string): string | undefined {
  const value = settings[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
