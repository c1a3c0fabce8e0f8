// What the comparisons of Stable Diffusion with PyTorch share: weights and inputs as
// reference/stable_diffusion.py makes them.

import assert from 'node:assert/strict';
import { Builder } from '../src/graph/builder.ts';
import type { Graph, Value } from '../src/graph/graph.ts';
import { hashedUniforms, hashedWeight } from '../src/models/hashed-weights.test-util.ts';
import { float32, int32, sizeOf, type Shape, type Tensor } from '../src/tensor/tensor.ts';

export type Tensors = Record<string, Tensor>;

export function weightsOf(graph: Graph): Map<string, Tensor> {
  return new Map(
    graph.parameters.map(({ name, shape }) => [
      name,
      { dtype: 'float32', shape, data: hashedWeight(name, shape) },
    ]),
  );
}

export const uniform = (name: string, shape: Shape, scale = 1) =>
  float32(
    shape,
    hashedUniforms(name, sizeOf(shape)).map((u) => u * Math.fround(scale)),
  );
export const tokenIds = (shape: Shape, vocabulary: number) =>
  int32(
    shape,
    Array.from(hashedUniforms('ids', sizeOf(shape)), (u) => Math.floor(((u + 1) / 2) * vocabulary)),
  );

/** A graph of what `build` returns, with its inputs given by value. */
export function program(
  build: (g: Builder, feed: (name: string, tensor: Tensor) => Value) => Record<string, Value>,
): { graph: Graph; inputs: Tensors } {
  const g = new Builder('test');
  const inputs: Tensors = {};
  const feed = (name: string, tensor: Tensor) => {
    inputs[name] = tensor;
    return g.input(name, tensor.dtype, tensor.shape);
  };
  for (const [name, value] of Object.entries(build(g, feed))) g.output(name, value);
  return { graph: g.finish(), inputs };
}

export function errorOf(actual: Tensor, expected: Tensor): number {
  assert.deepEqual(actual.shape, expected.shape);
  const largest = Array.from(expected.data, Number).reduce(
    (max, x) => Math.max(max, Math.abs(x)),
    0,
  );
  let worst = 0;
  for (let i = 0; i < expected.data.length; i++) {
    const error = Math.abs(Number(actual.data[i]) - Number(expected.data[i])) / largest;
    if (!(error <= worst)) worst = error; // so that a NaN stays
  }
  return worst;
}
