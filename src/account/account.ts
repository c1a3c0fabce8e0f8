// account.json: what a run has taken, start by start. Time and energy of an interrupted start count
// like any other's, also of steps that were computed again.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../errors.ts';
import type { AccountEvent, Cost, Expense, StartExpense } from '../events.ts';
import { reasonOf } from '../util/caught.ts';
import type { PowerSource } from './power.ts';

export const ACCOUNT_FILE = 'account.json';

const amount = z.number().nonnegative();
const share = amount.max(1);

const start = z.object({
  at: z.iso.datetime(),
  seconds: amount,
  joules: amount,
  /** Where the energy comes from; see `PowerSource`. */
  power: z.object({ how: z.enum(['measured', 'given', 'guessed']), of: z.string() }),
  pricePerKwh: amount.optional(),
  currency: z.string().optional(),
  /** The most memory that the process held, in bytes. */
  peakMemory: amount.optional(),
  /** What the plan said of it. */
  memoryEstimate: amount.optional(),
  /** Of the processor, of all threads of the process together. */
  processorSeconds: amount.optional(),
  /** The share of the processor time that it could have used and other programs had. */
  load: share.optional(),
  /** What this start was to take, from its beginning; said after `step`, `load` up to then. */
  forecast: z
    .object({
      step: z.int().nonnegative(),
      seconds: amount,
      joules: amount.optional(),
      processorSeconds: amount.optional(),
      load: share.optional(),
    })
    .optional(),
  /** Whether it ended by itself; where not, the forecast has nothing to be compared with. */
  whole: z.boolean().default(false),
});

const account = z.object({ starts: z.array(start).default([]) });

export type StartAccount = z.output<typeof start>;
export type RunAccount = Readonly<z.output<typeof account>>;

/**
 * What the folder of a run says; no starts where it says nothing. Throws DataError where the file
 * is damaged.
 */
export function readAccount(dir: string): RunAccount {
  const path = join(dir, ACCOUNT_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { starts: [] };
  }
  try {
    return account.parse(JSON.parse(text));
  } catch (error) {
    const what = `is damaged, or is not of a run: ${reasonOf(error).split('\n')[0]}`;
    throw new DataError([{ where: path, what, fix: 'Delete it: the run goes on without it.' }]);
  }
}

export const accountText = (account: RunAccount): string => `${JSON.stringify(account, null, 2)}\n`;

const JOULES_PER_KWH = 3.6e6;

export const kilowattHours = (joules: number): number => joules / JOULES_PER_KWH;

/** What so much energy costs; undefined where no price is known. */
export const costOf = (
  joules: number,
  { price_per_kwh, currency }: { readonly price_per_kwh?: number; readonly currency?: string },
): Cost | undefined =>
  price_per_kwh === undefined
    ? undefined
    : {
        amount: kilowattHours(joules) * price_per_kwh,
        ...(currency !== undefined && { currency }),
      };

/** Of one start, as far as it has come or is expected to. */
export function expenseOf(
  { seconds, joules }: { readonly seconds: number; readonly joules: number },
  { how, of }: PowerSource,
  prices: { readonly price_per_kwh?: number; readonly currency?: string },
): Expense {
  const cost = costOf(joules, prices);
  return {
    seconds,
    joules,
    costs: cost === undefined ? [] : [cost],
    power: [of],
    isMeasured: how === 'measured',
    unpriced: cost === undefined ? 1 : 0,
  };
}

/** All starts of a run, or of several. */
export function totalOf(starts: readonly StartAccount[]): Expense {
  const costs = new Map<string | undefined, number>();
  for (const { joules, pricePerKwh, currency } of starts)
    if (pricePerKwh !== undefined)
      costs.set(currency, (costs.get(currency) ?? 0) + kilowattHours(joules) * pricePerKwh);
  return {
    seconds: sum(starts.map(({ seconds }) => seconds)),
    joules: sum(starts.map(({ joules }) => joules)),
    costs: [...costs].map(([currency, amount]) => ({
      amount,
      ...(currency !== undefined && { currency }),
    })),
    power: [...new Set(starts.map(({ power }) => power.of))],
    isMeasured: starts.every(({ power }) => power.how === 'measured'),
    unpriced: starts.filter(({ pricePerKwh }) => pricePerKwh === undefined).length,
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Of a run whose last start is the present one. */
export function accountEvent({ starts }: RunAccount): AccountEvent {
  const present = starts.at(-1);
  const peaks = starts.flatMap(({ peakMemory = [] }) => peakMemory);
  return {
    type: 'account',
    ...totalOf(starts),
    starts: starts.length,
    ...(peaks.length > 0 && { peakMemory: Math.max(...peaks) }),
    ...(present?.memoryEstimate !== undefined && { memoryEstimate: present.memoryEstimate }),
    ...(present?.load !== undefined && { load: present.load }),
    ...(present?.forecast !== undefined &&
      present.whole && { forecast: { said: expenseSaid(present.forecast), took: taken(present) } }),
  };
}

const expenseSaid = ({ step: _, ...said }: NonNullable<StartAccount['forecast']>): StartExpense =>
  said;

const taken = ({ seconds, joules, processorSeconds, load }: StartAccount): StartExpense => ({
  seconds,
  joules,
  ...(processorSeconds !== undefined && { processorSeconds }),
  ...(load !== undefined && { load }),
});
