// How a graphics card keeps frozen weights: copied into its memory once, in half precision where
// the file has that and the card computes with it.

import { readExternal } from '../../storage/read-tensor.ts';
import type { DType } from '../../tensor/dtype.ts';
import { fromFloat32, toFloat32 } from '../../tensor/half.ts';
import { isExternal, type Tensor } from '../../tensor/tensor.ts';
import { needed } from '../../util/needed.ts';
import type { BoundGraph } from '../backend.ts';
import type { Held, Kept, WeightToHold, WeightPlan } from '../weight-plan.ts';
import type { Upload } from './session.ts';

/** All weights that the graph reads, on the device. */
export function devicePlan({ graph, weights }: BoundGraph, halfPrecision: boolean): WeightPlan {
  const bound = graph.parameters.filter(({ name }) => weights.has(name));
  return new Map(
    bound.map(({ name }): [string, Kept] => [
      name,
      { how: 'device', dtype: deviceType(needed(weights, name, 'weight').dtype, halfPrecision) },
    ]),
  );
}

const deviceType = (dtype: DType, halfPrecision: boolean): DType =>
  halfPrecision && (dtype === 'float16' || dtype === 'bfloat16') ? 'float16' : 'float32';

/** One weight after the other is read, converted and sent. */
export async function holdOnDevice(
  weights: readonly WeightToHold[],
  upload: Upload,
): Promise<Held[]> {
  const held: Held[] = [];
  try {
    for (const { tensor, kept } of weights) {
      const read = isExternal(tensor) ? readExternal(tensor) : tensor;
      held.push(await upload.send(asKept(read, kept.dtype)));
    }
    return held;
  } catch (error) {
    for (const weight of held) weight.release();
    throw error;
  }
}

/** float32, or float16 where that is expected and holds the numbers. */
export function asKept(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const wide = toFloat32(tensor);
  return dtype === 'float16' ? (asFloat16(wide) ?? wide) : wide;
}

/**
 * What rounding to float16 may take from a tensor, as a share of its norm: an eighth of bfloat16's
 * own rounding, 2⁻⁹. Only numbers beyond 65,504 or tensors of numbers below 10⁻⁴ lose as much.
 */
const MOST_LOST = 2 ** -12;

/** bfloat16 has fewer digits than float16, and a wider range. */
function asFloat16(wide: Tensor<'float32'>): Tensor | undefined {
  const narrow = fromFloat32(wide, 'float16');
  const back = toFloat32(narrow).data;
  let [lost, all] = [0, 0];
  wide.data.forEach((value, i) => {
    lost += (value - back[i]) ** 2;
    all += value ** 2;
  });
  return lost <= MOST_LOST ** 2 * all ? narrow : undefined; // not where one is infinite
}
