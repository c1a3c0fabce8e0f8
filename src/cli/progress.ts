// Shows the events of a training run: a live display in a terminal, plain lines elsewhere. Knows
// the run from its events alone.
import { createLogUpdate } from 'log-update';
import type { StepEvent, TrainEvent } from '../index.ts';
import { bar, sparkline, thin } from './bars.ts';
import { colours } from './colours.ts';
import { expenseLines } from './account-lines.ts';
import {
  doneLines,
  evaluatedLines,
  forgettingLines,
  planLines,
  sampleLines,
  savedLines,
  validationLines,
  verdictLines,
  warningLines,
} from './describe.ts';
import {
  amount,
  bytes,
  cut,
  displayWidth,
  duration,
  loss,
  percent,
  rate,
  speed,
} from './format.ts';

/** A display of one run. `close` leaves the terminal as it was, whatever happened. */
export interface Progress {
  show(event: TrainEvent): void;
  /** A line of the program's own, above the display. */
  note(text: string): void;
  close(): void;
}

/** Where the display writes; process.stdout is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

interface Phase {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  readonly since: number;
}

/** What is known of the run now; times are milliseconds of the clock. */
export interface View {
  readonly phase?: Phase;
  readonly step?: StepEvent;
  readonly stepAt: number;
  /** Means of the loss up to now, thinned. */
  readonly losses: readonly number[];
}

const historyLimit = 512;

/** The view after `event`, and the lines that stay on the screen because of it. */
export function advance(
  view: View,
  event: TrainEvent,
  now: number,
): { view: View; lines: string[] } {
  const ended =
    event.type === 'phase' && event.name === view.phase?.name ? [] : endOfPhase(view.phase, now);
  const rest = { ...view, ...(event.type !== 'warning' && { phase: undefined }) };
  switch (event.type) {
    case 'plan':
      return { view: rest, lines: [...ended, ...planLines(event)] };
    case 'phase': {
      const since = event.name === view.phase?.name ? view.phase.since : now;
      return {
        view: { ...view, phase: { name: event.name, done: event.done, total: event.total, since } },
        lines: ended,
      };
    }
    case 'warning':
      return { view, lines: warningLines(event) };
    case 'step': {
      const losses = [...view.losses, event.lossAverage];
      const kept = losses.length > 2 * historyLimit ? thin(losses, historyLimit) : losses;
      return { view: { ...rest, step: event, stepAt: now, losses: kept }, lines: ended };
    }
    case 'saved':
    case 'sample':
    case 'validation':
    case 'verdict':
    case 'forgetting':
    case 'evaluated':
    case 'forecast':
    case 'account':
      return { view: rest, lines: [...ended, ...resultLines(event)] };
    case 'done': {
      const last = view.step ? loss(view.step.lossAverage) : '';
      return { view: rest, lines: [...ended, ...doneLines(event, last)] };
    }
  }
}

/** What was made or found. */
function resultLines(event: Extract<TrainEvent, { type: ResultType }>): string[] {
  switch (event.type) {
    case 'saved':
      return savedLines(event);
    case 'sample':
      return sampleLines(event);
    case 'validation':
      return validationLines(event);
    case 'verdict':
      return verdictLines(event);
    case 'forgetting':
      return forgettingLines(event);
    case 'evaluated':
      return evaluatedLines(event);
    case 'forecast':
    case 'account':
      return expenseLines(event);
  }
}

type ResultType =
  | 'saved'
  | 'sample'
  | 'validation'
  | 'verdict'
  | 'forgetting'
  | 'evaluated'
  | 'forecast'
  | 'account';

function endOfPhase(phase: Phase | undefined, now: number): string[] {
  if (phase === undefined) return [];
  const count = phase.total > 1 ? `${amount(phase.done)}, ` : '';
  return [
    `${colours.green('✓')} ${phase.name} ${colours.dim(`(${count}${duration((now - phase.since) / 1000)})`)}`,
  ];
}

/** One piece of a line, and how it is coloured once it is known to fit. */
type Piece = readonly [text: string, paint?: (text: string) => string];

