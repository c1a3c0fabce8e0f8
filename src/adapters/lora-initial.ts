// The first values of an adapter, as kohya's scripts and PEFT draw them.

import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { uniforms } from '../util/philox.ts';
import { streamOf } from '../util/streams.ts';
import type { LoraModule } from './lora-module.ts';

/**
 * A: kaiming_uniform(a = √5), that is U(−1/√fan_in, 1/√fan_in); B: zeros. Keyed by parameter name.
 */
export function initialLora(
  modules: readonly LoraModule[],
  seed: number,
): Map<string, Tensor<'float32'>> {
  const weights = new Map<string, Tensor<'float32'>>();
  modules.forEach(({ down, up }, index) => {
    weights.set(down.name, {
      dtype: 'float32',
      shape: down.shape,
      data: kaiming(down.shape, seed, streamOf('adapters', index)),
    });
    weights.set(up.name, {
      dtype: 'float32',
      shape: up.shape,
      data: new Float32Array(sizeOf(up.shape)),
    });
  });
  return weights;
}

function kaiming(shape: readonly number[], seed: number, stream: number): Float32Array {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  const data = new Float32Array(sizeOf(shape));
  uniforms(seed, stream, data);
  for (let i = 0; i < data.length; i++) data[i] = (2 * data[i] - 1) * bound;
  return data;
}
