// Where the stages of the embedded base keep their state, and the lines they print.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensors, readTensor } from '../../src/checkpoints/safetensors-file.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import type { StepResult } from '../../src/train/loop.ts';

/** Not committed: weights with moments and averages, for continuing. */
export const stateFolder = fileURLToPath(new URL('../../.cache/tiny-sd', import.meta.url));

/** The deviation of the training pictures' latents, by which the UNet's latents are divided. */
export const deviationFile = `${stateFolder}/latents.json`;

export function stateFile(stage: string): string {
  mkdirSync(stateFolder, { recursive: true });
  return `${stateFolder}/${stage}.safetensors`;
}

/** The averaged weights that a stage left behind. */
export function averagedWeights(stage: string): Map<string, Tensor> {
  const { tensors } = openSafetensors(stateFile(stage));
  const averaged = [...tensors].filter(([name]) => name.startsWith('average:'));
  return new Map(averaged.map(([name, external]) => [name.slice('average:'.length), readTensor(external)] as const));
}

/** Prints a line every 20 steps: step, mean loss of these steps, norm of the gradient, rate, time. */
export async function report(stage: string, totalSteps: number, steps: AsyncIterable<StepResult>): Promise<void> {
  let [sum, count, since] = [0, 0, Date.now()];
  for await (const { step, loss, gradNorm, learningRates } of steps) {
    sum += loss;
    count++;
    if (step % 20 !== 0) continue;
    const seconds = (Date.now() - since) / 1000 / count;
    console.log(`${stage} ${step}/${totalSteps} loss ${(sum / count).toFixed(4)} norm ${gradNorm.toFixed(2)} rate ${learningRates.all.toExponential(2)} ${seconds.toFixed(2)} s/step`);
    [sum, count, since] = [0, 0, Date.now()];
  }
}
