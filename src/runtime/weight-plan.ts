// How each frozen weight is kept while programs read it: decided before lowering, one value to look
// at.

import type { DType } from '../tensor/dtype.ts';
import type { ExternalTensor, Shape, Tensor } from '../tensor/tensor.ts';

/**
 * `mapped`: in its file, or where the caller has it; `packed`: copied by the session into the order
 * of its products; `copied`: in float32, in memory, which programs share; `device`: a copy
 * in the device's memory, which programs share.
 */
export type Keeping = 'mapped' | 'packed' | 'copied' | 'device';

export interface Kept {
  readonly how: Keeping;
  /** Element type as kept; expected, where the numbers decide it. */
  readonly dtype: DType;
}

/** By the weight's name. */
export type WeightPlan = ReadonlyMap<string, Kept>;

/** A weight that is to be taken out of its file, and how it is to be kept. */
export interface WeightToHold {
  readonly tensor: Tensor | ExternalTensor;
  readonly kept: Kept;
}

/** A weight outside its file, as one backend keeps it. */
export interface Held {
  readonly dtype: DType;
  readonly shape: Shape;
  release(): void;
}

/** Whether sessions are fed the weight, which a `WeightStore` holds. */
export const isHeld = ({ how }: Kept): boolean => how === 'copied' || how === 'device';