/** As many of `pieces`, from the left, as fit into `columns`. */
function line(pieces: readonly Piece[], columns: number): string {
  let [used, out] = [0, ''];
  for (const [text, paint] of pieces) {
    if (text === '') continue;
    const gap = used === 0 ? 0 : 2;
    const shown = used === 0 ? cut(text, columns) : text;
    if (used + gap + displayWidth(shown) > columns) break;
    out += ' '.repeat(gap) + (paint ? paint(shown) : shown);
    used += gap + displayWidth(shown);
  }
  return out;
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const barColumns = (columns: number) => Math.max(8, Math.min(40, columns - 45));

function drawnBar(share: number, columns: number): Piece {
  const { full, rest } = bar(share, barColumns(columns));
  return [full + rest, () => colours.cyan(full) + colours.dim(rest)];
}

/** The live display as lines of at most `columns`. */
export function draw(view: View, columns: number, now: number): string[] {
  const phase = view.phase && phaseLine(view.phase, columns, now);
  return [
    ...(view.step ? stepLines(view.step, view, columns, now) : []),
    ...(phase === undefined ? [] : [phase]),
  ];
}

function phaseLine({ name, done, total, since }: Phase, columns: number, now: number): string {
  const frame = spinner[Math.floor(now / 100) % spinner.length];
  const elapsed = (now - since) / 1000;
  const title: Piece = [`${frame} ${name}`];
  if (total <= 0)
    return line([title, [elapsed < 2 ? '' : duration(elapsed), colours.dim]], columns);
  const left = done > 0 && elapsed > 2 ? `${duration((elapsed / done) * (total - done))} left` : '';
  return line(
    [
      title,
      ...(total > 1
        ? [
            [`${done}/${total}`] as const,
            drawnBar(done / total, columns),
            [left, colours.dim] as const,
          ]
        : []),
    ],
    columns,
  );
}

function stepLines(step: StepEvent, view: View, columns: number, now: number): string[] {
  const share = step.step / step.totalSteps;
  const left = step.secondsLeft - (now - view.stepAt) / 1000;
  const mean = `mean ${loss(step.lossAverage)}`;
  const room = Math.min(48, columns - displayWidth(`  loss ${loss(step.loss)}  ${mean}  `));
  const isBroken = !Number.isFinite(step.loss);
  return [
    line(
      [
        [percent(share).padStart(5), colours.bold],
        drawnBar(share, columns),
        [`step ${step.step}/${step.totalSteps}`],
        [`epoch ${step.epoch}/${step.epochs}`, colours.dim],
      ],
      columns,
    ),
    line(
      [
        [` loss ${loss(step.loss)}`, isBroken ? colours.red : undefined],
        [mean, colours.bold],
        [room > 4 ? sparkline(view.losses, room) : '', colours.green],
      ],
      columns,
    ),
    line(
      [
        [Number.isFinite(left) ? ` ${duration(left)} left` : ' …', colours.bold],
        [speed(step.secondsPerStep)],
        [`memory ${bytes(step.memoryBytes)}`],
        [ratesText(step), colours.dim],
      ],
      columns,
    ),
  ];
}

/** The learning rates, once when all groups have the same. */
function ratesText({ learningRates }: StepEvent): string {
  const rates = Object.entries(learningRates);
  if (new Set(rates.map(([, value]) => value)).size === 1) return `rate ${rate(rates[0][1])}`;
  return rates.map(([group, value]) => `${group} ${rate(value)}`).join(' ');
}

const empty: View = { losses: [], stepAt: 0 };

/** The display that suits `output`. `clock` gives milliseconds. */
export function createProgress(
  output: NodeJS.WriteStream,
  clock: () => number = Date.now,
): Progress {
  const isLive = output.isTTY && process.env.TERM !== 'dumb' && !process.env.CI;
  return isLive ? liveProgress(output, clock) : plainProgress(output, clock);
}

/** Redraws a few lines in place, ten times a second; everything worth keeping stays above them. */
export function liveProgress(output: NodeJS.WriteStream, clock: () => number): Progress {
  const update = createLogUpdate(output);
  let view = empty;
  const redraw = () => update(draw(view, (output.columns ?? 80) - 1, clock()).join('\n'));
  const keep = (lines: readonly string[]) => {
    if (lines.length === 0) return;
    update.clear();
    output.write(lines.map((text) => `${text}\n`).join(''));
  };
  const timer = setInterval(redraw, 100);
  timer.unref();
  return {
    show(event) {
      const next = advance(view, event, clock());
      view = event.type === 'done' ? empty : next.view;
      keep(next.lines);
      if (event.type !== 'step') redraw();
    },
    note(text) {
      keep([text]);
      redraw();
    },
    close() {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

/** Milliseconds between two lines about the same thing. */
const plainPause = 5000;

/** A line for each thing that happens, and one every few seconds while steps go by. */
export function plainProgress(output: Output, clock: () => number): Progress {
  let view = empty;
  let said = -Infinity;
  const write = (lines: readonly string[]) =>
    output.write(lines.map((text) => `${text}\n`).join(''));
  return {
    show(event) {
      const now = clock();
      const started = event.type === 'phase' && event.name !== view.phase?.name;
      const next = advance(view, event, now);
      view = next.view;
      if (next.lines.length > 0) write(next.lines);
      const isLast = event.type === 'step' && (event.step === 1 || event.step === event.totalSteps);
      if (!started && !isLast && now - said < plainPause) return;
      const text = plainLine(event);
      if (text === '') return;
      said = now;
      write([text]);
    },
    note: (text) => write([text]),
    close() {},
  };
}

function plainLine(event: TrainEvent): string {
  if (event.type === 'phase')
    return `${event.name}${event.total > 1 ? ` ${event.done}/${event.total}` : ''} …`;
  if (event.type !== 'step') return '';
  return [
    `step ${event.step}/${event.totalSteps} (${percent(event.step / event.totalSteps)})`,
    `loss ${loss(event.loss)}`,
    `mean ${loss(event.lossAverage)}`,
    speed(event.secondsPerStep),
    Number.isFinite(event.secondsLeft) ? `${duration(event.secondsLeft)} left` : '',
    `memory ${bytes(event.memoryBytes)}`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}
