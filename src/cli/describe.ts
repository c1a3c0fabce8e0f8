// The events of a training run in words: the lines that stay on the screen, the same for a terminal and for a file.
import { basename } from 'node:path';
import { formatProblem } from '../errors.ts';
import type { DoneEvent, PlanEvent, SampleEvent, SavedEvent, WarningEvent } from '../train/events.ts';
import { colours } from './colours.ts';
import { amount, bytes, duration } from './format.ts';

const plural = (count: number, one: string, many = `${one}s`) => `${amount(count)} ${count === 1 ? one : many}`;

/** Largest buckets first; the rest is only counted. */
function bucketText(buckets: PlanEvent['buckets']): string {
  if (buckets.length === 0) return '';
  const sorted = [...buckets].sort((a, b) => b.count - a.count);
  const named = sorted.slice(0, 4).map(({ width, height, count }) => `${width}×${height}${buckets.length > 1 ? ` (${count})` : ''}`);
  const more = sorted.length - named.length;
  return ` at ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export function planLines(plan: PlanEvent): string[] {
  const steps = `${plural(plan.totalSteps, 'step')} of ${plan.batchSize * plan.gradientAccumulation} in ${plural(plan.epochs, 'epoch')}`;
  const resumed = plan.firstStep > 0 ? `, from step ${plan.firstStep}` : '';
  const cost = [
    ...(plan.secondsEstimate === undefined ? [] : [`about ${duration(plan.secondsEstimate)}`]),
    ...(plan.memoryEstimate === undefined ? [] : [`about ${bytes(plan.memoryEstimate)}`]),
  ];
  return [
    `${colours.bold(basename(plan.outputDir))} ${colours.dim('on')} ${plan.baseModel}`,
    `  ${plural(plan.samples, 'picture')}${bucketText(plan.buckets)}`,
    `  ${steps}${resumed}`,
    `  ${amount(plan.trainableParameters)} parameters in ${plural(plan.adaptedModules, 'layer')}`,
    `  ${[plan.device, ...cost].join(', ')}`,
  ];
}

export const warningLines = ({ problem }: WarningEvent): string[] => [`${colours.yellow('warning')} ${formatProblem(problem)}`];

export const savedLines = ({ step, files }: SavedEvent): string[] => [`${colours.green('✓')} step ${step} saved: ${files.join(', ')}`];

export const sampleLines = ({ step, file, prompt }: SampleEvent): string[] => [`${colours.green('✓')} step ${step} drawn: ${file} ${colours.dim(prompt)}`];

export function doneLines(done: DoneEvent, lastLoss: string): string[] {
  const loss = lastLoss === '' ? '' : `, mean loss ${lastLoss}`;
  const head = done.stopped
    ? colours.yellow(`Stopped after step ${done.step} of ${done.totalSteps}`)
    : colours.green(colours.bold(`Done in ${duration(done.seconds)}`)) + `: ${plural(done.step, 'step')}${loss}`;
  const files = { adapter: done.adapter, log: done.log, 'contact sheet': done.contactSheet };
  const rows = Object.entries(files).flatMap(([name, file]) => (file === undefined ? [] : [`  ${colours.dim(name.padEnd(13))}  ${file}`]));
  return ['', head, ...rows];
}
