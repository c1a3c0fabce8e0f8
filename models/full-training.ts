// What the trainings of all embedded bases share: the optimiser's settings, and the lines they
// print.
import type { OptimiserOptions } from '../src/train/optimiser.ts';
import type { StepResult } from '../src/train/loop.ts';

/** AdamW with decay 0.01 under a cosine of one fall, gradients clipped at 1. */
export function adamWithCosine({
  beta2,
  warmup,
  totalSteps,
}: {
  readonly beta2: number;
  readonly warmup: number;
  readonly totalSteps: number;
}): OptimiserOptions {
  return {
    optimizer: 'adamw',
    momentum: 0,
    betas: [0.9, beta2],
    eps: 1e-8,
    weight_decay: 0.01,
    lr_scheduler: 'cosine',
    lr_warmup_steps: warmup,
    lr_num_cycles: 1,
    lr_power: 1,
    max_grad_norm: 1,
    totalSteps,
  };
}

/**
 * Prints a line every 20 steps: step, mean loss of these steps, norm of the gradient, rate, time.
 */
export async function report(
  stage: string,
  totalSteps: number,
  steps: AsyncIterable<StepResult>,
): Promise<void> {
  let [sum, count, since] = [0, 0, Date.now()];
  for await (const { step, loss, gradNorm, learningRates } of steps) {
    sum += loss;
    count++;
    if (step % 20 !== 0) continue;
    const seconds = (Date.now() - since) / 1000 / count;
    console.log(
      `${stage} ${step}/${totalSteps} loss ${(sum / count).toFixed(4)} norm ${gradNorm.toFixed(2)} rate ${learningRates.all.toExponential(2)} ${seconds.toFixed(2)} s/step`,
    );
    [sum, count, since] = [0, 0, Date.now()];
  }
}
