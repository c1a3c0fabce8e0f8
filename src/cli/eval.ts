// lora eval: questions to a language model without and with its adapter, and whether it has become
// better.
import { join } from 'node:path';
import {
  ConfigError,
  type ConfigSource,
  deviceNamed,
  devices,
  type EvalResult,
  evaluate,
  type EvaluateOptions,
  evaluationFiles,
  exportSource,
  loadConfig,
  placeOf,
  requireOutputPath,
  UserError,
  writeFilesTogether,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { evalLines } from './eval-lines.ts';
import { layerPhase } from './layer-progress.ts';
import { type Placed, placedIn } from './places.ts';
import { createProgress } from './progress.ts';

export const evalCommand: Command = {
  name: 'eval',
  summary:
    'Ask a language model questions without and with its adapter: better, same, worse, or forgot',
  arguments: [
    {
      name: '[adapter]',
      key: 'adapter',
      description:
        "folder of the adapter, or its adapter_model.safetensors; by default the configuration's output_dir",
    },
  ],
  flags: [
    {
      flags: '-c, --config <file>',
      key: 'config',
      description:
        'the YAML file of the training; options that are not given here are taken from it',
    },
    {
      flags: '-b, --base <folder>',
      key: 'base_model',
      description: 'folder of the base model; by default the one that the adapter names',
    },
    {
      flags: '-q, --eval-path <file>',
      key: 'eval_path',
      description: 'questions with expected answers: .yaml, .json, .jsonl or .csv (docs/eval.md)',
    },
    {
      flags: '--eval-general-path <file>',
      key: 'eval_general_path',
      description: 'questions about other subjects, which show what was forgotten',
    },
    {
      flags: '--data <file>',
      key: 'data',
      description:
        'training data, of whose held-out share the questions are made (can be given several times)',
      repeatable: true,
    },
    {
      flags: '--validation-split <share>',
      key: 'validation_split',
      description: 'share of --data that is held out, as in training; by default 0.1',
    },
    {
      flags: '--seed <number>',
      key: 'seed',
      description: 'seed of the training, so that the same samples are held out',
    },
    {
      flags: '--chat-template <name>',
      key: 'chat_template',
      description:
        "chat template, as in training; by default the one beside the adapter, else the tokenizer's own",
    },
    {
      flags: '--max-seq-length <tokens>',
      key: 'max_seq_length',
      description: 'the most tokens that question and answer may have together',
    },
    {
      flags: '--max-new-tokens <tokens>',
      key: 'max_new_tokens',
      description: 'the most tokens that an answer may have; by default 256',
    },
    {
      flags: '--device <device>',
      key: 'device',
      description: `what computes: ${devices.join(', ')}; by default auto`,
    },
    {
      flags: '--num-threads <number>',
      key: 'num_threads',
      description: 'number of threads; by default one for each core',
    },
    {
      flags: '--show <number>',
      key: 'show',
      description: 'number of answers to show here, or all; by default 5',
    },
    {
      flags: '-o, --output <folder>',
      key: 'output',
      description: "folder for eval.html and eval.json; by default the adapter's",
    },
  ],
  examples: [
    'lora eval output/support_lora --eval-path data/customer_service/eval.jsonl',
    'lora eval --config configs/llm_lora_config.yaml --show all',
  ],
  run,
};

type Given = Readonly<Record<string, unknown>>;
const noKeys: Given = {};

async function run(given: Given): Promise<number> {
  const { adapter, placed, ...options } = optionsOf(given);
  const folder = typeof given.output === 'string' ? given.output : folderOf(adapter);
  requireOutputPath(folder);
  const show =
    given.show === undefined
      ? undefined
      : given.show === 'all'
        ? Infinity
        : numberOf('--show', given.show, 0);
  const result = await placing(placed, () => shown(options, placed));
  if (result === undefined) return 1;
  const contents = new Map(
    Array.from(evaluationFiles(result), ([name, content]) => [join(folder, name), content]),
  );
  writeFilesTogether(contents);
  const files = [...contents.keys()];
  const lines = evalLines(result, {
    columns: process.stdout.columns,
    ...(show === undefined ? {} : { show }),
  });
  process.stdout.write(
    `\n${lines.join('\n')}\n${colours.green('✓')} all answers: ${files.join(', ')}\n`,
  );
  return 0;
}

async function shown(options: EvaluateOptions, placed: Placed): Promise<EvalResult | undefined> {
  const progress = createProgress(process.stdout);
  const onLayer = (done: number, total: number) => progress.show(layerPhase(done, total));
  const { model } = options;
  const events = evaluate(
    'adapter' in model ? { ...options, model: { ...model, onLayer } } : options,
  );
  try {
    while (true) {
      const next = await events.next();
      if (next.done === true) return next.value;
      const { value } = next;
      if (value.type !== 'judged')
        progress.show(
          value.type === 'warning' ? { ...value, problem: placed(value.problem) } : value,
        );
      // the display draws, and Ctrl+C is heard, between two questions
      await new Promise(setImmediate);
    }
  } finally {
    progress.close();
  }
}

function folderOf(adapter: string): string {
  const source = exportSource(adapter);
  return source.kind === 'adapter' ? source.folder : '.';
}

// ---- options

type Options = EvaluateOptions & { readonly adapter: string; readonly placed: Placed };

async function placing<T>(placed: Placed, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? error.withEach(placed) : error;
  }
}

