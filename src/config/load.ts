// From a YAML file and overrides to a checked configuration, or to one error with every problem in
// it.
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { ConfigError, type Problem } from '../errors.ts';
import { deviceRemedy } from '../runtime/devices.ts';
import { decodeText, toldOf } from '../util/encoding/decode-text.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import { isObject } from '../util/is-object.ts';
import { codeOf } from '../util/caught.ts';
import { own } from '../util/own.ts';
import { asWritten, findPaths, type KeyNote } from './paths.ts';
import {
  accepts,
  configJsonSchema,
  configKeys,
  trainSchema,
  type ConfigKey,
  type TrainConfig,
} from './schema.ts';
import { withLayers, withNamedData, withTemplateFile } from './language-data.ts';
import { isForTexts, translate, type Translated } from './translate-aliases.ts';
import { optimiserNamed } from './optimiser-aliases.ts';
import { suggest } from '../util/suggest.ts';
import { suggestKey } from './suggest-key.ts';
import { expected, fromText, show } from './values.ts';
import { parseYaml } from './yaml.ts';

/** Where a configuration came from, for messages that arise later. */
export interface ConfigSource {
  /** The file, as the user named it; absent when the values were given by a program. */
  readonly path?: string;
  /** Line of each key in the file, from 1. */
  readonly lines: ReadonlyMap<string, number>;
  /** Keys whose value was given in place of the file's, and how: `--learning-rate`. */
  readonly overridden: ReadonlyMap<string, string>;
  /** Keys of ours that were given a value, wherever. */
  readonly given: ReadonlySet<string>;
}

export interface LoadedConfig {
  /** With every path as it can be used from the current folder. */
  readonly config: TrainConfig;
  /**
   * The same with every path as it was written: for whatever is published. Nothing in it tells
   * where on this machine the files lie.
   */
  readonly published: TrainConfig;
  /** Each path of `config` -> as it was written. */
  readonly writtenPaths: ReadonlyMap<string, string>;
  readonly source: ConfigSource;
  /** Keys without effect, and values that are used otherwise than they were written. */
  readonly warnings: readonly Problem[];
}

export interface ConfigOptions {
  /**
   * How messages name an override: `--learning-rate` for the command line; by default the key
   * itself.
   */
  readonly nameOverride?: (key: string) => string;
}

/**
 * Reads the YAML file at `path`; `overrides` (values, or text as on a command line) replace its
 * keys. Paths in it are taken from the current folder, or else from the file's folder. Throws
 * ConfigError with every problem found, each as `file:line key`.
 */
export function loadConfig(
  path: string,
  overrides: Readonly<Record<string, unknown>> = {},
  options: ConfigOptions = {},
): LoadedConfig {
  const { text, warnings } = readText(path);
  const { values, lines } = parseYaml(text, path);
  const nameOverride = options.nameOverride ?? ((key: string) => key);
  const overridden = new Map(Object.keys(overrides).map((key) => [key, nameOverride(key)]));
  const loaded = check({ ...values, ...overrides }, { path, lines, overridden, given: new Set() });
  return { ...loaded, warnings: [...warnings, ...loaded.warnings] };
}

/** As `loadConfig`, for values that a program has. */
export function parseConfig(values: Readonly<Record<string, unknown>>): LoadedConfig {
  return check(values, { lines: new Map(), overridden: new Map(), given: new Set() });
}

/** Names the place of a key: `brand_lora.yaml:7 learning_rate`, or `--learning-rate`. */
export function placeOf(key: string, { path, lines, overridden }: ConfigSource): string {
  const override = overridden.get(key);
  if (override !== undefined) return override;
  if (path === undefined) return key;
  const line = lines.get(key);
  return line === undefined ? `${path} ${key}` : `${path}:${line} ${key}`;
}

function readText(path: string): { text: string; warnings: readonly Problem[] } {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ConfigError([{ where: path, ...whyUnreadable(cause) }], { cause });
  }
  const told = toldOf(path, decodeText(bytes));
  if ('problem' in told) throw new ConfigError([told.problem]);
  return { text: told.text, warnings: problemsByKind(told.warnings) };
}

