// The options of the adapters: which layers get one, and of what size.
import { z } from 'zod';
import { forImages, forTexts, integer, number, text } from '../util/options.ts';

/** Largest rank taken: a slip such as 1600 for 16 stops here. */
const highestRank = 1280;

// JSON Schema has no maps; config/load.ts refuses __proto__ before it could be lost
/* eslint-disable house/no-object-as-map */
const ranks = z.record(z.string(), integer(1, highestRank));
const alphas = z.record(z.string(), number(0).gt(0));
/* eslint-enable house/no-object-as-map */
const pairsOf = (number: string) => ({
  ...forTexts,
  expected: `pairs of a name and ${number}, such as { q_proj: 8 }`,
});

export const adapterOptions = {
  lora_rank: integer(1, highestRank)
    .default(16)
    .describe('Rank of the adapters of linear layers and 1x1 convolutions.'),
  lora_alpha: number(0)
    .gt(0)
    .optional()
    .describe(
      'The adapter is scaled by lora_alpha / lora_rank. When absent: lora_rank (a scale of 1).',
    ),
  conv_rank: integer(0, highestRank)
    .default(0)
    .describe(
      'Rank of the adapters of 3x3 convolutions and of the other layers of residual blocks. 0: none.',
    )
    .meta(forImages),
  conv_alpha: number(0)
    .optional()
    .describe('As lora_alpha, for conv_rank. When absent: conv_rank.')
    .meta(forImages),
  train_unet: z.boolean().default(true).describe('Whether the UNet gets adapters.').meta(forImages),
  train_text_encoder: z
    .boolean()
    .default(true)
    .describe('Whether the text encoder gets adapters.')
    .meta(forImages),
  target_modules: z
    .union([text(), z.array(text()).min(1)])
    .default('all-linear')
    .describe(
      "Which layers get adapters, by PEFT's rules: all-linear (all but the output head), a list of names such as [q_proj, v_proj], or one regular expression of whole paths.",
    )
    .meta({
      ...forTexts,
      expected: 'all-linear, a list of names such as [q_proj, v_proj], or a regular expression',
    }),
  rank_pattern: ranks
    .default({})
    .describe(
      'Ranks that differ from lora_rank, by name or by a regular expression of the end of the path: { down_proj: 4 }. The first match counts.',
    )
    .meta(pairsOf(`a whole number from 1 to ${highestRank}`)),
  alpha_pattern: alphas
    .default({})
    .describe('The same for lora_alpha.')
    .meta(pairsOf('a number above 0')),
  use_rslora: z
    .boolean()
    .default(false)
    .describe('Scales the adapter by lora_alpha / √lora_rank in place of lora_alpha / lora_rank.')
    .meta(forTexts),
  lora_dropout: number(0, 0.99)
    .default(0)
    .describe(
      "Probability that a number of an adapter's input is set to 0 in training. Drawn again in each step, from seed and step alone.",
    )
    .meta(forTexts),
};
