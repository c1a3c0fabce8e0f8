// The events of a training run in words: the lines that stay on the screen, the same for a terminal
// and for a file.
import { basename, dirname } from 'node:path';
import {
  type DoneEvent,
  type EvaluatedEvent,
  type ForgettingEvent,
  formatProblem,
  type PlanEvent,
  type SampleEvent,
  type SavedEvent,
  type ValidationEvent,
  type VerdictEvent,
  visible,
  withCodes,
  type WarningEvent,
} from '../index.ts';
import { colours } from './colours.ts';
import { evalLines } from './eval-lines.ts';
import { amount, bytes, duration } from './format.ts';

const plural = (count: number, one: string, many = `${one}s`) =>
  `${amount(count)} ${count === 1 ? one : many}`;

/** The most frequent first; the rest is only counted. */
function shapeText(shapes: PlanEvent['shapes']): string {
  if (shapes.length === 0) return '';
  const sorted = [...shapes].sort((a, b) => b.count - a.count);
  const named = sorted
    .slice(0, 4)
    .map(({ label, count }) => `${label}${shapes.length > 1 ? ` (${count})` : ''}`);
  const more = sorted.length - named.length;
  return ` at ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** That the run goes on, and what is different from here on. */
function resumedLines({ resumed, firstStep }: PlanEvent): string[] {
  if (resumed === undefined) return [];
  const from =
    firstStep === 0 ? 'from its beginning: no state was saved' : `from step ${firstStep}`;
  return [
    `  ${colours.bold(`Going on ${from}`)} ${colours.dim(`(start ${resumed.start} of this run; --fresh begins a new one)`)}`,
    ...resumed.changes.map((change) => `  from here on, ${withCodes(change)}`),
    ...rateLines(resumed.learningRates),
  ];
}

/** What the next step is trained at. */
function rateLines(rates: Readonly<Record<string, number>> = {}): string[] {
  const each = Object.entries(rates).map(
    ([group, rate]) => `${Number(rate.toPrecision(3))} (${group})`,
  );
  return each.length === 0 ? [] : [`  learning rate of the next step: ${each.join(', ')}`];
}

export function planLines(plan: PlanEvent): string[] {
  const atOnce = plan.batchSize * plan.gradientAccumulation;
  const steps = `${plural(plan.totalSteps, 'step')} of ${atOnce > 1 ? 'up to ' : ''}${plural(atOnce, plan.sampleName)} in ${plural(plan.epochs, 'epoch')}`;
  const cost = [
    ...(plan.secondsEstimate === undefined ? [] : [`about ${duration(plan.secondsEstimate)}`]),
    ...(plan.memoryEstimate === undefined ? [] : [`about ${bytes(plan.memoryEstimate)}`]),
  ];
  return [
    `${colours.bold(withCodes(basename(plan.outputDir)))} ${colours.dim('on')} ${withCodes(plan.baseModel)}`,
    `  ${plural(plan.samples, plan.sampleName)}${shapeText(plan.shapes)}`,
    `  ${steps}`,
    ...resumedLines(plan),
    `  ${amount(plan.trainableParameters)} parameters in ${plural(plan.adaptedModules, 'layer')}`,
    `  ${[plan.device, ...cost].join(', ')}`,
    ...(plan.validation === undefined ? [] : [`  ${plan.validation}`]),
    ...(plan.deviceReason === undefined ? [] : [`  ${colours.dim(plan.deviceReason)}`]),
  ];
}

export const warningLines = ({ problem }: WarningEvent): string[] => [
  `${colours.yellow('warning')} ${formatProblem(problem)}`,
];

export const savedLines = ({ step, files, isBest = false, notes = [] }: SavedEvent): string[] => [
  `${colours.green('✓')} step ${step} saved${isBest ? ', the best so far' : ''}: ${files.map(withCodes).join(', ')}`,
  ...notes.map((note) => `  ${note}`),
];

export function sampleLines(event: SampleEvent): string[] {
  const { step, file, prompt, answer, baseAnswer, nearest } = event;
  if (file !== undefined) {
    const like =
      nearest?.isCopy === true
        ? colours.yellow(` a copy of ${withCodes(nearest.name)} (${nearest.likeness.toFixed(2)})`)
        : '';
    return [
      `${colours.green('✓')} picture of step ${step}: ${withCodes(file)} ${colours.dim(visible(prompt))}${like}`,
    ];
  }
  const rows =
    baseAnswer === undefined
      ? { [`step ${step}`]: answer ?? '' }
      : { without: baseAnswer, with: answer ?? '' };
  return [
    '',
    `  ${colours.bold(oneLine(prompt))}`,
    ...Object.entries(rows).map(
      ([name, text]) => `  ${colours.dim(name.padEnd(8))} ${oneLine(text)}`,
    ),
  ];
}

/** What a model writes may hold line ends, and characters that terminals obey. */
const oneLine = (text: string): string => visible(text.trim().replace(/\s*\n\s*/g, ' ⏎ '));

export function validationLines(event: ValidationEvent): string[] {
  const { step, loss, trainLoss, perplexity } = event;
  const when = step === 0 ? 'before the first step' : `step ${step}`;
  const figures = [
    `validation loss ${loss.toPrecision(4)}`,
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toPrecision(4)}`]),
    `on trained ${trainLoss.toPrecision(4)}`,
  ];
  return [`${colours.green('✓')} ${when}: ${figures.join(', ')}`];
}

