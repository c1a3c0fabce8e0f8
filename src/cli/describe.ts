// The events of a training run in words: the lines that stay on the screen, the same for a terminal
// and for a file.
import { basename } from 'node:path';
import {
  type DoneEvent,
  type EvaluatedEvent,
  formatProblem,
  type PlanEvent,
  type SampleEvent,
  type SavedEvent,
  type ValidationEvent,
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

export function planLines(plan: PlanEvent): string[] {
  const atOnce = plan.batchSize * plan.gradientAccumulation;
  const steps = `${plural(plan.totalSteps, 'step')} of ${atOnce > 1 ? 'up to ' : ''}${plural(atOnce, plan.sampleName)} in ${plural(plan.epochs, 'epoch')}`;
  const resumed = plan.firstStep > 0 ? `, from step ${plan.firstStep}` : '';
  const cost = [
    ...(plan.secondsEstimate === undefined ? [] : [`about ${duration(plan.secondsEstimate)}`]),
    ...(plan.memoryEstimate === undefined ? [] : [`about ${bytes(plan.memoryEstimate)}`]),
  ];
  return [
    `${colours.bold(withCodes(basename(plan.outputDir)))} ${colours.dim('on')} ${withCodes(plan.baseModel)}`,
    `  ${plural(plan.samples, plan.sampleName)}${shapeText(plan.shapes)}`,
    `  ${steps}${resumed}`,
    `  ${amount(plan.trainableParameters)} parameters in ${plural(plan.adaptedModules, 'layer')}`,
    `  ${[plan.device, ...cost].join(', ')}`,
    ...(plan.deviceReason === undefined ? [] : [`  ${colours.dim(plan.deviceReason)}`]),
  ];
}

export const warningLines = ({ problem }: WarningEvent): string[] => [
  `${colours.yellow('warning')} ${formatProblem(problem)}`,
];

export const savedLines = ({ step, files, notes = [] }: SavedEvent): string[] => [
  `${colours.green('✓')} step ${step} saved: ${files.map(withCodes).join(', ')}`,
  ...notes.map((note) => `  ${note}`),
];

export function sampleLines({ step, file, prompt, answer, baseAnswer }: SampleEvent): string[] {
  if (file !== undefined)
    return [
      `${colours.green('✓')} picture of step ${step}: ${withCodes(file)} ${colours.dim(visible(prompt))}`,
    ];
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

export const validationLines = ({ step, loss, perplexity }: ValidationEvent): string[] => [
  `${colours.green('✓')} ${step === 0 ? 'before the first step' : `step ${step}`}: validation loss ${loss.toPrecision(4)}, perplexity ${perplexity.toPrecision(4)}`,
];

export const evaluatedLines = ({ result }: EvaluatedEvent): string[] => [
  '',
  ...evalLines(result, { show: 0 }),
];

export function doneLines(done: DoneEvent, lastLoss: string): string[] {
  const loss = lastLoss === '' ? '' : `, mean loss ${lastLoss}`;
  const head = done.stopped
    ? colours.yellow(`Stopped after step ${done.step} of ${done.totalSteps}`)
    : colours.green(colours.bold(`Done in ${duration(done.seconds)}`)) +
      `: ${plural(done.step, 'step')}${loss}`;
  const files = { adapter: done.adapter, log: done.log, ...done.results };
  const rows = Object.entries(files).flatMap(([name, file]) =>
    file === undefined ? [] : [`  ${colours.dim(name.padEnd(13))}  ${withCodes(file)}`],
  );
  return ['', head, ...rows];
}
