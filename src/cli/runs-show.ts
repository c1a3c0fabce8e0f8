// lora runs show: one run, with its starts, its losses and its checkpoints.
import {
  bestCheckpoint,
  describeRun,
  type KnownCheckpoint,
  type KnownRun,
  namedRun,
  type SavedFile,
  withCodes,
} from '../index.ts';
import { sparkline } from './bars.ts';
import { colours } from './colours.ts';
import type { Command, CommandArgument } from './command.ts';
import { wrapped } from './eval-lines.ts';
import { ago, amount, cut, duration, fileSize, loss, utc } from './format.ts';
import { jsonFlag, paints, parentText, stepsText } from './runs.ts';
import { tableLines, type Column } from './table.ts';

/** Of every command that takes one. */
const runArgument: CommandArgument = {
  name: '<run>',
  key: 'run',
  description: 'its folder, name or id, or the beginning of the id',
};

/** Of every command that takes a moment of a run. */
export const checkpointArgument: CommandArgument = {
  name: '<run>',
  key: 'run',
  description: 'folder, name or id, and which checkpoint: brand@400, brand@best, brand@my-tag',
};

export const runsShowCommand: Command = {
  name: 'runs show',
  summary: 'Show a run: what it was made from, its losses, its checkpoints',
  arguments: [runArgument],
  flags: [jsonFlag],
  examples: ['lora runs show brand_lora', 'lora runs show brand_lora@400'],
  run,
};

