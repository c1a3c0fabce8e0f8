// lora convert: an adapter in the layout of another program.
import { convertAdapter } from '../index.ts';
import { modulesText, outputFlags, outputOptions, tellWritten } from './adapter-output.ts';
import { choice, type Command } from './command.ts';
import { whileLayers } from './layer-progress.ts';

export const convertCommand: Command = {
  name: 'convert',
  summary: 'Write an adapter in the layout of another program: kohya, LyCORIS, diffusers, PEFT',
  arguments: [{ name: '<adapter>', key: 'adapter', description: 'file or folder of an adapter' }],
  flags: [
    {
      flags: '-t, --to <layout>',
      key: 'to',
      description: 'kohya, lycoris, diffusers or peft',
      required: true,
    },
    ...outputFlags,
    {
      flags: '--alpha <place>',
      key: 'alpha',
      description:
        'for diffusers: weights (alpha / rank multiplied into B; every version reads it) or metadata (B stays; diffusers 0.34 and later)',
    },
  ],
  examples: [
    'lora convert --to diffusers --output brand_diffusers.safetensors output/brand_lora.safetensors',
    'lora convert --to peft --output brand_peft output/brand_lora.safetensors',
  ],
  run(given) {
    const to = choice('--to', String(given.to), ['kohya', 'lycoris', 'diffusers', 'peft']);
    const place = choice('--alpha', String(given.alpha ?? 'weights'), ['weights', 'metadata']);
    const written = whileLayers(
      (onProgress) =>
        convertAdapter({
          ...outputOptions(given),
          path: String(given.adapter),
          to,
          isAlphaInMetadata: place === 'metadata',
          onProgress,
        }),
      'writing the tensors',
    );
    tellWritten(written, `${modulesText(written.modules)} for ${to}`);
    return 0;
  },
};
