// lora runs compare: two runs side by side, in the terminal and as a page.
import { basename } from 'node:path';
import {
  comparedFigures,
  compareRuns,
  compareSamples,
  type ComparedSamples,
  comparisonPage,
  type Comparison,
  dataLists,
  dataSummary,
  describeRun,
  type Device,
  devices,
  type Difference,
  type KnownRun,
  namedRun,
  requireOutputPath,
  UserError,
  withCodes,
  writeFileAtomically,
} from '../index.ts';
import { blockChart, thin } from './bars.ts';
import { colours } from './colours.ts';
import { choice, type Command } from './command.ts';
import { wrapped } from './eval-lines.ts';
import { cut, displayWidth, loss } from './format.ts';
import { createProgress } from './progress.ts';
import { jsonFlag } from './runs.ts';
import { tableLines } from './table.ts';

export const runsCompareCommand: Command = {
  name: 'runs compare',
  summary: 'Compare two runs: settings, losses, data, and with --samples what they draw or answer',
  arguments: [
    { name: '<first>', key: 'first', description: 'folder, name or id; brand@400 is a checkpoint' },
    { name: '<second>', key: 'second', description: 'the other one' },
  ],
  flags: [
    {
      flags: '-s, --samples',
      key: 'samples',
      description: 'draw or answer the same prompts with both, which takes a while',
    },
    {
      flags: '-p, --prompt <text>',
      key: 'prompts',
      description: "a prompt for --samples, instead of the runs' own (can be given several times)",
      repeatable: true,
    },
    { flags: '-b, --base <path>', key: 'base', description: 'the base model of both' },
    {
      flags: '--device <device>',
      key: 'device',
      description: `what computes the samples: ${devices.join(', ')}; by default auto`,
    },
    {
      flags: '-o, --output <file>',
      key: 'output',
      description: 'the page to write; by default compare-<first>-<second>.html here',
    },
    jsonFlag,
  ],
  examples: [
    'lora runs compare brand_lora 20260131',
    'lora runs compare brand_lora@200 brand_lora@400 --samples',
  ],
  run,
};

type Given = Readonly<Record<string, unknown>>;

async function run(given: Given): Promise<number> {
  const comparison = compareRuns(namedRun(String(given.first)), namedRun(String(given.second)));
  const isJson = given.json === true;
  const output = given.output === undefined ? defaultName(comparison) : String(given.output);
  requirePage(output);
  const wantsSamples = given.samples === true || given.prompts !== undefined;
  const samples = wantsSamples ? await drawnSamples(comparison, given) : undefined;
  const writesPage = !isJson || given.output !== undefined;
  if (writesPage) writeFileAtomically(output, comparisonPage(comparison, samples));
  const width = Math.max(48, Math.min(process.stdout.columns ?? 80, 160)) - 1;
  const text = isJson
    ? JSON.stringify(described(comparison, samples), null, 2)
    : [
        ...comparisonLines(comparison, width, samples),
        `${colours.green('✓')} the same as a page: ${withCodes(output)}`,
      ].join('\n');
  process.stdout.write(`${text}\n`);
  return 0;
}

const defaultName = ({ runs }: Comparison): string =>
  `compare-${runs.map(({ title }) => fileName(title)).join('-')}.html`;

/** What every system takes in a name. */
const fileName = (title: string): string =>
  basename(title)
    .replace(/[^\p{Letter}\p{Mark}\p{Number}@_.]+/gu, '_')
    .slice(0, 60);

function requirePage(path: string): void {
  requireOutputPath(path);
  if (/\.html?$/i.test(path)) return;
  const what = 'the page is an HTML file';
  throw new UserError([{ where: `--output ${path}`, what, fix: `Write --output ${path}.html.` }]);
}

async function drawnSamples(comparison: Comparison, given: Given): Promise<ComparedSamples> {
  const progress = createProgress(process.stderr);
  const device: Device | undefined =
    given.device === undefined ? undefined : choice('--device', String(given.device), devices);
  const events = compareSamples(comparison, {
    ...(Array.isArray(given.prompts) && { prompts: given.prompts.map(String) }),
    ...(given.base !== undefined && { base: String(given.base) }),
    ...(device !== undefined && { device }),
  });
  try {
    while (true) {
      const next = await events.next();
      if (next.done === true) return next.value;
      progress.show(next.value);
      await new Promise(setImmediate); // the display draws, and Ctrl+C is heard
    }
  } finally {
    progress.close();
  }
}

// ---- JSON

const described = (comparison: Comparison, samples: ComparedSamples | undefined) => ({
  runs: comparison.runs.map(({ run, checkpoint }) => ({
    ...describeRun(run),
    compared_step: checkpoint?.step,
    losses: run.metrics.steps.map(({ step, average }) => [step, average]),
    validation_losses: run.metrics.validations.map((point) => [point.step, point.loss]),
  })),
  settings: comparison.settings.map(differenceData),
  machine: comparison.machine.map(differenceData),
  data: comparison.data,
  samples:
    samples &&
    samples.rows.map(({ prompt, seed, cells }) => ({
      prompt,
      seed,
      answers: cells.flatMap((cell) => (cell.kind === 'answer' ? [cell.text] : [])),
    })),
});

const differenceData = ({ key, values: [first, second] }: Difference) => ({ key, first, second });

// ---- lines