function run({ run: name, json }: Readonly<Record<string, unknown>>): number {
  const { run, checkpoint } = namedRun(String(name));
  if (json === true) {
    process.stdout.write(`${JSON.stringify(describeRun(run), null, 2)}\n`);
    return 0;
  }
  const width = Math.max(40, process.stdout.columns ?? 80) - 1;
  const lines =
    checkpoint === undefined ? showLines(run, width, Date.now()) : fileLines(run, checkpoint);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

type Row = readonly [name: string, value: string | undefined];

/** Everything about a run that a person may ask for. */
export function showLines(run: KnownRun, width: number, now: number): string[] {
  const rows = [
    ...originRows(run),
    ...courseRows(run, now),
    ...lossRows(run, width),
    ...forgettingRows(run, width - NAMES - 4),
  ];
  return [
    `${colours.bold(withCodes(run.name))}: ${stateText(run)}`,
    ...rows.flatMap(([name, value]) =>
      value === undefined
        ? []
        : [`  ${colours.dim(name.padEnd(NAMES))}  ${cut(withCodes(value), width - NAMES - 4)}`],
    ),
    ...checkpointLines(run, width),
  ];
}

/** Columns of the names before the values. */
const NAMES = 11;

function stateText({ state, reason, holder, ...run }: KnownRun): string {
  const steps = `${stepsText({ ...run, state })} steps`;
  const who =
    holder === undefined ? [] : [`process ${holder.pid} on ${holder.host} is at work on it`];
  return [`${paints[state](state)}, ${steps}`, ...who, ...(reason === undefined ? [] : [reason])]
    .map(withCodesButColours)
    .join('; ');
}

/** The state comes coloured, and nothing else has escape sequences left. */
const withCodesButColours = (text: string, i: number): string => (i === 0 ? text : withCodes(text));

const originRows = ({ facts, dir, base, data, task }: KnownRun): Row[] => [
  ['id', facts.id],
  ['folder', dir],
  ['base', base],
  ['data', data.length === 0 ? undefined : `${data.join(', ')}${samplesText(facts.plan)}`],
  ['trains', task === 'image' ? 'pictures' : 'texts'],
  ['from', facts.parent && `${parentText(facts.parent)}, ${facts.parent.file}`],
];

const samplesText = (plan: KnownRun['facts']['plan']): string =>
  plan === undefined
    ? ''
    : ` (${amount(plan.samples)} ${plan.sampleName}${plan.samples === 1 ? '' : 's'})`;

function courseRows(run: KnownRun, now: number): Row[] {
  const { facts, bytes } = run;
  const begun = Date.parse(facts.started);
  const starts = facts.starts.length;
  const again = starts > 1 ? `; started ${starts} times` : '';
  const took = facts.finished === undefined ? undefined : Date.parse(facts.finished) - begun;
  return [
    ['began', `${utc(begun)}, ${ago(begun, now)}${again}`],
    ['took', took === undefined ? undefined : duration(took / 1000)],
    ['device', `${facts.adapter ?? facts.device}, seed ${facts.seed}`],
    ['size', fileSize(bytes)],
    ...facts.changes.map(({ step, key, from, to }): Row => [
      'changed',
      `${key} after step ${step}: ${JSON.stringify(from)} → ${JSON.stringify(to)}`,
    ]),
  ];
}

function lossRows(run: KnownRun, width: number): Row[] {
  const { steps, validations } = run.metrics;
  const curve = (values: readonly number[], label: string) =>
    `${label}  ${sparkline(values, Math.min(48, width - NAMES - label.length - 6))}`;
  const averages = steps.map(({ average }) => average);
  const held = validations.map((point) => point.loss);
  return [
    ['loss', run.loss === undefined ? undefined : curve(averages, loss(run.loss))],
    ['held back', held.length === 0 ? undefined : curve(held, loss(held[held.length - 1]))],
    ['best', bestText(run)],
  ];
}

/** What the run did to what its parent had learned. */
function forgettingRows({ facts: { forgetting } }: KnownRun, width: number): Row[] {
  if (forgetting === undefined) return [];
  const { step, headline, old, new: fresh, sampleName } = forgetting;
  const set = (kind: typeof old) => {
    if (kind === undefined) return 'not measured';
    const after = kind.after === undefined ? '' : ` → ${loss(kind.after)}`;
    const seen = kind.trained ? 'trained in this run' : 'not trained in this run';
    return `loss ${loss(kind.before)}${after} on ${kind.samples} ${sampleName}s, ${seen}`;
  };
  return [
    ['old data', set(old)],
    ['new data', set(fresh)],
    ...wrapped(step === 0 ? 'not known before the run is done' : headline, width).map(
      (line, i): Row => [i === 0 ? 'forgotten' : '', line],
    ),
  ];
}

function bestText(run: KnownRun): string | undefined {
  const best = bestCheckpoint(run);
  if (best?.validationLoss !== undefined)
    return `step ${best.step}: ${loss(best.validationLoss)} on what was held back`;
  const { validations } = run.metrics;
  if (run.checkpoints.length === 0) return undefined;
  return validations.length === 0
    ? 'not known: nothing was held back to validate on'
    : 'not known: no checkpoint was saved where the loss on what was held back was measured';
}

// ---- checkpoints

const HELD_BACK = 'HELD BACK';

const columns: readonly Column[] = [
  { head: 'STEP', right: true },
  { head: 'LOSS', right: true },
  { head: HELD_BACK, right: true },
  { head: 'SIZE', right: true },
  { head: 'FILE', gives: true },
  { head: '', gives: true },
];

function checkpointLines({ checkpoints }: KnownRun, width: number): string[] {
  if (checkpoints.length === 0) return ['', '  No adapter was saved yet.'];
  const held = checkpoints.some(({ validationLoss }) => validationLoss !== undefined);
  const shown = columns.filter(({ head }) => held || head !== HELD_BACK);
  const rows = checkpoints.map((one) => [
    String(one.step),
    one.loss === undefined ? '–' : loss(one.loss),
    ...(held ? [one.validationLoss === undefined ? '–' : loss(one.validationLoss)] : []),
    fileSize(bytesOf(one)),
    fileText(one),
    { text: namesOf(one).join(', '), paint: colours.green },
  ]);
  return ['', ...tableLines(shown, rows, width - 2).map((line) => `  ${line}`)];
}

/** The result goes by its own name; a checkpoint of several files by its folder. */
function fileText({ saved }: KnownCheckpoint): string {
  const { files } = saved.find(({ final }) => final) ?? saved[0];
  const [folder, ...rest] = files[0].name.split('/');
  return rest.length > 0 ? `${folder}/` : folder;
}

const bytesOf = ({ saved }: KnownCheckpoint): number =>
  saved[0].files.reduce((sum, { bytes }) => sum + bytes, 0);

/** What a checkpoint is called beside its step. */
export const namesOf = ({ current, best, tags }: KnownCheckpoint): string[] => [
  ...(current ? ['current'] : []),
  ...(best ? ['best'] : []),
  ...tags,
];

/** The files of one checkpoint, for who wants to compare them. */
function fileLines(run: KnownRun, checkpoint: KnownCheckpoint): string[] {
  const names = namesOf(checkpoint);
  const also = names.length === 0 ? '' : `: ${names.join(', ')}`;
  return [
    `${colours.bold(withCodes(run.name))} at step ${checkpoint.step}${also}`,
    ...checkpoint.saved.flatMap(({ files }) => files.map((file) => fileLine(run.dir, file))),
  ];
}

const fileLine = (dir: string, { name, bytes, sha256 }: SavedFile): string =>
  `  ${withCodes(`${dir}/${name}`)}  ${fileSize(bytes)}${sha256 === undefined ? '' : `  sha256 ${sha256}`}`;
