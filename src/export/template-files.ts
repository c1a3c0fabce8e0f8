// The chat template of a training in the files that other programs look for it in.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const TEMPLATE_FILE = 'chat_template.jinja';
const CONFIG_FILE = 'tokenizer_config.json';
/** What AutoTokenizer needs beside them. */
const tokenizerFiles = ['tokenizer.json', 'special_tokens_map.json'];

/**
 * By name: the template, and the tokenizer_config.json of the folder `base` with it. Readers of
 * today take the first, older ones the second.
 */
export function templateFiles(base: string, template: string): Map<string, Uint8Array> {
  const path = join(base, CONFIG_FILE);
  const config = existsSync(path) ? readFileSync(path, 'utf8').replace(/^\ufeff/, '') : '{}';
  return new Map(
    [
      [TEMPLATE_FILE, template] as const,
      [CONFIG_FILE, withTemplate(config, template)] as const,
    ].map(([name, text]) => [name, new TextEncoder().encode(text)]),
  );
}

/** The same with the whole tokenizer, as transformers saves it beside an adapter. */
export function tokenizerWithTemplate(base: string, template: string): Map<string, Uint8Array> {
  const copied = tokenizerFiles
    .filter((name) => existsSync(join(base, name)))
    .map((name) => [name, new Uint8Array(readFileSync(join(base, name)))] as const);
  return new Map([...copied, ...templateFiles(base, template)]);
}

/**
 * In the text itself: written again, numbers such as 1000000000000000019884624838656 would change.
 * A list of templates by name stays: chat_template.jinja goes before its default.
 */
function withTemplate(config: string, template: string): string {
  const told = /("chat_template"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|null)/;
  const value = JSON.stringify(template);
  if (told.test(config)) return config.replace(told, (_, key: string) => key + value);
  if (/"chat_template"\s*:/.test(config)) return config;
  const isEmpty = /^\s*\{\s*\}\s*$/.test(config);
  return config.replace('{', () => `{\n  "chat_template": ${value}${isEmpty ? '\n' : ','}`);
}
