// logs/train.log: the events of a run as lines of text for people.

import { formatProblem } from '../../errors.ts';
import type { PlanEvent, SampleEvent, StepEvent, ValidationEvent } from '../../events.ts';
import type { TrainEvent } from '../events.ts';
import { expenseLines } from './expense-lines.ts';

/** The lines for one event; none for the repeated sayings of one phase. */
export function logLines(event: TrainEvent): string[] {
  switch (event.type) {
    case 'plan':
      return planLines(event);
    case 'phase':
      return event.done > 0 && event.done < event.total
        ? []
        : [`${event.name}${event.total > 0 ? ` ${event.done}/${event.total}` : ''}`];
    case 'warning':
      return [`warning: ${formatProblem(event.problem).replace(/\s*\n\s*/g, ' ')}`];
    case 'step':
      return [stepLine(event)];
    case 'saved':
      return [
        `saved after step ${event.step}: ${event.files.join(', ')}`,
        ...(event.notes ?? []).map((note) => `  ${note}`),
      ];
    case 'sample':
      return sampleLines(event);
    case 'validation':
      return [validationText(event)];
    case 'verdict':
      return titled(`verdict after step ${event.step}`, event.verdict);
    case 'forgetting':
      return titled(`old and new after step ${event.step}`, event);
    case 'evaluated':
      return titled('evaluation', event.result.verdict);
    case 'forecast':
    case 'account':
      return expenseLines(event);
    case 'done':
      return [
        `${event.stopped ? 'stopped' : 'done'} after step ${event.step} of ${event.totalSteps}, ${event.seconds.toFixed(1)} s`,
      ];
  }
}

const titled = (
  title: string,
  { headline, reasons }: { readonly headline: string; readonly reasons: readonly string[] },
): string[] => [headline, ...reasons].map((line) => `${title}: ${line}`);

function validationText(event: ValidationEvent): string {
  const { step, loss, trainLoss, perplexity, tokens, pictures } = event;
  return [
    `validation after step ${step}: loss ${loss.toPrecision(5)}`,
    `on trained ${trainLoss.toPrecision(5)}`,
    ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toPrecision(5)}`]),
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
    ...(pictures?.bands ?? []).map(
      ({ timestep, loss: part }) => `${part.toPrecision(3)} at timestep ${timestep}`,
    ),
  ].join(', ');
}

function sampleLines(event: SampleEvent): string[] {
  const { step, prompt, file, answer, baseAnswer, nearest } = event;
  if (file !== undefined) {
    const like =
      nearest === undefined
        ? ''
        : `, likeness ${nearest.likeness.toFixed(3)} to ${nearest.name}${nearest.isCopy ? ': a copy' : ''}`;
    return [`picture of step ${step}: ${file} (${prompt})${like}`];
  }
  const answers = { 'without the adapter': baseAnswer, answer };
  return Object.entries({ [`prompt after step ${step}`]: prompt, ...answers }).flatMap(
    ([name, text]) => (text === undefined ? [] : [`${name}: ${JSON.stringify(text)}`]),
  );
}

function planLines(plan: PlanEvent): string[] {
  const shapes = plan.shapes.map(({ label, count }) => `${label}: ${count}`).join(', ');
  const memory =
    plan.memoryEstimate === undefined ? '' : `, about ${mebibytes(plan.memoryEstimate)}`;
  return [
    `run folder ${plan.outputDir}`,
    `base model ${plan.baseModel}`,
    `${plan.samples} ${plan.sampleName}s (${shapes})`,
    `${plan.totalSteps} steps from step ${plan.firstStep}, ${plan.epochs} epochs, batch size ${plan.batchSize} x ${plan.gradientAccumulation}`,
    `${plan.trainableParameters} parameters in ${plan.adaptedModules} layers`,
    `${plan.device}${memory}`,
    ...(plan.validation === undefined ? [] : [plan.validation]),
    ...(plan.resumed === undefined ? [] : resumedLines(plan.resumed, plan.firstStep)),
    ...(plan.deviceReason === undefined ? [] : [`device: ${plan.deviceReason}`]),
    ...(plan.microBatch === undefined
      ? []
      : [`at most ${plan.microBatch} ${plan.sampleName}s go through the model at once`]),
  ];
}

const resumedLines = (
  { start, changes, learningRates = {} }: NonNullable<PlanEvent['resumed']>,
  step: number,
): string[] => [
  `start ${start} of the run, which goes on from step ${step}`,
  ...changes.map((change) => `  from here on, ${change}`),
  ...Object.entries(learningRates).map(
    ([group, rate]) => `  learning rate of the next step, ${group}: ${rate.toExponential(2)}`,
  ),
];

function stepLine(step: StepEvent): string {
  const rates = Object.entries(step.learningRates).map(
    ([group, rate]) => `${group} ${rate.toExponential(2)}`,
  );
  return [
    `step ${step.step}/${step.totalSteps}`,
    `epoch ${step.epoch}/${step.epochs}`,
    `loss ${step.loss.toPrecision(5)}`,
    `mean ${step.lossAverage.toPrecision(5)}`,
    `lr ${rates.join(' ')}`,
    `grad norm ${step.gradNorm.toPrecision(4)}`,
    ...(Number.isFinite(step.secondsPerStep) ? [`${step.secondsPerStep.toFixed(3)} s/step`] : []),
    ...(Number.isFinite(step.secondsLeft) ? [`${Math.round(step.secondsLeft)} s left`] : []),
    mebibytes(step.memoryBytes),
  ].join('  ');
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
