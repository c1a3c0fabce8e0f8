// lora merge: an adapter in the weights of its base model, as a new model folder.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  adapterSource,
  baseFolder,
  type FloatDType,
  mergeLora,
  type MergeLosses,
  narrowingNotes,
  noteOf,
  type Problem,
  readAdapterFolder,
} from '../index.ts';
import { colours } from './colours.ts';
import { choice, type Command } from './command.ts';
import { amount } from './format.ts';
import { whileLayers } from './layer-progress.ts';

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
  const folder = adapterSource(String(adapter), 'merged');
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
