// The weights of a model: in memory, or where they lie in a file.

import { byteLength, type ExternalTensor, type Tensor } from './tensor.ts';

/** By parameter name. */
export type Weights = ReadonlyMap<string, Tensor | ExternalTensor>;

export const sizeInBytes = (weights: Weights): number =>
  [...weights.values()].reduce((sum, { dtype, shape }) => sum + byteLength(dtype, shape), 0);
