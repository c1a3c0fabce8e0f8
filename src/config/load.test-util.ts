// A folder with what configurations name, and what is said of one.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../errors.ts';
import { flagName } from './flags.ts';
import { loadConfig } from './load.ts';

export const folder = mkdtempSync(join(tmpdir(), 'lora-config-'));
mkdirSync(join(folder, 'pictures'));
mkdirSync(join(folder, 'base'));
writeFileSync(join(folder, 'list.csv'), 'filename,prompt\n');
writeFileSync(join(folder, 'faq.jsonl'), '');
writeFileSync(join(folder, 'more.jsonl'), '');

export const good = {
  train_data_dir: './pictures',
  base_model: './base',
  output_dir: './output/brand_lora',
};
export const text = {
  task_type: 'text-generation',
  base_model: './base',
  output_dir: './output/brand_voice',
};
export const yaml = (values: object) =>
  Object.entries(values)
    .map(([key, value]) => `${key}: ${value}`)
    .join('\n');

export function file(text: string): string {
  const path = join(folder, 'brand_lora.yaml');
  writeFileSync(path, text);
  return path;
}

/** The problems of `text` as `place: what (fix)`, the file's folder removed. */
export function problemsOf(text: string, overrides = {}): string[] {
  try {
    loadConfig(file(text), overrides, { nameOverride: flagName });
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems.map(({ where, what, fix }) =>
      `${where}: ${what}${fix ? ` (${fix})` : ''}`.replaceAll(`${folder}/`, ''),
    );
  }
  return [];
}
