// The command-line flags of the configuration, derived from its schema: `learning_rate` ->
// `--learning-rate <number>`.
import {
  configJsonSchema,
  configKeys,
  optionGroups,
  type ConfigKey,
  type KeySchema,
} from './schema.ts';
import { needed } from '../util/needed.ts';
import { expected } from './values.ts';

export interface ConfigFlag {
  readonly key: ConfigKey;
  /** As the user types it: `--learning-rate`. */
  readonly name: string;
  /** What follows it in the help: `<number>`. */
  readonly placeholder: string;
  readonly description: string;
  /** May be given several times, for a list; `text or list`: given once it is a text. */
  readonly repeatable: boolean | 'text or list';
  /** Topic: `Adapter`. */
  readonly group: string;
}

export const flagName = (key: string): string => `--${key.replaceAll('_', '-')}`;

const groupOf = (key: ConfigKey): string => needed(groups, key, 'topic of the key');

const groups: ReadonlyMap<string, string> = new Map(
  Object.entries(optionGroups).flatMap(([group, options]) =>
    Object.keys(options).map((key) => [key, group] as const),
  ),
);

/** One text, or several; not a pair of numbers. */
const wantsText = ({ anyOf = [] }: KeySchema): boolean =>
  anyOf.some(({ type, prefixItems }) => type === 'array' && prefixItems === undefined);

function placeholder(schema: KeySchema): string {
  if (schema.enum) return '<name>';
  if (schema.anyOf) return wantsText(schema) ? '<text>' : '<width,height>';
  if (schema.type === 'object') return '<name=number,…>';
  if (schema.prefixItems) return '<a,b>';
  if (schema.type === 'boolean') return '<true|false>';
  if (schema.type === 'string' || schema.type === 'array') return '<text>';
  return '<number>';
}

/**
 * What stands for the default in help and docs; empty when there is none or the description says
 * it.
 */
function shownDefault(key: ConfigKey): string {
  const { default: value } = configJsonSchema.properties[key];
  if (configJsonSchema.required.includes(key)) return 'required';
  if (
    value === undefined ||
    value === '' ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  )
    return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export const configFlags: readonly ConfigFlag[] = configKeys.map((key) => {
  const schema = configJsonSchema.properties[key];
  const standard = shownDefault(key);
  return {
    key,
    name: flagName(key),
    placeholder: placeholder(schema),
    description: [
      schema.description,
      ...(schema.enum && schema.enum.length > 1 ? [`One of ${schema.enum.join(', ')}.`] : []),
      ...(standard === '' || standard === 'required' ? [] : [`(default: ${standard})`]),
    ].join(' '),
    repeatable: wantsText(schema)
      ? 'text or list'
      : schema.type === 'array' && schema.prefixItems === undefined,
    group: groupOf(key),
  };
});

/** docs/config.md: a table for each topic. */
export function configDocs(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const row = ({ key, group }: ConfigFlag, wanted: string) =>
    group === wanted
      ? [
          `| \`${key}\` | ${cell(shownDefault(key))} | ${cell(expected(configJsonSchema.properties[key]))} | ${taskOf(key)}${cell(configJsonSchema.properties[key].description)} |`,
        ]
      : [];
  const sections = Object.keys(optionGroups).map((group) =>
    [
      `## ${group}`,
      '',
      '| key | default | value | |',
      '| --- | --- | --- | --- |',
      ...configFlags.flatMap((flag) => row(flag, group)),
    ].join('\n'),
  );
  return `${[docsHead, ...sections].join('\n\n')}\n`;
}

/** Whose key it is, where not of both tasks. */
function taskOf(key: ConfigKey): string {
  const { task } = configJsonSchema.properties[key];
  return task === undefined ? '' : `*${task}.* `;
}

const docsHead = `<!-- Generated from src/config/schema.ts by \`npm run docs\`; a test compares. -->

# The keys of the YAML file

A run is described by one YAML file; \`lora train --config FILE\` runs it. Each key is also a flag that
overrides the file: \`learning_rate: 1e-3\` and \`--learning-rate 1e-3\` are the same. An unknown key is an
error that names the nearest known one; a key of the other \`task_type\` (in italics below) is a warning, and has no
effect. Files of \`text-generation\` may also be written with the keys of axolotl, LLaMA-Factory, mlx-lm and PEFT
(\`lora_r\`, \`sequence_len\`, \`micro_batch_size\`, \`lora_target: all\` …); what they ask for that does not exist here is
refused by name. Paths are taken from the current folder, or, when there is nothing
there, from the folder of the YAML file. \`lora config schema\` prints the file's JSON Schema for editors. What the files of
samples of \`text-generation\` hold: [text-data.md](text-data.md).`;