function whyUnreadable(cause: unknown): Pick<Problem, 'what' | 'fix'> {
  const code = codeOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return { what: 'there is no such file', fix: 'Examples are in configs/.' };
  if (code === 'EISDIR')
    return { what: 'this is a folder; expected a YAML file', fix: 'Name the file inside it.' };
  if (code === 'EACCES' || code === 'EPERM')
    return {
      what: 'the file cannot be read: permission denied',
      fix: 'Give yourself permission to read it.',
    };
  return {
    what: `the file cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
  };
}

type Values = Readonly<Record<string, unknown>>;

function check(found: Values, foundAt: ConfigSource): LoadedConfig {
  const translated = isForTexts(found) ? withoutAliases(found, foundAt) : undefined;
  const { values: ours, notes: ofOptimiser } = withOptimiser(translated?.values ?? found);
  const source = { ...sourceOf(translated, foundAt), given: givenKeys(ours) };
  const placed = ({ key, ...problem }: KeyNote): Problem => ({
    where: placeOf(key, source),
    ...problem,
  });
  const { values, problems } = readValues(
    translated === undefined ? ours : withDataDir(ours),
    source,
  );
  problems.push(...(translated?.problems ?? []).map(placed));
  problems.push(
    ...(translated?.empty ?? []).map(({ key, ours }) =>
      placed({ key, ...noValue(ours, required.has(ours)) }),
    ),
  );
  const paths = findPaths(values, source.path);
  const located = paths.problems.filter(
    ({ key }) => key !== 'train_data_dir' || translated === undefined || source.given.has(key),
  );
  const config = parsed(paths.values, { values, problems, located: located.map(placed), source });
  return {
    config,
    published: asWritten(config, paths.written),
    writtenPaths: paths.written,
    source,
    warnings: [
      ...(translated?.notes ?? []).map(placed),
      ...ofOptimiser.map(placed),
      ...paths.notes.map(placed),
      ...withoutEffect(translated?.ignored ?? [], source),
      ...overruled(config, source),
      ...stillParts(config, source),
      ...foreignKeys(values, config.task_type, source),
    ],
  };
}

const sourceOf = (translated: Translated | undefined, source: ConfigSource): ConfigSource =>
  translated === undefined ? source : renamed(source, translated.renamed);

/** Another trainer's name of an optimiser becomes ours; what runs in place of it is told. */
function withOptimiser(values: Values): { values: Values; notes: readonly KeyNote[] } {
  const { optimizer: given } = values;
  const named = typeof given === 'string' ? optimiserNamed(given.trim()) : undefined;
  if (named === undefined) return { values, notes: [] };
  const { optimizer, note } = named;
  return {
    values: { ...values, optimizer },
    notes: note === undefined ? [] : [{ key: 'optimizer', what: note }],
  };
}

const givenKeys = (values: Values): ReadonlySet<string> =>
  new Set(Object.keys(values).filter((key) => values[key] !== undefined));

interface Found {
  /** As they were read, for messages. */
  readonly values: Values;
  readonly problems: readonly Problem[];
  /** What is wrong with paths. */
  readonly located: readonly Problem[];
  readonly source: ConfigSource;
}

/** The configuration, or ConfigError with everything that is wrong, each key told of once. */
function parsed(paths: Values, { values, problems, located, source }: Found): TrainConfig {
  const result = trainSchema.safeParse(paths);
  const bad = new Set(problems.map(({ where }) => where));
  const issues = result.success
    ? []
    : result.error.issues
        .map((issue) => toProblem(issue, values, source))
        .filter(
          ({ where }, i, all) =>
            !bad.has(where) && all.findIndex((other) => other.where === where) === i,
        );
  const all = distinct([...problems, ...issues, ...located]);
  if (all.length > 0 || !result.success) throw new ConfigError(inFileOrder(all, source));
  return result.data;
}

function withoutAliases(
  found: Readonly<Record<string, unknown>>,
  { path }: ConfigSource,
): Translated {
  const named = withNamedData(found, path);
  const translated = translate(withLayers(named.values, path));
  const written = withTemplateFile(translated.values, path);
  return {
    ...translated,
    values: written.values,
    problems: [...named.problems, ...written.problems, ...translated.problems],
  };
}

/** Files of other trainers have many such keys: they are told in one line. */
function withoutEffect(keys: readonly string[], source: ConfigSource): Problem[] {
  if (keys.length <= 2)
    return keys.map((key) => ({ where: placeOf(key, source), what: 'has no effect here' }));
  return [
    {
      where: source.path ?? 'config',
      what: `${keys.length} keys have no effect here: ${keys.join(', ')}`,
    },
  ];
}

/**
 * A list of files makes train_data_dir needless; what is wrong with it is told once. One file is a
 * list too.
 */
function withDataDir(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { train_data: given, train_data_dir: dir } = values;
  if (given === undefined || given === null || (Array.isArray(given) && given.length === 0))
    return values;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const sources = list.map((item) =>
    isObject(item) && typeof item.weight === 'string' && Number(item.weight) > 0
      ? { ...item, weight: Number(item.weight) }
      : item,
  );
  const [first] = sources.map((item) => (isObject(item) ? item.path : item));
  return {
    ...values,
    train_data: sources,
    train_data_dir: dir === undefined ? (typeof first === 'string' ? first : '.') : dir,
  };
}

/** Keys of ours that go before others of ours. */
function overruled(config: TrainConfig, source: ConfigSource): Problem[] {
  const { train_data, train_data_dir, validation_data, validation_split } = config;
  const problems: Problem[] = [];
  if (source.given.has('train_data_dir') && !train_data.some(({ path }) => path === train_data_dir))
    problems.push({
      where: placeOf('train_data_dir', source),
      what: 'has no effect: train_data names the files',
    });
  if (validation_data.length > 0 && validation_split > 0)
    problems.push({
      where: placeOf('validation_split', source),
      what: 'has no effect: validation_data names the files',
    });
  return problems;
}

/** Parts of a picture model that a rate of 0 leaves as they are. */
function stillParts(config: TrainConfig, source: ConfigSource): Problem[] {
  const parts = [
    ['unet_lr', 'train_unet', 'the UNet is not trained and gets no adapters'],
    [
      'text_encoder_lr',
      'train_text_encoder',
      'the text encoder is not trained and gets no adapters',
    ],
  ] as const;
  return parts.flatMap(([rate, train, what]) => {
    const isStill = config.task_type === 'image' && config[rate] === 0 && !config[train];
    const key = source.given.has(rate) ? rate : 'learning_rate';
    return isStill && source.given.has(key)
      ? [{ where: placeOf(key, source), what: `is 0: ${what}` }]
      : [];
  });
}

/** Whether a key means something to a task. */
export const isOfTask = (key: string, task: TrainConfig['task_type']): boolean =>
  (schemaOf(key).task ?? task) === task;

/** Keys that mean nothing to this task. */
function foreignKeys(
  values: Readonly<Record<string, unknown>>,
  task: TrainConfig['task_type'],
  source: ConfigSource,
): Problem[] {
  const foreign = Object.keys(values).filter((key) => !isOfTask(key, task));
  const [first, ...others] = foreign;
  if (first === undefined) return [];
  const { task: theirs } = schemaOf(first);
  if (others.length === 0)
    return [
      {
        where: placeOf(first, source),
        what: `is a key of task_type: ${theirs} and has no effect with task_type: ${task}`,
      },
    ];
  const names = foreign.map((key) => source.overridden.get(key) ?? key);
  const what = `${foreign.length} keys of task_type: ${theirs} have no effect with task_type: ${task}: ${names.join(', ')}`;
  return [{ where: source.path ?? 'config', what }];
}

/** Our keys have the lines of their aliases. */
function renamed(
  { lines, ...source }: ConfigSource,
  names: ReadonlyMap<string, string>,
): ConfigSource {
  const others = [...names].flatMap(([ours, theirs]) => {
    const line = lines.get(theirs); // a flag has none
    return line === undefined ? [] : [[ours, line] as const];
  });
  return { ...source, lines: new Map([...lines, ...others]) };
}

/** A list with two wrong members gives the same message twice. */
function distinct(problems: readonly Problem[]): Problem[] {
  return problems.filter(
    (problem, i) =>
      problems.findIndex(({ where, what }) => where === problem.where && what === problem.what) ===
      i,
  );
}

const USE_DEFAULT = 'To use the default, delete the line.';

/** A key that is written with nothing behind it: what was meant is not guessed. */
const noValue = (key: string, isRequired: boolean): Pick<Problem, 'what' | 'fix'> => ({
  what: `no value; expected ${expected(schemaOf(key))}`,
  ...(!isRequired && { fix: USE_DEFAULT }),
});

/** Known keys with their text read; a problem for each unknown key and each key without a value. */
function readValues(given: Readonly<Record<string, unknown>>, source: ConfigSource) {
  const values: [string, unknown][] = [];
  const problems: Problem[] = [];
  const known: ReadonlySet<string> = new Set(configKeys);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const where = placeOf(key, source);
    if (!known.has(key)) {
      const isGroup = isObject(value);
      problems.push({
        where,
        what: 'there is no such key',
        fix: isGroup ? 'Keys are not grouped: write them at the left margin.' : suggestKey(key),
      });
    } else if (value !== null) {
      const read = fromText(schemaOf(key), value);
      problems.push(...protoProblems(read, where));
      values.push([key, read]);
    } else problems.push({ where, ...noValue(key, required.has(key)) });
  }
  return { values: Object.fromEntries<unknown>(values), problems };
}

/** No setting inside another is called so, and what checks them would drop it without a word. */
const protoProblems = (value: unknown, where: string): Problem[] =>
  isObject(value) && Object.hasOwn(value, '__proto__')
    ? [{ where, what: 'there is no such name: __proto__', fix: 'Delete it.' }]
    : [];

const required: ReadonlySet<string> = new Set(configJsonSchema.required);

function schemaOf(key: string) {
  const properties: Readonly<Record<string, (typeof configJsonSchema.properties)[ConfigKey]>> =
    configJsonSchema.properties;
  return properties[key];
}

function toProblem(
  issue: z.core.$ZodIssue,
  values: Readonly<Record<string, unknown>>,
  source: ConfigSource,
): Problem {
  const key = String(issue.path[0]);
  const where = placeOf(key, source);
  const found = values[key];
  if (issue.code === 'custom') {
    return {
      where,
      what:
        found === undefined || issue.message.includes(show(found))
          ? issue.message
          : `${issue.message}; found ${show(found)}`,
      ...(typeof issue.params?.fix === 'string' && { fix: issue.params.fix }),
    };
  }
  if (found === undefined)
    return { where, what: 'is missing', fix: `Add a line such as ${key}: ${exampleOf(key)}` };
  const wanted = issue.code === 'invalid_format' ? issue.message : expected(schemaOf(key));
  const fix = remedy(key, found);
  return {
    where,
    what: `expected ${wanted}; found ${show(found)}`,
    ...(fix !== undefined && { fix }),
  };
}

/** Of a key that must be given. */
const exampleOf = (key: string): string =>
  own(
    {
      train_data_dir: './data/mine',
      base_model: './models/mine',
      output_dir: './output/mine',
    },
    key,
  ) ?? `(${expected(schemaOf(key))})`;

/** Names of other trainers for number formats -> ours. */
const precisions: Readonly<Record<string, string>> = {
  fp16: 'float16',
  half: 'float16',
  fp32: 'float32',
  float: 'float32',
  full: 'float32',
  bf16: 'bfloat16',
};

function remedy(key: string, found: unknown): string | undefined {
  const { enum: names, type, prefixItems } = schemaOf(key);
  if (key === 'task_type')
    return 'image trains adapters for pictures (Stable Diffusion), text-generation adapters of a language model.';
  if (key === 'device') return deviceRemedy;
  const precision = own(precisions, String(found).toLowerCase());
  if (key === 'save_precision' && precision !== undefined)
    return `Write save_precision: ${precision}.`;
  if (typeof found === 'string') {
    if (found.trim() === '' && !required.has(key)) return USE_DEFAULT;
    const nearest = suggest(found, names ?? []);
    return nearest === undefined ? undefined : `Did you mean ${nearest}?`;
  }
  if (type === 'string' && names === undefined && accepts(key, String(found)))
    return `A number, a date or true and false as text: put it in quotes, "${String(found)}".`;
  if (key === 'train_data')
    return 'Write each as "- faq.jsonl" or "- { path: faq.jsonl, weight: 2 }"; a weight is a number above 0.';
  if (
    type === 'array' &&
    prefixItems === undefined &&
    Array.isArray(found) &&
    found.some((item) => typeof item !== 'string')
  )
    return 'Put each text in quotes, one a line after "- ".';
  return undefined;
}

function inFileOrder(problems: readonly Problem[], { path, lines }: ConfigSource): Problem[] {
  const lineOf = ({ where }: Problem) =>
    [...lines].find(([key, line]) => where === `${path}:${line} ${key}`)?.[1] ?? Infinity;
  // Infinity - Infinity is NaN, which sort takes for equal
  return [...problems].sort((a, b) => lineOf(a) - lineOf(b) || 0);
}
