// lora runs: the runs below a folder, the one that began last first.
import { existsSync } from 'node:fs';
import {
  bestCheckpoint,
  describeRun,
  findRuns,
  type FoundRuns,
  type KnownRun,
  type Problem,
  type Standing,
  UserError,
  withCodes,
} from '../index.ts';
import { colours } from './colours.ts';
import type { Command, CommandFlag } from './command.ts';
import { ago, cut, fileSize, loss } from './format.ts';
import { tableLines, type Column } from './table.ts';
import { warningLines } from './describe.ts';

/** Of every command that can. */
export const jsonFlag: CommandFlag = {
  flags: '--json',
  key: 'json',
  description: 'print it as JSON, for programs',
};

export const runsCommand: Command = {
  name: 'runs',
  summary: 'List the runs below a folder; compare, tag, take back and remove them',
  arguments: [
    {
      name: '[folders...]',
      key: 'folders',
      description: 'where to look; by default below the current folder',
    },
  ],
  flags: [jsonFlag],
  examples: ['lora runs', 'lora runs output/brand_lora', 'lora runs show brand_lora'],
  run,
};

function run({ folders, json }: Readonly<Record<string, unknown>>): number {
  const given = Array.isArray(folders) ? folders.map(String) : [];
  requireFolders(given);
  const found = findRuns(given.length > 0 ? given : ['.']);
  const text = json === true ? jsonText(found) : listText(found, process.stdout.columns);
  process.stdout.write(text);
  return 0;
}

function requireFolders(folders: readonly string[]): void {
  const problems = folders
    .filter((folder) => !existsSync(folder))
    .map((where): Problem => ({
      where,
      what: 'there is no such folder, and no such command',
      fix: 'lora runs --help lists the commands.',
    }));
  if (problems.length > 0) throw new UserError(problems);
}

const jsonText = ({ runs, problems }: FoundRuns): string =>
  `${JSON.stringify({ runs: runs.map(describeRun), problems }, null, 2)}\n`;

function listText({ runs, problems }: FoundRuns, columns = 80): string {
  const warnings = problems.flatMap((problem) => warningLines({ type: 'warning', problem }));
  const lines =
    runs.length === 0
      ? ['No runs here. lora train makes one, in its output_dir; lora runs FOLDER looks elsewhere.']
      : runLines(runs, Math.max(40, columns), Date.now());
  return `${[...warnings, ...lines].join('\n')}\n`;
}

const heads: readonly Column[] = [
  { head: 'NAME', gives: true },
  { head: 'STATE' },
  { head: 'STEPS', right: true },
  { head: 'LOSS', right: true },
  { head: 'BEST', right: true },
  { head: 'SIZE', right: true },
  { head: 'WHEN' },
];

export const paints: Readonly<Record<Standing, (text: string) => string>> = {
  running: colours.cyan,
  interrupted: colours.yellow,
  done: colours.green,
  diverged: colours.red,
};

/** Two lines for each run: the figures, then what it was made from. */
export function runLines(runs: readonly KnownRun[], width: number, now: number): string[] {
  const rows = runs.map((one) => [
    withCodes(one.name),
    { text: one.state, paint: paints[one.state] },
    stepsText(one),
    one.loss === undefined ? '–' : loss(one.loss),
    bestText(one),
    fileSize(one.bytes),
    ago(one.at, now),
  ]);
  const [head, ...lines] = tableLines(heads, rows, width - 1);
  return [
    head,
    ...lines.flatMap((line, i) => [line, colours.dim(cut(`  ${originText(runs[i])}`, width - 1))]),
  ];
}

export const stepsText = ({ step, totalSteps }: KnownRun): string =>
  totalSteps === undefined ? String(step) : `${step}/${totalSteps}`;

/** `0.0312@400`: the loss on what was held back, and the step of the checkpoint. */
function bestText(run: KnownRun): string {
  const best = bestCheckpoint(run);
  if (best?.validationLoss === undefined) return '–';
  return `${best.validationLoss.toPrecision(3)}@${best.step}`;
}

/** The id, the base, the data, and the run that it came from. */
function originText(run: KnownRun): string {
  const { facts, base, data } = run;
  const more = data.length > 1 ? ` and ${data.length - 1} more` : '';
  const parts = [
    facts.id,
    ...(base === undefined ? [] : [base]),
    ...(data.length === 0 ? [] : [`${data[0]}${more}`]),
    ...(facts.parent === undefined ? [] : [`from ${parentText(facts.parent)}`]),
  ];
  return withCodes(parts.join('  '));
}

export const parentText = ({ from, step }: NonNullable<KnownRun['facts']['parent']>): string =>
  step === undefined || from.includes('@') ? from : `${from}@${step}`;
