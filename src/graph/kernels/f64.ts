// What the float64 kernels share: the tensor they work on and ways to walk its elements.

import { sizeOf, tensor, type Shape, type Tensor } from '../../tensor/tensor.ts';
import type { ValueType } from '../graph.ts';
import type { OpAttributes, OpInputs, OpName, OpOutputs } from '../ops.ts';

/**
 * Every value of the evaluator, whatever the dtype of the graph's value; false is 0 and true is 1.
 */
export type F64Tensor = Tensor<'float64'>;

/** Computes one operator; `types` are the inferred types of its outputs. */
export type Kernel<K extends OpName> = (
  inputs: OpInputs<F64Tensor>[K],
  attributes: OpAttributes[K],
  types: OpOutputs<ValueType>[K],
) => OpOutputs<F64Tensor>[K];

/** A part of the table of kernels. */
export type Kernels<K extends OpName> = { readonly [N in K]: Kernel<N> };

export function f64(shape: Shape, data: Float64Array = new Float64Array(sizeOf(shape))): F64Tensor {
  return tensor('float64', shape, data);
}

/** Elements from one step along each axis to the next, row-major. */
function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** The multi-index of element `at`. */
export function unravel(at: number, shape: Shape): number[] {
  return stridesOf(shape).map((stride, axis) => Math.floor(at / stride) % shape[axis]);
}

/**
 * The element number of a multi-index; an axis of length 1 is broadcast, and so are leading axes
 * that `shape` lacks.
 */
export function ravel(index: readonly number[], shape: Shape): number {
  const own = index.slice(index.length - shape.length);
  return own.reduce((sum, i, axis) => sum * shape[axis] + (shape[axis] === 1 ? 0 : i), 0);
}

export function at(x: F64Tensor, index: readonly number[]): number {
  return x.data[ravel(index, x.shape)];
}

/** The tensor whose element at each multi-index is `element(index)`. */
export function generate(shape: Shape, element: (index: readonly number[]) => number): F64Tensor {
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => element(unravel(i, shape)));
  return f64(shape, data);
}

export function map(x: F64Tensor, f: (x: number, i: number) => number): F64Tensor {
  return f64(x.shape, x.data.map(f));
}

/** x split at `axis`: element (o, a, i) stands at (o · length + a) · inner + i. */
export function around(
  shape: Shape,
  axis: number,
): { outer: number; length: number; inner: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    length: shape[axis],
    inner: sizeOf(shape.slice(axis + 1)),
  };
}
