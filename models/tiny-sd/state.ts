// Where the stages of the embedded base keep their state.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensors, readTensor } from '../../src/checkpoints/safetensors-file.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

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
  return new Map(
    averaged.map(
      ([name, external]) => [name.slice('average:'.length), readTensor(external)] as const,
    ),
  );
}
