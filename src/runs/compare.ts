// Two runs beside each other: what they were told, what became of them, what they learnt from.

import type { KnownCheckpoint } from './checkpoints.ts';
import { dataChanges, type DataChanges } from './data-changes.ts';
import { readSamples } from './samples.ts';
import { bestCheckpoint, currentCheckpoint, type KnownRun } from './known-run.ts';
import type { NamedRun } from './run-names.ts';

export interface Compared {
  readonly run: KnownRun;
  /** The checkpoint that was named, else the result. */
  readonly checkpoint?: KnownCheckpoint;
  /** Unlike that of the other one: `brand`, or `brand 20260131-120000`. */
  readonly title: string;
}

/** A value that differs; undefined where a run has none. */
export interface Difference {
  readonly key: string;
  readonly values: readonly [string | undefined, string | undefined];
}

export interface Comparison {
  readonly runs: readonly [Compared, Compared];
  /** Keys of the configuration. */
  readonly settings: readonly Difference[];
  /** What computed. */
  readonly machine: readonly Difference[];
  /** Undefined where a run did not record its samples. */
  readonly data?: DataChanges;
}

/** Compares them as they are recorded; nothing is computed. */
export function compareRuns(first: NamedRun, second: NamedRun): Comparison {
  const [a, b] = [first.run, second.run];
  const [before, after] = [readSamples(a.dir), readSamples(b.dir)];
  const isKnown = before !== undefined && after !== undefined;
  return {
    runs: [compared(first, second), compared(second, first)],
    settings: differences(settingsOf(a), settingsOf(b)),
    machine: differences(machineOf(a), machineOf(b)),
    ...(isKnown && { data: dataChanges(before, after) }),
  };
}

function compared({ run, checkpoint = currentCheckpoint(run) }: NamedRun, other: NamedRun) {
  const own = titlesOf(run, checkpoint);
  const others = titlesOf(other.run, other.checkpoint ?? currentCheckpoint(other.run));
  const title = own.find((one, i) => one !== others[i]) ?? own[0];
  return { run, title, ...(checkpoint !== undefined && { checkpoint }) };
}

const titlesOf = (run: KnownRun, checkpoint: KnownCheckpoint | undefined): string[] => [
  run.name,
  `${run.name} ${run.facts.id}`,
  `${run.name}@${checkpoint?.step ?? ''}`,
  run.dir,
];

// ---- what differs

/** Places, and what follows from another key. */
const apart = new Set(['output_dir', 'output_name', 'backup_dir']);

function settingsOf({ settings }: KnownRun): Map<string, string> {
  const { train_data: sources, train_data_dir: folder } = settings;
  const derived = JSON.stringify([{ path: folder, weight: 1 }]);
  return new Map(
    Object.entries(settings).flatMap(([key, value]): [string, string][] =>
      apart.has(key) || (key === 'train_data' && JSON.stringify(sources) === derived)
        ? []
        : [[key, textOf(value)]],
    ),
  );
}

/** As it would stand in the file, shorter. */
const textOf = (value: unknown): string =>
  typeof value === 'string' && value !== '' ? value : JSON.stringify(value);

const machineOf = ({ facts }: KnownRun): Map<string, string> =>
  new Map([
    ['device', facts.adapter ?? facts.device],
    ['threads', String(facts.threads)],
    ...Object.entries(facts.versions).map(([key, value]) => [key, String(value)] as const),
  ]);

/** In the order of the first, then what only the second has. */
function differences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): Difference[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .map((key): Difference => ({ key, values: [a.get(key), b.get(key)] }))
    .filter(({ values: [one, other] }) => one !== other);
}

// ---- figures

export interface ComparedFigure {
  readonly name: string;
  readonly values: readonly [string, string];
}

/** How each went, the same rows for the terminal and the page. */
export function comparedFigures({ runs }: Comparison): ComparedFigure[] {
  const row = (name: string, value: (one: KnownRun) => string): ComparedFigure => ({
    name,
    values: [value(runs[0].run), value(runs[1].run)],
  });
  return [
    row('state', ({ state }) => state),
    row(
      'steps',
      ({ step, totalSteps }) => `${step}${totalSteps === undefined ? '' : ` of ${totalSteps}`}`,
    ),
    row('loss at the end', ({ loss }) => numberText(loss)),
    row('held back, at the end', ({ metrics }) => numberText(metrics.validations.at(-1)?.loss)),
    row('held back, at best', bestText),
    row('came from', ({ facts }) => facts.parent?.from ?? '–'),
  ].filter(({ values }) => values.some((value) => value !== '–'));
}

const numberText = (value: number | undefined): string =>
  value === undefined ? '–' : Number.isFinite(value) ? value.toPrecision(4) : String(value);

function bestText(run: KnownRun): string {
  const best = bestCheckpoint(run);
  return best === undefined ? '–' : `${numberText(best.validationLoss)}, step ${best.step}`;
}
