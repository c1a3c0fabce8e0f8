// How long a step will take on a runtime whose rates were measured.

import type { Rates } from './measure.ts';
import { steps, type StepCost } from './steps.ts';

export interface Estimate {
  /** Key of `steps`. */
  readonly step: keyof typeof steps;
  readonly name: string;
  readonly batch: number;
  readonly secondsPerStep: number;
  /** Of a language model. */
  readonly tokensPerSecond: number | null;
}

/**
 * Products and convolutions at their rates, everything else at the rate of memory, and what crosses
 * the bus in each step: adapters there, gradients back.
 */
export function secondsOf(cost: StepCost, rates: Rates): number {
  const { toDevice = Infinity, fromDevice = Infinity } = rates;
  const crossing = 4 * cost.trained;
  return (
    cost.products / rates.products +
    cost.convolutions / rates.convolutions +
    cost.rest / rates.memory +
    crossing / toDevice +
    crossing / fromDevice
  );
}

export function estimatesOf(rates: Rates): Estimate[] {
  // `steps` has these keys and no others
  const keys = Object.keys(steps) as (keyof typeof steps)[];
  return keys.map((key) => {
    const cost: StepCost = steps[key];
    const seconds = secondsOf(cost, rates);
    return {
      step: key,
      name: cost.name,
      batch: cost.batch,
      secondsPerStep: seconds,
      tokensPerSecond: cost.task === 'text' ? cost.samples / seconds : null,
    };
  });
}
