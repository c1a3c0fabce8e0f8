// logs/metrics.jsonl: one JSON object a step or validation, for programs; keys in the spelling of
// files. Its bytes are the same for two runs of the same numbers: times have a file of their own.

import type { StepEvent, ValidationEvent } from '../../events.ts';

export function metricsLine(step: StepEvent): string {
  const fields = {
    step: step.step,
    epoch: step.epoch,
    // null in JSON, where no weight was changed
    loss: step.loss,
    ...(step.skipped === true && { skipped: true }),
    loss_average: step.lossAverage,
    learning_rates: step.learningRates,
    grad_norm: step.gradNorm,
  };
  return `${JSON.stringify(fields)}\n`;
}

/** Of logs/timings.jsonl: seconds since 1970, seconds a step, bytes of the process. */
export function timingsLine(step: StepEvent, at: Date): string {
  const fields = {
    step: step.step,
    time: at.getTime() / 1000,
    seconds_per_step: step.secondsPerStep,
    memory_bytes: step.memoryBytes,
  };
  return `${JSON.stringify(fields)}\n`;
}

export function validationLine({
  step,
  loss,
  trainLoss,
  perplexity,
  tokens,
  pictures,
}: ValidationEvent): string {
  const fields = {
    step,
    validation_loss: loss,
    validation_train_loss: trainLoss,
    ...(perplexity !== undefined && { perplexity }),
    ...(tokens !== undefined && { tokens }),
    ...(pictures !== undefined && { validation_pictures: pictures.count, bands: pictures.bands }),
  };
  return `${JSON.stringify(fields)}\n`;
}
