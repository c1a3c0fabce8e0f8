// What a configuration means by other files: lists of data sets, names in dataset_info.json, a
// template, the last layers of a model.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { withHome } from './output-path.ts';
import { unicodeText } from '../util/encoding/decode-text.ts';
import { isObject } from '../util/is-object.ts';
import { own } from '../util/own.ts';

type Values = Readonly<Record<string, unknown>>;
type Source = string | { readonly path: unknown; readonly weight?: unknown };

/**
 * axolotl's list of data sets, LLaMA-Factory's names with commas. `faults`: what of them is not
 * read here.
 */
export function dataSources(value: unknown): {
  readonly items: readonly Source[];
  readonly faults: readonly string[];
} {
  const list: unknown[] = Array.isArray(value)
    ? value
    : String(value)
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
  return {
    items: list.flatMap(sourcesOf),
    faults: list.flatMap((item, i) => (isObject(item) ? faultsOf(item, i + 1) : [])),
  };
}

/** `path` may name a kind of file, and `data_files` the files. */
function sourcesOf(item: unknown): Source[] {
  if (!isObject(item)) return [String(item)];
  const weight = item.weight !== undefined && { weight: item.weight };
  return [item.data_files ?? item.path].flat().map((path: unknown) => ({ path, ...weight }));
}

/**
 * Their forms are found by looking; what would change which samples or tokens are trained is not
 * read.
 */
function faultsOf(item: Values, number: number): string[] {
  return Object.entries(item).flatMap(([key, value]) => {
    const fault =
      value === null || value === undefined
        ? undefined
        : (own(fieldFaults, key) ?? unknownField)(value);
    return fault === undefined ? [] : [`${key} of data set ${number}: ${fault}`];
  });
}

type FieldFault = (value: unknown) => string | undefined;

const fine: FieldFault = () => undefined;
const unknownField: FieldFault = () => 'there is no such setting here';
const named =
  (names: readonly string[], where: string): FieldFault =>
  (value) =>
    names.includes(String(value))
      ? undefined
      : `${where} ${names.join(' or ')}; rename "${String(value)}" in the file`;
const conversationFields = named(
  ['messages', 'conversations', 'conversation'],
  'the list of messages is called',
);

const fieldFaults: Readonly<Record<string, FieldFault>> = {
  path: fine,
  data_files: fine,
  weight: fine,
  ds_type: fine,
  name: fine,
  trust_remote_code: fine,
  chat_template: (value) =>
    String(value) === 'tokenizer_default'
      ? undefined
      : 'one chat_template is for all data; write it at the left margin',
  conversation: fine,
  split: (value) =>
    /^[a-z]+$/i.test(String(value))
      ? undefined
      : 'a share of a file cannot be selected; give the file a weight in train_data',
  type: (value) =>
    typeof value === 'string' &&
    /alpaca|sharegpt|chat|completion|messages|pretrain|text/i.test(value)
      ? undefined
      : 'the form is recognised from the fields: messages, conversations, Alpaca, prompt and completion, text',
  field_messages: conversationFields,
  field: named(['text', 'content'], 'the text is called'),
  message_property_mappings: (value) => mappingFault(value),
  message_field_role: named(['role', 'from'], 'the role is called'),
  message_field_content: named(['content', 'value'], 'the words are called'),
  roles: fine,
  roles_to_train: (value) =>
    [value].flat().every((role) => ['assistant', 'gpt', 'model'].includes(String(role)))
      ? undefined
      : 'the answers of the assistant are trained; train_on: all trains everything',
  train_on_eos: (value) =>
    ['turn', 'all', 'true'].includes(String(value))
      ? undefined
      : 'the end token of each answer is trained',
  train_on_inputs: (value) =>
    value === false ? undefined : 'write train_on: all at the left margin, for all data',
  message_field_training: named(
    ['train', 'weight'],
    'the field that leaves an answer out is called',
  ),
};

function mappingFault(value: unknown): string | undefined {
  if (!isObject(value)) return 'expected role and content';
  const { role = 'role', content = 'content' } = value;
  return fieldFaults['message_field_role'](role) ?? fieldFaults['message_field_content'](content);
}

// ---- LLaMA-Factory's names

interface Named {
  readonly values: Values;
  readonly problems: readonly {
    readonly key: string;
    readonly what: string;
    readonly fix?: string;
  }[];
}

/**
 * The folder as it is named, from the current folder or from that of the configuration; undefined
 * where neither has the file.
 */
function folderWith(
  file: string,
  folder: string,
  configPath: string | undefined,
): string | undefined {
  const here = withHome(folder);
  const beside =
    configPath === undefined || isAbsolute(here) ? [] : [join(dirname(configPath), here)];
  return [here, ...beside].find((path) => existsSync(join(path, file)));
}

/**
 * `dataset: a,b` with the paths that `dataset_info.json` in `dataset_dir` (default `data`) gives to
 * the names.
 */
