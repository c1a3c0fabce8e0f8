// What the commands that write an adapter share: their flags, and what they say when it is written.
import {
  type FloatDType,
  narrowingNotes,
  noteOf,
  type OutputOptions,
  type WrittenAdapter,
} from '../index.ts';
import { colours } from './colours.ts';
import { choice, type CommandFlag } from './command.ts';
import { amount } from './format.ts';

type Given = Readonly<Record<string, unknown>>;

export const outputFlags: readonly CommandFlag[] = [
  {
    flags: '-o, --output <path>',
    key: 'output',
    description: 'the file to write; for peft its folder',
    required: true,
  },
  {
    flags: '--precision <type>',
    key: 'precision',
    description: 'float32, float16 or bfloat16; by default each factor keeps the type it has',
  },
  { flags: '--force', key: 'force', description: 'replace a file of that name' },
];

/** Of these flags. Throws UserError for a type that is not known. */
export function outputOptions({ output, precision, force }: Given): OutputOptions {
  const types = ['float32', 'float16', 'bfloat16'] as const satisfies readonly FloatDType[];
  return {
    output: String(output),
    force: force === true,
    ...(precision !== undefined && { dtype: choice('--precision', String(precision), types) }),
  };
}

/** The file, and what is to be known of it, a line each. */
export function tellWritten(
  { files, narrowings, warnings }: WrittenAdapter,
  what: string,
  more: readonly string[] = [],
): void {
  const rest = files.length > 1 ? ` and ${files.length - 1} more` : '';
  const lines = [...more, ...warnings.map(noteOf), ...narrowingNotes(narrowings)];
  process.stdout.write(
    `${colours.green('✓')} ${files[0]}${rest}: ${what}\n${lines.map((line) => `  ${line}\n`).join('')}`,
  );
}

/** `264 modules`. */
export const modulesText = (count: number): string =>
  `${amount(count)} ${count === 1 ? 'module' : 'modules'}`;
