// The rows of bench/gpu.ts as text: one line a measurement, then where our steps go, then what the
// whole job would take.

import type { OursProfile, OursTimes } from './ours.ts';

/** What was measured of one case by one program, or why nothing was. */
export interface Row {
  /** As `caseTitle` has it. */
  readonly title: string;
  /** `ours`, `PyTorch f32`. */
  readonly by: string;
  /** Why there is no number, or not all of them. */
  readonly failed?: string;
  /** Milliseconds: the first step, and the median of those timed. */
  readonly firstMs?: number;
  readonly stepMs?: number;
  readonly steps?: number;
  /** Beside what the card held before; absent where nothing tells. */
  readonly deviceMiB?: number;
  readonly hostMiB?: number;
  readonly loss?: number;
  readonly gradientNorm?: number;
  /** Ours alone. */
  readonly bus?: Pick<OursTimes, 'busIn' | 'busOut'>;
  readonly profile?: OursProfile;
  /** How PyTorch lays out pictures, and what its allocator says of itself. */
  readonly note?: string;
}

export const OURS = 'ours, f32';

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

const NONE = '–';

interface Column {
  readonly head: string;
  readonly cell: (row: Row, all: readonly Row[]) => string | undefined;
}

const fixed = (value: number | undefined, digits = 0): string | undefined =>
  value === undefined || !Number.isFinite(value) ? undefined : value.toFixed(digits);

/** Milliseconds with as many digits as they deserve. */
const ms = (value: number | undefined): string | undefined =>
  fixed(value, value !== undefined && value < 100 ? 1 : 0);

/**
 * Of a step, the time without any kernel. The profiled step is slower than those timed, so that its
 * kernels may be longer than these where the processor computes: then of the profiled one.
 */
function idle({ stepMs, profile }: Row): number | undefined {
  if (stepMs === undefined || profile === undefined) return undefined;
  const { kernelMs, profiledMs } = profile;
  return (stepMs > kernelMs ? stepMs : profiledMs) - kernelMs;
}

const columns: readonly Column[] = [
  { head: 'case', cell: ({ title }) => title },
  { head: 'by', cell: ({ by }) => by },
  { head: 'step ms', cell: ({ stepMs }) => ms(stepMs) },
  { head: 'first s', cell: ({ firstMs }) => fixed(firstMs && firstMs / 1000, 1) },
  { head: 'device MiB', cell: ({ deviceMiB }) => fixed(deviceMiB) },
  { head: 'host MiB', cell: ({ hostMiB }) => fixed(hostMiB) },
  { head: 'kernels ms', cell: ({ profile }) => ms(profile?.kernelMs) },
  { head: 'none ms', cell: (row) => ms(idle(row)) },
  { head: 'in MB', cell: ({ bus }) => fixed(bus && bus.busIn / 1e6, 1) },
  { head: 'out MB', cell: ({ bus }) => fixed(bus && bus.busOut / 1e6, 1) },
  { head: 'loss off', cell: (row, all) => off(row, all, 'loss') },
  { head: 'gradient off', cell: (row, all) => off(row, all, 'gradientNorm') },
];

/** From PyTorch's f32, as a part of it. */
function off(row: Row, all: readonly Row[], key: 'loss' | 'gradientNorm'): string | undefined {
  const [found, wanted] = [row[key], beside(row, all, 'PyTorch f32')?.[key]];
  if (found === undefined || wanted === undefined || row.by === 'PyTorch f32') return undefined;
  return (Math.abs(found - wanted) / Math.abs(wanted)).toExponential(1);
}

const beside = ({ title }: Row, all: readonly Row[], by: string): Row | undefined =>
  all.find((one) => one.title === title && one.by === by);

/** The lines of the table: a row without numbers says why. */
export function table(rows: readonly Row[]): string[] {
  const cells = rows.map((row) =>
    row.stepMs === undefined
      ? [row.title, row.by, row.failed ?? NONE]
      : columns.map(({ cell }) => cell(row, rows) ?? NONE),
  );
  const whole = cells.filter(({ length }) => length === columns.length);
  const widths = columns.map(({ head }, i) =>
    Math.max(head.length, ...(i < 2 ? cells : whole).map((row) => row[i].length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) =>
        i < 2 || row.length < columns.length ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
      )
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ head }) => head)), ...cells.map(line), ...reservations(rows)];
}

/** What went wrong after the steps were timed. */
const reservations = (rows: readonly Row[]): string[] =>
  rows.flatMap(({ title, by, failed, stepMs }) =>
    failed === undefined || stepMs === undefined ? [] : [`  ${title}, ${by}: ${failed}`],
  );

/** Where our steps go, by operator: `SD 1.5 b1: Conv 41 % (98), MatMul 22 % (301), …`. */
export function shares(rows: readonly Row[], top = 8): string[] {
  return rows.flatMap(({ title, profile }) => {
    if (profile === undefined || profile.kernelMs <= 0) return [];
    const parts = profile.operators
      .slice(0, top)
      .map(
        ({ type, count, milliseconds }) =>
          `${type} ${((100 * milliseconds) / profile.kernelMs).toFixed(0)} % (${count})`,
      );
    const rest = profile.operators.length - parts.length;
    const more = rest > 0 ? `, ${rest} others` : '';
    return [`${title}: ${profile.kernels} kernels; ${parts.join(', ')}${more}`];
  });
}

/** Ours beside PyTorch, case by case; no line where one of the two is missing. */
export function comparisons(rows: readonly Row[]): string[] {
  return rows
    .filter(({ by }) => by === OURS)
    .flatMap((mine) => {
      const times = ['f32', 'TF32', 'bf16'].flatMap((precision) => {
        const other = beside(mine, rows, `PyTorch ${precision}`)?.stepMs;
        if (mine.stepMs === undefined || other === undefined) return [];
        return [`${(mine.stepMs / other).toFixed(2)} of its ${precision} time`];
      });
      const memory = beside(mine, rows, 'PyTorch f32')?.deviceMiB;
      const part =
        mine.deviceMiB === undefined || memory === undefined || memory <= 0
          ? []
          : [`${(mine.deviceMiB / memory).toFixed(2)} of its f32 memory`];
      const all = [...times, ...part];
      return all.length === 0 ? [] : [`${mine.title}: ${all.join(', ')}`];
    });
}

/** Pictures of a common job: 45 of them, 50 epochs. */
export const PICTURE_STEPS = 2250;

/** How long that job takes, from the step of each batch. */
export function jobs(
  rows: readonly (Row & { readonly batch: number; readonly pictures: boolean })[],
): string[] {
  return rows.flatMap(({ title, by, stepMs, batch, pictures }) => {
    if (!pictures || by !== OURS || stepMs === undefined) return [];
    const minutes = (PICTURE_STEPS * stepMs) / batch / 60_000;
    return [`${PICTURE_STEPS} picture-steps, ${title}: ${minutes.toFixed(1)} minutes`];
  });
}