export function withNamedData(values: Values, configPath: string | undefined): Named {
  const folder = folderWith('dataset_info.json', String(values.dataset_dir ?? 'data'), configPath);
  const info = folder === undefined ? undefined : parsed(join(folder, 'dataset_info.json'));
  if (folder === undefined || info === undefined) return { values, problems: [] };
  const { dataset_dir: _, ...rest } = values;
  const found = (['dataset', 'eval_dataset'] as const).flatMap((key) =>
    namesIn(values[key]).map((name) => ({ key, ...namedFile(name, folder, own(info, name)) })),
  );
  const paths = ['dataset', 'eval_dataset'].flatMap((key) => {
    const files = found.filter((one) => one.key === key).map(({ path }) => path);
    return files.length > 0 ? [[key, files] as const] : [];
  });
  return {
    values: { ...rest, ...Object.fromEntries(paths) },
    problems: found.flatMap(({ key, problem }) =>
      problem === undefined ? [] : [{ key, what: problem, fix: nameAFile }],
    ),
  };
}

const nameAFile = 'Use a file of samples: .jsonl, .json, .csv or .txt.';

const namesIn = (value: unknown): string[] =>
  typeof value === 'string'
    ? value
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '')
    : [];

/** The file that `dataset_info.json` has for a name; a name that it does not have is a path. */
function namedFile(name: string, folder: string, entry: unknown) {
  if (!isObject(entry)) return { path: name };
  const file = typeof entry.file_name === 'string' ? entry.file_name : undefined;
  if (file !== undefined && entry.ranking !== true) return { path: join(folder, file) };
  const what =
    entry.ranking === true
      ? 'is a set of preferences, which are not trained'
      : 'is not a file on this machine';
  return { path: folder, problem: `${name} ${what} (by dataset_info.json)` };
}

// ---- chat templates

/** `chat_template: mine.jinja` with what the file holds. */
export function withTemplateFile(values: Values, configPath: string | undefined): Named {
  const { chat_template: name } = values;
  if (typeof name !== 'string' || !/^[^{]*\.(jinja2?|j2)$/i.test(name.trim()))
    return { values, problems: [] };
  const path = withHome(name.trim());
  const folder =
    folderWith(path, '.', configPath) ?? (isAbsolute(path) && existsSync(path) ? '' : undefined);
  const problem = (what: string, fix?: string): Named => ({
    values,
    problems: [{ key: 'chat_template', what, ...(fix !== undefined && { fix }) }],
  });
  if (folder === undefined)
    return problem(
      `there is no such file: ${path}`,
      "Correct the path, or delete the line to use the tokenizer's own template.",
    );
  try {
    const source = unicodeText(readFileSync(isAbsolute(path) ? path : join(folder, path)));
    return { values: { ...values, chat_template: source }, problems: [] };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return problem(`${path}: ${reason}`, 'Save the template as UTF-8.');
  }
}

// ---- layers

/**
 * Some layers of a model as a regular expression in target_modules: PEFT's `layers_to_transform:
 * [0, 1]`, and mlx-lm's `num_layers: 16`, the last 16, where the base's config.json tells how many
 * there are.
 */
export function withLayers(values: Values, configPath: string | undefined): Values {
  const { layers_to_transform: wanted, num_layers: last, ...rest } = values;
  const some = typeof wanted === 'number' ? [wanted] : wanted;
  if (Array.isArray(some) && some.length > 0 && some.every(Number.isInteger))
    return onLayers({ ...rest, ...(last !== undefined && { num_layers: last }) }, some);
  const base = values.model ?? values.base_model;
  if (typeof last !== 'number' || !(last > 0) || typeof base !== 'string') return values;
  const folder = folderWith('config.json', base, configPath);
  const count = folder === undefined ? undefined : layersOf(parsed(join(folder, 'config.json')));
  if (count === undefined) return values;
  return last >= count
    ? rest
    : onLayers(
        rest,
        Array.from({ length: last }, (_, i) => count - last + i),
      );
}

/** The names that would be targets anyway, in these layers alone. */
function onLayers(
  { target_modules: targets, lora_parameters: block, ...rest }: Values,
  numbers: readonly unknown[],
): Values {
  const { keys, ...parameters } = isObject(block) ? block : {};
  const names = [keys, targets]
    .find(Array.isArray)
    ?.map((name: unknown) => String(name).replaceAll('.', '\\.'));
  const wanted = names === undefined ? '.*' : `(.*\\.)?(${names.join('|')})`;
  const regular = typeof targets === 'string' && !/^all(-linear)?$/.test(targets);
  if (regular)
    return {
      target_modules: targets,
      layers_to_transform: numbers,
      ...(block !== undefined && { lora_parameters: block }),
      ...rest,
    };
  return {
    ...rest,
    ...(block !== undefined && { lora_parameters: parameters }),
    target_modules: `.*\\.layers\\.(${numbers.join('|')})\\.${wanted}`,
  };
}

function layersOf(config: Values | undefined): number | undefined {
  const count =
    config?.num_hidden_layers ??
    (isObject(config?.text_config) ? config.text_config.num_hidden_layers : undefined);
  return typeof count === 'number' ? count : undefined;
}

function parsed(path: string): Values | undefined {
  try {
    const value: unknown = JSON.parse(unicodeText(readFileSync(path)));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // the names are then taken for paths, and what is missing is told
  }
}
