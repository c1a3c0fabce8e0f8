// Operators that move elements without computing with them, in float64.

import { sliceRange } from '../shapes.ts';
import { around, at, f64, generate, ravel, unravel, type F64Tensor, type Kernels } from './f64.ts';

type Form =
  | 'Reshape'
  | 'Expand'
  | 'Transpose'
  | 'Concat'
  | 'Slice'
  | 'Pad'
  | 'Gather'
  | 'ScatterND'
  | 'Resize';

export const form: Kernels<Form> = {
  Reshape: ([x], { shape }) => [f64(shape, x.data)],
  Expand: ([x], { shape }) => [generate(shape, (index) => at(x, index))],
  // y[…, index[i], …] = x[…], where axis i of y is axis perm[i] of x
  Transpose: ([x], { perm }, [{ shape }]) => [
    generate(shape, (index) =>
      at(
        x,
        x.shape.map((_, axis) => index[perm.indexOf(axis)]),
      ),
    ),
  ],
  Concat: (xs, { axis }, [{ shape }]) => [concat(xs, axis, shape)],
  Slice: ([x], { axes, starts, ends, steps }, [{ shape }]) => {
    const first = axes.map(
      (axis, i) => sliceRange(x.shape[axis], starts[i], ends[i], steps[i]).first,
    );
    const source = (i: number, axis: number) =>
      axes.includes(axis) ? first[axes.indexOf(axis)] + i * steps[axes.indexOf(axis)] : i;
    return [generate(shape, (index) => at(x, index.map(source)))];
  },
  Pad: ([x], { pads }, [{ shape }]) => {
    const inside = (i: number, axis: number) => i >= 0 && i < x.shape[axis];
    return [
      generate(shape, (index) => {
        const source = index.map((i, axis) => i - pads[axis]);
        return source.every(inside) ? at(x, source) : 0;
      }),
    ];
  },
  Gather: ([data, indices], { axis }, [{ shape }]) => {
    const rank = indices.shape.length;
    return [
      generate(shape, (index) => {
        const row = at(indices, index.slice(axis, axis + rank));
        return at(data, [
          ...index.slice(0, axis),
          wrap(row, data.shape[axis]),
          ...index.slice(axis + rank),
        ]);
      }),
    ];
  },
  ScatterND: ([data, indices, updates]) => {
    const y = f64(data.shape, data.data.slice());
    const { inner } = around(data.shape, 0);
    indices.data.forEach((row, n) => {
      for (let i = 0; i < inner; i++)
        y.data[wrap(row, data.shape[0]) * inner + i] += updates.data[n * inner + i];
    });
    return [y];
  },
  Resize: ([x], { scale }, [{ shape }]) => [
    generate(shape, ([n, c, h, w]) => at(x, [n, c, Math.floor(h / scale), Math.floor(w / scale)])),
  ],
};

/** A negative index counts from the end. */
const wrap = (index: number, length: number): number => (index < 0 ? index + length : index);

function concat(xs: readonly F64Tensor[], axis: number, shape: readonly number[]): F64Tensor {
  const y = f64(shape);
  let start = 0;
  for (const x of xs) {
    x.data.forEach((value, i) => {
      const index = unravel(i, x.shape);
      index[axis] += start;
      y.data[ravel(index, shape)] = value;
    });
    start += x.shape[axis];
  }
  return y;
}
