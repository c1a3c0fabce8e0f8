// The options of the adapters: which layers get one, and of what size.
import { z } from 'zod';
import { integer, number } from '../util/options.ts';

/** Largest rank taken: no layer of these models is wider than 1280, and a rank above its width is waste. */
const highestRank = 1280;

export const adapterOptions = {
  lora_rank: integer(1, highestRank).default(16).describe('Rank of the adapters of linear layers and 1x1 convolutions.'),
  lora_alpha: number(0)
    .gt(0)
    .optional()
    .describe('The adapter is scaled by lora_alpha / lora_rank. When absent: lora_rank (a scale of 1).'),
  conv_rank: integer(0, highestRank)
    .default(0)
    .describe('Rank of the adapters of 3x3 convolutions and of the other layers of residual blocks. 0: none.'),
  conv_alpha: number(0).optional().describe('As lora_alpha, for conv_rank. When absent: conv_rank.'),
  train_unet: z.boolean().default(true).describe('Whether the UNet gets adapters.'),
  train_text_encoder: z.boolean().default(true).describe('Whether the text encoder gets adapters.'),
};
