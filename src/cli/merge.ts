// lora merge: an adapter in the weights of its base model, as a new model folder.
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  adapterSource,
  mergeAdapters,
  mergeIntoBase,
  type MergeIntoBaseOptions,
  UserError,
  baseFolder,
  type FloatDType,
  mergeLora,
  type MergeLosses,
  narrowingNotes,
  openAdapter,
  noteOf,
  type Problem,
  readAdapterFolder,
} from '../index.ts';
import { modulesText, numberOf, shareLines, tellWritten } from './adapter-output.ts';
import { colours } from './colours.ts';
import { choice, type Command } from './command.ts';
import { amount } from './format.ts';
import { whileLayers } from './layer-progress.ts';

export const mergeCommand: Command = {
  name: 'merge',
  summary:
    'Merge an adapter into its base model: a model that no longer needs it; or adapters for pictures into one',
  arguments: [
    {
      name: '<adapters...>',
      key: 'adapters',
      description: 'folder of an adapter of a language model; or files of adapters for pictures',
    },
  ],
  flags: [
    {
      flags: '-b, --base <path>',
      key: 'base',
      description:
        'the base model to merge into; of a language model by default the one that the adapter names',
    },
    {
      flags: '-o, --output <path>',
      key: 'output',
      description: 'the file or the new folder to write',
      required: true,
    },
    {
      flags: '--weights <numbers>',
      key: 'weights',
      description: 'how strongly each adapter for pictures acts: 0.7,0.3; by default 1',
    },
    {
      flags: '--rank <number>',
      key: 'rank',
      description:
        'of adapters for pictures merged into one: the best of this rank, by SVD; by default exact, the ranks add up',
    },
    {
      flags: '--dtype <type>',
      key: 'dtype',
      description:
        'float32, float16 or bfloat16; by default each weight keeps the type it has in the base model',
    },
    { flags: '--force', key: 'force', description: 'replace a file of that name' },
  ],
  examples: [
    'lora merge output/support_lora --output output/merged',
    'lora export --to gguf output/merged',
    'lora merge a.safetensors b.safetensors --weights 0.7,0.3 --output both.safetensors',
    'lora merge a.safetensors --base model.safetensors --output with_a.safetensors',
  ],
  run(given) {
    const paths = [given.adapters].flat().map(String);
    return isForPictures(paths) ? runPictures(paths, given) : run(paths, given);
  },
};

type Given = Readonly<Record<string, unknown>>;

function run([adapter, ...more]: readonly string[], given: Given): number {
  const { base, output } = given;
  refuseOfPictures(more, given);
  const to = String(output);
  const folder = adapterSource(adapter, 'merged');
  const lora = readAdapterFolder(folder);
  const from = baseFolder({
    folder,
    named: lora.baseModel,
    ...(base !== undefined && { given: String(base) }),
  });
  const type = typeOf(given);
  const losses = whileLayers((onLayer) =>
    mergeLora({
      onLayer,
      base: from,
      lora,
      output: to,
      ...(lora.chatTemplate !== undefined && { chatTemplate: lora.chatTemplate }),
      ...(type !== undefined && { dtype: type }),
    }),
  );
  const files = readdirSync(to)
    .sort()
    .filter((name) => name.endsWith('.safetensors'));
  process.stdout.write(
    `${colours.green('✓')} ${join(to, files[0])}${files.length > 1 ? ` and ${files.length - 1} more` : ''}: ${amount(lora.modules.length)} layers of ${from} changed\n${noteLines(losses, lora.warnings, type)}  ${colours.dim(`lora export --to gguf ${to}`)}\n`,
  );
  return 0;
}

/** What could not be checked, is no part of the model or does not fit its types, a line each. */
function noteLines(
  { changes, lostChanges, narrowings, warnings }: MergeLosses,
  ofAdapter: readonly Problem[],
  type: FloatDType | undefined,
): string {
  const share = Math.round((lostChanges / changes) * 100);
  const lines = [
    ...[...ofAdapter, ...warnings].map(noteOf),
    ...narrowingNotes(narrowings),
    ...(share > 0
      ? [
          `${share} % of the changes are too small for the types of the weights and are lost${type === 'float32' ? '' : '; --dtype float32 keeps them'}`,
        ]
      : []),
  ];
  return lines.map((line) => `  ${line}\n`).join('');
}

const typeOf = ({ dtype }: Given): FloatDType | undefined =>
  dtype === undefined
    ? undefined
    : choice('--dtype', String(dtype), ['float32', 'float16', 'bfloat16']);

/** What has no meaning for an adapter of a language model. */
function refuseOfPictures(more: readonly string[], { weights, rank }: Given): void {
  const found = [
    ...(more.length > 0 ? [more[0]] : []),
    ...(weights === undefined ? [] : ['--weights']),
    ...(rank === undefined ? [] : ['--rank']),
  ];
  if (found.length === 0) return;
  const what = 'only adapters for pictures are merged with one another, at weights or to a rank';
  throw new UserError([{ where: found.join(', '), what, fix: 'Merge one adapter at a time.' }]);
}

// ---- pictures

/** What lies at the first decides; faults of a language model's folder are for its own reader. */
function isForPictures([first]: readonly string[]): boolean {
  try {
    return openAdapter(first).of === 'pictures';
  } catch (error) {
    if (isLanguageFolder(first)) return false;
    throw error;
  }
}

const OF_LANGUAGE = ['adapter_config.json', 'config.json', 'run.json'];

/** Or one in which there is nothing at all. */
function isLanguageFolder(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  const names = readdirSync(found.isFile() ? dirname(path) : path);
  const isEmpty = found.isDirectory() && !names.some((name) => /\.safetensors$/i.test(name));
  return isEmpty || OF_LANGUAGE.some((name) => names.includes(name));
}

function runPictures(paths: readonly string[], given: Given): number {
  const { base, output, rank, force } = given;
  const type = typeOf(given);
  const options = {
    paths,
    output: String(output),
    force: force === true,
    ...(given.weights !== undefined && { weights: numbersIn(String(given.weights)) }),
    ...(type !== undefined && { dtype: type }),
  };
  if (base !== undefined) return intoBase({ ...options, base: String(base) }, rank);
  if (paths.length === 1 && given.weights === undefined)
    throw new UserError([
      {
        where: paths[0],
        what: 'one adapter alone is not merged with anything',
        fix: 'Name its base model with --base, or a second adapter.',
      },
    ]);
  const merged = whileLayers(
    (onProgress) =>
      mergeAdapters({
        ...options,
        onProgress,
        ...(rank !== undefined && { rank: numberOf('--rank', rank) }),
      }),
    'merging the layers',
  );
  tellWritten(
    merged,
    `${modulesText(merged.modules)} of ${paths.join(' and ')}`,
    shareLines(merged.layers),
  );
  return 0;
}

const numbersIn = (text: string): number[] =>
  text.split(',').map((part) => numberOf('--weights', part));

function intoBase(options: Omit<MergeIntoBaseOptions, 'onProgress'>, rank: unknown): number {
  if (rank !== undefined)
    throw new UserError([
      {
        where: '--rank',
        what: 'has no effect where adapters are merged into a base',
        fix: 'Leave it out.',
      },
    ]);
  const merged = whileLayers(
    (onProgress) => mergeIntoBase({ ...options, onProgress }),
    'writing the tensors',
  );
  const { layers } = merged;
  process.stdout.write(
    `${colours.green('✓')} ${options.output}: ${amount(layers)} layers of ${options.base} changed\n${noteLines(merged, [], options.dtype)}`,
  );
  return 0;
}
