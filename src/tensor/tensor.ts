// A tensor in memory, and a tensor that stays in its file.

import { dtypes, typedArrays, type DType, type TypedArrays } from './dtype.ts';

export type Shape = readonly number[];

/** Row-major values on the host. A scalar has shape []. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  readonly data: TypedArrays[D];
}

/**
 * Row-major little-endian values inside a file, never read into JavaScript: the runtime maps them.
 */
export interface ExternalTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Absolute path, symbolic links resolved. */
  readonly path: string;
  /** First byte of the tensor in the file; any alignment. */
  readonly offset: number;
  /** Bytes: exactly elements × size. */
  readonly length: number;
}

export function isExternal(tensor: Tensor | ExternalTensor): tensor is ExternalTensor {
  return 'path' in tensor;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function byteLength(dtype: DType, shape: Shape): number {
  return dtypes[dtype].bytes * sizeOf(shape);
}

export function tensor<D extends DType>(dtype: D, shape: Shape, data: TypedArrays[D]): Tensor<D> {
  return { dtype, shape, data };
}

export function zeros<D extends DType>(dtype: D, shape: Shape): Tensor<D> {
  // The constructor table and the type table have the same keys; TypeScript cannot correlate them.
  return { dtype, shape, data: new typedArrays[dtype](sizeOf(shape)) as TypedArrays[D] };
}

export function float32(shape: Shape, values: ArrayLike<number>): Tensor<'float32'> {
  return { dtype: 'float32', shape, data: Float32Array.from(values) };
}

export function int32(shape: Shape, values: ArrayLike<number>): Tensor<'int32'> {
  return { dtype: 'int32', shape, data: Int32Array.from(values) };
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}
