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
  { step, loss, perplexity, tokens }: ValidationEvent,
  at: Date,
): string {
  return `${JSON.stringify({ step, validation_loss: loss, perplexity, tokens, time: at.getTime() / 1000 })}\n`;
}
