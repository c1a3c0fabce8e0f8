// lora merge: an adapter in the weights of its base model, as a new model folder.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  baseFolder,
  exportSource,
  type FloatDType,
  mergeLora,
  type MergeLosses,
  narrowingNotes,
  readAdapterFolder,
  UserError,
} from '../index.ts';
import { colours } from './colours.ts';
import { choice, type Command } from './command.ts';
import { amount } from './format.ts';

export const mergeCommand: Command = {
  name: 'merge',
  summary: 'Merge an adapter into its language model: a folder that no longer needs the adapter',
  arguments: [
    {
      name: '<adapter>',
      key: 'adapter',
      description: 'folder of the adapter (with adapter_config.json)',
    },
  ],
  flags: [
    {
      flags: '-b, --base <folder>',
      key: 'base',
      description: 'folder of the base model; by default the one that the adapter names',
    },
    {
      flags: '-o, --output <folder>',
      key: 'output',
      description: 'the folder to write',
      required: true,
    },
    {
      flags: '--dtype <type>',
      key: 'dtype',
      description:
        'float32, float16 or bfloat16; by default each weight keeps the type it has in the base model',
    },
  ],
  examples: [
    'lora merge output/support_lora --output output/merged',
    'lora export --to gguf output/merged',
  ],
  run,
};

function run({ adapter, base, output, dtype }: Readonly<Record<string, unknown>>): number {
  const to = String(output);
  const folder = adapterFolder(String(adapter));
  const lora = readAdapterFolder(folder);
  const from = baseFolder({
    folder,
    named: lora.baseModel,
    ...(base !== undefined && { given: String(base) }),
  });
  const type: FloatDType | undefined =
    dtype === undefined
      ? undefined
      : choice('--dtype', String(dtype), ['float32', 'float16', 'bfloat16']);
  const losses = mergeLora({
    base: from,
    lora,
    output: to,
    ...(lora.chatTemplate !== undefined && { chatTemplate: lora.chatTemplate }),
    ...(type !== undefined && { dtype: type }),
  });
  const files = readdirSync(to)
    .sort()
    .filter((name) => name.endsWith('.safetensors'));
  process.stdout.write(
    `${colours.green('✓')} ${join(to, files[0])}${files.length > 1 ? ` and ${files.length - 1} more` : ''}: ${amount(lora.modules.length)} layers of ${from} changed\n${lossLines(losses)}  ${colours.dim(`lora export --to gguf ${to}`)}\n`,
  );
  return 0;
}

/** What the types of the weights could not hold, a line each. */
function lossLines({ changes, lostChanges, narrowings }: MergeLosses): string {
  const share = Math.round((lostChanges / changes) * 100);
  const lines = [
    ...narrowingNotes(narrowings),
    ...(share > 0
      ? [
          `${share} % of the changes are too small for the types of the weights and are lost; --dtype float32 keeps them`,
        ]
      : []),
  ];
  return lines.map((line) => `  ${line}\n`).join('');
}

function adapterFolder(path: string): string {
  const source = exportSource(path);
  if (source.kind === 'adapter') return source.folder;
  const what =
    source.kind === 'model'
      ? 'this is a complete model, not an adapter'
      : `this is an adapter for pictures (Stable Diffusion, ${source.layers} layers); only adapters of language models can be merged`;
  throw new UserError([
    { where: path, what, fix: 'Name the folder of an adapter, with adapter_config.json.' },
  ]);
}
