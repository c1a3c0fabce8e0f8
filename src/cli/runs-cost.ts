// lora runs cost: what runs have taken together, from the accounts in their folders.
import {
  type CostOfRuns,
  costOfRuns,
  type KnownRun,
  kilowattHours,
  namedRuns,
  shownProblem,
  withCodes,
} from '../index.ts';
import { energy, money } from './account-lines.ts';
import { colours } from './colours.ts';
import type { Command } from './command.ts';
import { bytes, duration } from './format.ts';
import { jsonFlag } from './runs.ts';
import { tableLines, type Column } from './table.ts';

export const runsCostCommand: Command = {
  name: 'runs cost',
  summary: 'Add up time, energy and cost of runs, interrupted ones too',
  arguments: [
    {
      name: '[runs...]',
      key: 'runs',
      description:
        'names, ids or folders, also with several runs in them; by default every run below the current folder',
    },
  ],
  flags: [jsonFlag],
  examples: ['lora runs cost', 'lora runs cost brand_lora --json'],
  run,
};

function run({ runs: names, json }: Readonly<Record<string, unknown>>): number {
  const given = Array.isArray(names) ? names.map(String) : [];
  const { runs } = namedRuns(given);
  const costs = costOfRuns(runs.map(({ dir }) => dir));
  const text = json === true ? jsonText(costs) : shownText(costs, runs);
  process.stdout.write(text);
  return 0;
}

function jsonText({ runs, total, ...rest }: CostOfRuns): string {
  const withKwh = <T extends { readonly joules: number }>(one: T) => ({
    ...one,
    kilowattHours: kilowattHours(one.joules),
  });
  return `${JSON.stringify({ runs: runs.map(withKwh), total: withKwh(total), ...rest }, null, 2)}\n`;
}

const heads: readonly Column[] = [
  { head: 'NAME', gives: true },
  { head: 'STARTS', right: true },
  { head: 'TIME', right: true },
  { head: 'ENERGY', right: true },
  { head: 'COST', right: true },
  { head: 'PEAK MEMORY', right: true },
];

function shownText({ runs, total, without, problems }: CostOfRuns, known: readonly KnownRun[]) {
  const names = new Map(known.map(({ dir, name }) => [dir, name]));
  const rows = [
    ...runs.map((one) => [
      withCodes(names.get(one.dir) ?? one.dir),
      String(one.starts),
      ...figures(one),
      one.peakMemory === undefined ? '–' : bytes(one.peakMemory),
    ]),
    ['all', String(runs.reduce((sum, { starts }) => sum + starts, 0)), ...figures(total), ''],
  ];
  const lines = [
    ...problems.map((problem) => shownProblem(problem)),
    ...(runs.length === 0
      ? ['No run here has an account. lora train keeps one, in account.json of its folder.']
      : tableLines(heads, rows, (process.stdout.columns ?? 80) - 1)),
    ...notes(total, without.length).map((note) => colours.dim(note)),
  ];
  return `${lines.join('\n')}\n`;
}

const figures = ({ seconds, joules, costs }: CostOfRuns['total']): string[] => [
  duration(seconds),
  energy(joules),
  costs.length === 0 ? '–' : costs.map(money).join(' + '),
];

const notes = ({ power, unpriced }: CostOfRuns['total'], without: number): string[] => [
  ...(power.length === 0 ? [] : [`Energy: ${power.join('; ')}.`]),
  ...(unpriced === 0 ? [] : [`${starts(unpriced)} no price: price_per_kwh gives one.`]),
  ...(without === 0 ? [] : [`${without} more without an account, made by an earlier version.`]),
];

const starts = (count: number): string => (count === 1 ? '1 start has' : `${count} starts have`);
