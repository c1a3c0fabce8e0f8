// The adapter of a run, as pictures and texts are made with it: its tensors are those that training
// changes.

import type { LoraModule } from '../adapters/lora-module.ts';
import type { Adapter, Mix } from '../generate/mix.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { needed } from '../util/needed.ts';

export interface Trained {
  readonly modules: readonly LoraModule[];
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
}

/** At full strength. */
export function liveMix({ modules, weights }: Trained): Mix {
  const weightOf = ({ name }: LoraModule['down']) => needed(weights, name, 'weight');
  const adapter: Adapter = {
    name: 'the adapter',
    modules: modules.map(({ path, alpha, down, up }) => ({
      ...{ path, alpha },
      down: weightOf(down),
      up: weightOf(up),
    })),
  };
  return [{ adapter, strength: 1 }];
}
