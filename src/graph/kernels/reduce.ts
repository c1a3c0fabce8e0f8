// Reductions and softmax in float64.

import { sizeOf } from '../../tensor/tensor.ts';
import type { OpAttributes } from '../ops.ts';
import { around, f64, ravel, unravel, type F64Tensor, type Kernels } from './f64.ts';

type Reduce = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'Softmax' | 'LogSoftmax';

/** Folds x over `axes`, from `start`. */
function fold(
  x: F64Tensor,
  { axes, keepdims }: OpAttributes['ReduceSum'],
  start: number,
  f: (a: number, b: number) => number,
): F64Tensor {
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  const y = f64(kept, new Float64Array(sizeOf(kept)).fill(start));
  x.data.forEach((value, i) => {
    const j = ravel(unravel(i, x.shape), kept); // the reduced axes have length 1 there
    y.data[j] = f(y.data[j], value);
  });
  return keepdims
    ? y
    : f64(
        kept.filter((_, axis) => !axes.includes(axis)),
        y.data,
      );
}

/** Applies `f` to each line of x along `axis`. */
function alongAxis(x: F64Tensor, axis: number, f: (line: number[]) => number[]): F64Tensor {
  const { outer, length, inner } = around(x.shape, axis);
  const y = f64(x.shape);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const places = Array.from({ length }, (_, a) => (o * length + a) * inner + i);
      f(places.map((place) => x.data[place])).forEach((value, a) => (y.data[places[a]] = value));
    }
  }
  return y;
}

/** log Σ e^x */
function logSumExp(xs: readonly number[]): number {
  const max = Math.max(...xs);
  return max + Math.log(xs.reduce((sum, x) => sum + Math.exp(x - max), 0));
}

const logSoftmax = (line: readonly number[]): number[] => {
  const total = logSumExp(line);
  return line.map((x) => x - total);
};

export const softmax = (line: readonly number[]): number[] => {
  const max = Math.max(...line);
  const exps = line.map((x) => Math.exp(x - max));
  const total = exps.reduce((sum, x) => sum + x, 0);
  return exps.map((x) => x / total);
};

export const reduce: Kernels<Reduce> = {
  ReduceSum: ([x], attributes) => [fold(x, attributes, 0, (a, b) => a + b)],
  ReduceMean: ([x], attributes) => {
    const count = sizeOf(attributes.axes.map((axis) => x.shape[axis]));
    const sum = fold(x, attributes, 0, (a, b) => a + b);
    return [
      f64(
        sum.shape,
        sum.data.map((value) => value / count),
      ),
    ];
  },
  ReduceMax: ([x], attributes) => [fold(x, attributes, -Infinity, Math.max)],
  Softmax: ([x], { axis }) => [alongAxis(x, axis, softmax)],
  LogSoftmax: ([x], { axis }) => [alongAxis(x, axis, logSoftmax)],
};
