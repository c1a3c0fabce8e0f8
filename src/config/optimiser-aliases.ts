// The optimisers' names in other trainers: kohya's scripts, diffusers, transformers, axolotl.

import type { OptimiserName } from '../optim/optimisers.ts';
import { optimiserNames } from '../optim/optimisers.ts';

/** What runs here by that name. */
export interface NamedOptimiser {
  readonly optimizer: OptimiserName;
  /** Set where the other keeps its state otherwise, and so computes other numbers. */
  readonly note?: string;
}

const same: Readonly<Record<string, OptimiserName>> = {
  adamwtorch: 'adamw',
  adamwtorchfused: 'adamw',
  adamwhf: 'adamw',
  adamwapexfused: 'adamw',
  sgdnesterov: 'sgd_nesterov',
};

/** Those that keep their state in fewer bits, or elsewhere than on the GPU. */
const savesMemory: readonly (readonly [RegExp, OptimiserName])[] = [
  [/^(paged|ao|optimi)?adamw(torch|bnb)?(8bit|32bit|4bit|fp8)?$/, 'adamw'],
  [/^sgd8bit$/, 'sgd'],
  [/^sgdnesterov8bit$/, 'sgd_nesterov'],
];

/**
 * `AdamW` and `adamw_torch` are adamw, and so is AdamW8bit, with a note; undefined for what does
 * not run here.
 */
export function optimiserNamed(name: string): NamedOptimiser | undefined {
  const plain = name.toLowerCase().replaceAll(/[_-]/g, '');
  const ours = optimiserNames.find((one) => one.replaceAll('_', '') === plain);
  if (ours !== undefined) return { optimizer: ours };
  // hasOwn: a name may be constructor
  if (Object.hasOwn(same, plain)) return { optimizer: same[plain] };
  const [, optimizer] = savesMemory.find(([pattern]) => pattern.test(plain)) ?? [];
  if (optimizer === undefined) return undefined;
  return {
    optimizer,
    note: `${name} is not supported: ${optimizer} runs instead, with its state in float32`,
  };
}
