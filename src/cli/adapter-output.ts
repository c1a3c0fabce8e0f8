// What the commands that write an adapter share: their flags, and what they say when it is written.
import {
  type FloatDType,
  type Kept,
  narrowingNotes,
  noteOf,
  type OutputOptions,
  type ResizedLayer,
  UserError,
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

/** Which share of the norm the layers keep, where they do not keep all of it. */
export function shareLines(layers: readonly ResizedLayer[]): string[] {
  const cut = layers.filter(({ to, from }) => to < from);
  if (cut.length === 0) return [];
  const [worst] = [...cut].sort((a, b) => a.share - b.share);
  const mean = cut.reduce((sum, { share }) => sum + share, 0) / cut.length;
  const ranks = [...new Set(cut.map(({ to }) => to))].sort((a, b) => a - b);
  const range = ranks.length === 1 ? `${ranks[0]}` : `${ranks[0]} to ${ranks[ranks.length - 1]}`;
  return [
    `${modulesText(cut.length)} to rank ${range}: ${shareText(mean)} of the norm is kept on average, at least ${shareText(worst.share)} (${worst.name})`,
  ];
}

const shareText = (share: number): string => `${(Math.floor(share * 1e4) / 100).toFixed(2)} %`;

/** `--rank` or `--keep`, one of the two. */
export function keptOf({ rank, keep }: Readonly<Record<string, unknown>>): Kept {
  if ((rank === undefined) === (keep === undefined))
    throw new UserError([
      {
        where: rank === undefined ? '--rank' : '--rank, --keep',
        what: rank === undefined ? 'neither --rank nor --keep is given' : 'both are given',
        fix: 'Give one of the two: --rank 8, or --keep 0.95.',
      },
    ]);
  return rank === undefined
    ? { share: numberOf('--keep', keep) }
    : { rank: numberOf('--rank', rank) };
}

/** Throws UserError for what is not a number. */
export function numberOf(where: string, given: unknown): number {
  const text = String(given).trim();
  const value = Number(text);
  if (text !== '' && Number.isFinite(value)) return value;
  throw new UserError([{ where, what: `"${text}" is not a number` }]);
}
