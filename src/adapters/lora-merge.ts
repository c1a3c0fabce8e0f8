// A LoRA in the weight of its layer: W + s · B A.

import { toFloat32 } from '../tensor/half.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import type { LoraRole } from './lora-module.ts';

/** Summed in float64, each row for itself; `count` receives how many numbers B A changes. */
export function mergeLora(
  weight: Tensor<'float32'>,
  { down, up }: Readonly<Record<LoraRole, Tensor>>,
  scale: number,
  count: (changes: number) => void = () => {},
): Tensor<'float32'> {
  const [rows] = weight.shape;
  const columns = sizeOf(weight.shape.slice(1));
  const rank = down.shape[0];
  const a = toFloat32(down).data;
  const b = toFloat32(up).data;
  const out = new Float32Array(weight.data.length);
  const sum = new Float64Array(columns);
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = b[row * rank + r];
      for (let i = 0; i < columns; i++) sum[i] += factor * a[r * columns + i];
    }
    for (let i = 0; i < columns; i++)
      out[row * columns + i] = weight.data[row * columns + i] + scale * sum[i];
    count(sum.reduce((changes, value) => (value === 0 ? changes : changes + 1), 0));
  }
  return { dtype: 'float32', shape: weight.shape, data: out };
}
