// The weights of a model: in memory, or where they lie in a file.

import type { ExternalTensor, Tensor } from './tensor.ts';

/** By parameter name. */
export type Weights = ReadonlyMap<string, Tensor | ExternalTensor>;
