// lora resize: an adapter of a lower rank, by singular values.
import { resizeAdapter } from '../index.ts';
import {
  keptOf,
  modulesText,
  outputFlags,
  outputOptions,
  shareLines,
  tellWritten,
} from './adapter-output.ts';
import type { Command } from './command.ts';
import { whileLayers } from './layer-progress.ts';

export const resizeCommand: Command = {
  name: 'resize',
  summary: 'Give an adapter a lower rank: the largest singular values of each layer (SVD)',
  arguments: [{ name: '<adapter>', key: 'adapter', description: 'file or folder of an adapter' }],
  flags: [
    { flags: '--rank <number>', key: 'rank', description: 'the highest rank that a layer has' },
    {
      flags: '--keep <share>',
      key: 'keep',
      description: 'in place of --rank: the share of the norm that each layer keeps, such as 0.95',
    },
    ...outputFlags,
  ],
  examples: [
    'lora resize --rank 8 --output small.safetensors output/brand_lora.safetensors',
    'lora resize --keep 0.95 --output small.safetensors output/brand_lora.safetensors',
  ],
  run(given) {
    const resized = whileLayers(
      (onProgress) =>
        resizeAdapter({
          ...outputOptions(given),
          path: String(given.adapter),
          kept: keptOf(given),
          onProgress,
        }),
      'computing singular values',
    );
    const untouched = resized.layers.every(({ from, to }) => from === to);
    const lines = untouched
      ? ['no layer has a higher rank: all are as they were']
      : shareLines(resized.layers);
    tellWritten(resized, modulesText(resized.modules), lines);
    return 0;
  },
};