/** The comparison in lines of at most `width` columns. */
export function comparisonLines(
  comparison: Comparison,
  width: number,
  samples?: ComparedSamples,
): string[] {
  const [a, b] = comparison.runs;
  const figures = comparedFigures(comparison).map(({ name, values }) => [name, ...values]);
  return [
    ...pairTable(['', a.title, b.title], figures, width),
    ...curveLines('loss, its moving mean', comparison, width, (one) =>
      one.metrics.steps.map(({ step, average }) => ({ step, loss: average })),
    ),
    ...curveLines('loss on what was held back', comparison, width, (one) => [
      ...one.metrics.validations,
    ]),
    ...differenceLines('settings', comparison.settings, comparison, width),
    ...dataLines(comparison, width),
    ...differenceLines('versions and devices', comparison.machine, comparison, width),
    ...(samples === undefined ? [] : answerLines(samples, width)),
    '',
  ];
}

const pairTable = (
  heads: readonly [string, string, string],
  rows: readonly (readonly string[])[],
  width: number,
): string[] =>
  tableLines(
    heads.map((head, i) => ({ head: withCodes(head), gives: i > 0 })),
    rows.map((row) => row.map(withCodes)),
    width - 2,
  ).map((line) => `  ${line}`);

function differenceLines(
  title: string,
  differences: readonly Difference[],
  { runs: [a, b] }: Comparison,
  width: number,
): string[] {
  if (differences.length === 0) return ['', `${colours.bold(title)}: nothing differs`];
  const rows = differences.map(({ key, values: [one, other] }) => [key, one ?? '–', other ?? '–']);
  const heading = colours.bold(`${title} that differ`);
  return ['', heading, ...pairTable(['', a.title, b.title], rows, width)];
}

const MOST_NAMED = 5;

function dataLines({ data }: Comparison, width: number): string[] {
  if (data === undefined)
    return ['', `${colours.bold('data')}: not known; one of the runs did not record its samples`];
  const lists = dataLists(data).map(({ title, names }) => {
    const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
    const shown = names.slice(0, MOST_NAMED).map(withCodes).join(', ');
    return cut(`  ${title.toLowerCase()}: ${shown}`, width - more.length) + more;
  });
  return ['', `${colours.bold('data')}: ${dataSummary(data)}`, ...lists];
}

// ---- curves

type Points = readonly { readonly step: number; readonly loss: number }[];

const ROWS = 6;
const LABEL = 9;

/** Both beside each other, on one scale and with steps of one width. */
function curveLines(
  title: string,
  { runs }: Comparison,
  width: number,
  pointsOf: (run: KnownRun) => Points,
): string[] {
  const curves = runs.map((one) => ({ one, points: finite(pointsOf(one.run)) }));
  const all = curves.flatMap(({ points }) => points);
  if (all.length === 0) return [];
  const last = Math.max(...all.map(({ step }) => step));
  const half = Math.floor((width - LABEL - 5) / 2);
  const heights = curves.map(({ points }) => columnsOf(points, half, last));
  const range = { least: Math.min(...heights.flat()), most: Math.max(...heights.flat()) };
  const charts = heights.map((values) =>
    blockChart(values, ROWS, range).map((line) => line.padEnd(half)),
  );
  const labels = [loss(range.most), ...Array<string>(ROWS - 2).fill(''), loss(range.least)];
  const lines = labels.map(
    (label, i) =>
      `${label.padStart(LABEL)} ${colours.cyan(charts[0][i])}   ${colours.yellow(charts[1][i])}`,
  );
  const beside = (text: (curve: (typeof curves)[number]) => string) => {
    const [left, right] = curves.map((curve) => cut(text(curve), half));
    const space = ' '.repeat(Math.max(0, half - displayWidth(left)));
    return colours.dim(`${' '.repeat(LABEL)} ${left}${space}   ${right}`);
  };
  return [
    '',
    colours.bold(title),
    beside(({ one }) => withCodes(one.title)),
    ...lines.map((line) => line.trimEnd()),
    beside(footOf),
  ];
}

const finite = (points: Points): Points => points.filter((point) => Number.isFinite(point.loss));

/** `0.7 → 0.1 at step 400`. */
function footOf({ points }: { readonly points: Points }): string {
  if (points.length === 0) return 'none';
  const [first, last] = [points[0], points[points.length - 1]];
  const course = points.length === 1 ? '' : `${loss(first.loss)} → `;
  return `${course}${loss(last.loss)} at step ${last.step}`;
}

/** A value for each column of the run's part of the width. */
function columnsOf(points: Points, columns: number, last: number): number[] {
  if (points.length === 0) return [];
  const own = Math.max(1, Math.round((columns * points[points.length - 1].step) / last));
  const values = points.map((point) => point.loss);
  if (values.length >= own) return thin(values, own);
  return Array.from({ length: own }, (_, i) => values[Math.floor((i * values.length) / own)]);
}

// ---- answers

function answerLines({ columns, rows }: ComparedSamples, width: number): string[] {
  return rows.flatMap(({ prompt, cells }) => {
    const said = cells.flatMap((cell, i) =>
      cell.kind === 'answer' ? [{ title: columns[i], text: cell.text }] : [],
    );
    if (said.length === 0) return [];
    return [
      '',
      ...wrapped(prompt, width).map((line) => colours.bold(line)),
      ...said.flatMap(({ title, text }) => [
        `  ${colours.dim(withCodes(title))}`,
        ...wrapped(text.trim() === '' ? '(no answer)' : text.trim(), width - 4).map(
          (line) => `    ${line}`,
        ),
      ]),
    ];
  });
}
