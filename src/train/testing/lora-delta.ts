// What an adapter adds to a weight, in float64: to judge by.

import { toFloat32 } from '../../tensor/half.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** scale · B A, [out × in]; kernels are flattened. */
export function loraDelta(down: Tensor, up: Tensor, scale: number): Float64Array {
  const [a, b] = [toFloat32(down), toFloat32(up)];
  const rank = a.shape[0];
  const [outputs, inputs] = [b.shape[0], a.data.length / rank];
  const delta = new Float64Array(outputs * inputs);
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < rank; r++) {
      const factor = scale * b.data[o * rank + r];
      for (let i = 0; i < inputs; i++) delta[o * inputs + i] += factor * a.data[r * inputs + i];
    }
  return delta;
}
