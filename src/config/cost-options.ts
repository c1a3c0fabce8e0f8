// What a run costs: settings of the place where it is computed, which change nothing of its result.
import { z } from 'zod';
import { number } from '../util/options.ts';

/** Above it is no machine but a hall of them. */
const MOST_WATTS = 1e6;

export const costOptions = {
  power_watts: number(1, MOST_WATTS)
    .optional()
    .describe(
      'What the whole machine draws while it trains, in watts, such as a meter at its plug shows. When absent: what the system measures of itself, else a guess (docs/cost.md).',
    ),
  price_per_kwh: number(0, 1e6)
    .optional()
    .describe('Price of a kilowatt-hour. When absent: the energy is told, not what it costs.'),
  currency: z
    .string()
    .regex(/^\S{1,8}$/, 'expected one to eight characters without spaces')
    .optional()
    .describe('Of price_per_kwh, as it is to be shown: EUR, CNY, $.'),
};
