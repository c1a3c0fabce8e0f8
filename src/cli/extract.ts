// lora extract: an adapter from two whole models.
import { extractAdapter } from '../index.ts';
import {
  keptOf,
  modulesText,
  numberOf,
  outputFlags,
  outputOptions,
  shareLines,
  tellWritten,
} from './adapter-output.ts';
import type { Command } from './command.ts';
import { whileLayers } from './layer-progress.ts';

export const extractCommand: Command = {
  name: 'extract',
  summary: 'Make an adapter of the difference between a base model and a fully tuned one (SVD)',
  arguments: [
    {
      name: '<base>',
      key: 'base',
      description: "the model before: a Stable Diffusion model, or a language model's folder",
    },
    { name: '<tuned>', key: 'tuned', description: 'the model after' },
  ],
  flags: [
    { flags: '--rank <number>', key: 'rank', description: 'the rank of each layer' },
    {
      flags: '--keep <share>',
      key: 'keep',
      description: 'in place of --rank: the share of the norm that each layer keeps, such as 0.95',
    },
    {
      flags: '--conv-rank <number>',
      key: 'conv_rank',
      description: 'the rank of 3x3 convolutions; by default as the other layers',
    },
    ...outputFlags.map((flag) =>
      flag.key === 'precision'
        ? { ...flag, description: 'float32, float16 or bfloat16; by default float32' }
        : flag,
    ),
  ],
  examples: [
    'lora extract --rank 32 --precision float16 --output style.safetensors base.safetensors tuned.safetensors',
  ],
  run(given) {
    const convRank = given.conv_rank;
    const extracted = whileLayers(
      (onProgress) =>
        extractAdapter({
          ...outputOptions(given),
          base: String(given.base),
          tuned: String(given.tuned),
          kept: keptOf(given),
          ...(convRank !== undefined && { convRank: numberOf('--conv-rank', convRank) }),
          onProgress,
        }),
      'computing singular values',
    );
    tellWritten(extracted, modulesText(extracted.modules), shareLines(extracted.layers));
    return 0;
  },
};
