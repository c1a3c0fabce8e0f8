// An adapter at a strength, as the inputs of a program that has it.

import type { LoraModule } from '../adapters/lora-module.ts';
import { InternalError } from '../errors.ts';
import { float32, zeros, type Tensor } from '../tensor/tensor.ts';
import type { AdapterWeights } from './adapter.ts';

/** Adapter weights and their strength; without weights the strength is 0. */
export interface Adaptation {
  readonly weights: AdapterWeights | undefined;
  readonly multiplier: number;
}

/** The input that multiplies the adapters' part. */
export const MULTIPLIER = 'multiplier';

/**
 * What a program whose graph has `modules` is given with every run; nothing where there are none.
 */
export function adapterInputs(
  modules: readonly LoraModule[],
  adaptation: Adaptation | undefined,
): Record<string, Tensor> {
  if (modules.length === 0) return {};
  const weights = adaptation?.weights;
  const multiplier = weights === undefined ? 0 : (adaptation?.multiplier ?? 0);
  const given = modules
    .flatMap(({ down, up }) => [down, up])
    .map(({ name, shape }): [string, Tensor] => {
      const tensor = weights === undefined ? zeros('float32', shape) : weights.get(name);
      if (tensor === undefined)
        throw new InternalError(`the adapter's weight ${name} is not given`);
      return [name, tensor];
    });
  return { ...Object.fromEntries(given), [MULTIPLIER]: float32([], [multiplier]) };
}