/** Flags first, then the configuration. Throws ConfigError with everything that is missing. */
function optionsOf(given: Given): Options {
  const { config, source } =
    typeof given.config === 'string'
      ? textConfig(given.config)
      : { config: noKeys, source: undefined };
  const value = (key: string): unknown => given[key] ?? config[key];
  const text = (key: string): string | undefined =>
    typeof value(key) === 'string' && value(key) !== '' ? String(value(key)) : undefined;
  const number = (key: string, min: number, max?: number): number | undefined =>
    value(key) === undefined
      ? undefined
      : numberOf(`--${key.replaceAll('_', '-')}`, value(key), min, max);
  const device = text('device');
  const adapter = text('adapter') ?? text('output_dir');
  const questions = questionsOf(given, config, text, number);
  if (adapter === undefined || questions === undefined)
    throw missing(adapter === undefined, questions === undefined);
  const files = {
    baseModel: text('base_model'),
    chatTemplate: text('chat_template'),
    maxSeqLength: number('max_seq_length', 2),
    maxNewTokens: number('max_new_tokens', 1),
    device: device === undefined ? undefined : deviceNamed(device, '--device'),
    threads: number('num_threads', 1),
  };
  return {
    adapter,
    placed: placedIn(evalCommand, given, source),
    model: { adapter, ...files },
    questions,
    general: text('eval_general_path'),
  };
}

function textConfig(path: string): { readonly config: Given; readonly source: ConfigSource } {
  const { config, source } = loadConfig(path);
  if (config.task_type === 'text-generation') return { config: { ...config }, source };
  throw new ConfigError([
    {
      where: placeOf('task_type', source),
      what: `is ${config.task_type}; lora eval is for language models only`,
      fix: 'Name the file of a run with task_type: text-generation.',
    },
  ]);
}

/**
 * What is named on the command line goes before the configuration; there, a file of questions
 * before held-out data.
 */
function questionsOf(
  given: Given,
  config: Given,
  text: (key: string) => string | undefined,
  number: (key: string, min: number, max?: number) => number | undefined,
): EvaluateOptions['questions'] | undefined {
  const data = Array.isArray(given.data)
    ? given.data.map((path) => ({ path: String(path) }))
    : undefined;
  const questions = text('eval_path');
  if (data === undefined && questions !== undefined) return questions;
  const [share, seed] = [number('validation_split', 0, 0.9) || 0.1, number('seed', 0) ?? 42];
  if (data !== undefined) return { sources: data, share, seed };
  const { train_data: sources, validation_data: files, validation_split } = config;
  if (
    !Array.isArray(sources) ||
    !Array.isArray(files) ||
    (files.length === 0 && !(Number(validation_split) > 0))
  )
    return undefined;
  const adapter = text('adapter') ?? text('output_dir');
  return {
    sources,
    validationSources: files.map((path) => ({ path: String(path) })),
    share,
    seed,
    ...(adapter !== undefined && { adapter }),
  };
}

function missing(adapter: boolean, questions: boolean): ConfigError {
  return new ConfigError([
    ...(adapter
      ? [
          {
            where: 'adapter',
            what: 'is not given',
            fix: 'Name its folder: lora eval output/support_lora …',
          },
        ]
      : []),
    ...(questions
      ? [
          {
            where: '--eval-path',
            what: 'there are no questions to ask',
            fix: 'Name a file of questions, or the training data with --data. docs/eval.md shows one.',
          },
        ]
      : []),
  ]);
}

function numberOf(
  where: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const number = Number(value);
  if (Number.isFinite(number) && number >= min && number <= max) return number;
  throw new ConfigError([
    {
      where,
      what: `is "${String(value)}", not a number ${max < 1e9 ? `from ${min} to ${max}` : `of at least ${min}`}`,
    },
  ]);
}