export function verdictLines({ step, final, verdict }: VerdictEvent): string[] {
  const { kind, headline, reasons } = verdict;
  const paint = kind === 'sound' ? colours.green : colours.yellow;
  const title = final ? headline : `after step ${step}: ${headline}`;
  return ['', paint(colours.bold(title)), ...reasons.map((reason) => `  ${reason}`), ''];
}

/** Old and new data, before the first step and after the last. */
export function forgettingLines({ step, old, headline, reasons }: ForgettingEvent): string[] {
  const lines = reasons.map((reason) => `  ${withCodes(reason)}`);
  if (step === 0) return [`${colours.green('✓')} before the first step:`, ...lines];
  const paint = old === undefined || old.change === 'higher' ? colours.yellow : colours.green;
  return ['', paint(colours.bold(headline)), ...lines, ''];
}

export const evaluatedLines = ({ result }: EvaluatedEvent): string[] => [
  '',
  ...evalLines(result, { show: 0 }),
];

export function doneLines(done: DoneEvent, lastLoss: string): string[] {
  const loss = lastLoss === '' ? '' : `, mean loss ${lastLoss}`;
  const head = done.stopped
    ? colours.yellow(`Stopped after step ${done.step} of ${done.totalSteps}`) +
      '. The same command goes on from there.'
    : colours.green(colours.bold(`Done in ${duration(done.seconds)}`)) +
      `: ${plural(done.step, 'step')}${done.ended === undefined ? '' : ` of ${done.totalSteps} (stop_when_overfit)`}${loss}`;
  const files = { adapter: done.adapter, log: done.log, ...done.results };
  const rows = Object.entries(files).flatMap(([name, file]) =>
    file === undefined ? [] : [`  ${colours.dim(name.padEnd(13))}  ${withCodes(file)}`],
  );
  return ['', head, ...rows, ...betterLines(done)];
}

/** The checkpoint that is offered in place of the last. */
function betterLines({ adapter, best }: DoneEvent): string[] {
  if (best === undefined || adapter === undefined) return [];
  return [
    `  ${colours.dim('best'.padEnd(13))}  ${colours.bold(withCodes(best.adapter))} (step ${best.step})`,
    `  ${colours.yellow(`Use this one. \`lora runs rollback ${withCodes(dirname(adapter))}@best\` makes it the result.`)}`,
  ];
}
