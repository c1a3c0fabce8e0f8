// logs/metrics.jsonl: one JSON object a step or validation, for programs; keys in the spelling of
// files.

import type { StepEvent, ValidationEvent } from '../../events.ts';

export function metricsLine(step: StepEvent, at: Date): string {
  const fields = {
    step: step.step,
    epoch: step.epoch,
    loss: step.loss,
    loss_average: step.lossAverage,
    learning_rates: step.learningRates,
    grad_norm: step.gradNorm,
    seconds_per_step: step.secondsPerStep,
    memory_bytes: step.memoryBytes,
    time: at.getTime() / 1000,
  };
  return `${JSON.stringify(fields)}\n`;
}

export function validationLine(
  { step, loss, trainLoss, perplexity, tokens, pictures }: ValidationEvent,
  at: Date,
): string {
  const fields = {
    step,
    validation_loss: loss,
    validation_train_loss: trainLoss,
    ...(perplexity !== undefined && { perplexity }),
    ...(tokens !== undefined && { tokens }),
    ...(pictures !== undefined && { validation_pictures: pictures.count, bands: pictures.bands }),
    time: at.getTime() / 1000,
  };
  return `${JSON.stringify(fields)}\n`;
}
