// Random inputs for the tests of operators: numbers of the kind that each input takes.

import { sizeOf, type Shape } from '../../tensor/tensor.ts';
import { permutation, sequence } from '../../util/philox.ts';
import { f64, type F64Tensor } from '../kernels/f64.ts';

/**
 * Where numbers are drawn from; all are float32 numbers, so that no implementation rounds them.
 * `smooth` −1.5 … 1.5; `positive` 0.5 … 2; `nonzero` the same with either sign; `distinct` no two
 * equal, nor equal to those of the other distinct inputs, and at least 1/16 apart; `whole` small
 * whole numbers; `flag` 0 or 1; `index` whole numbers from 0 below `below`.
 */
export type Kind = 'smooth' | 'positive' | 'nonzero' | 'distinct' | 'whole' | 'flag' | 'index';

export interface Draw {
  readonly kind: Kind;
  readonly shape: Shape;
  /** Of an index: the first number that is too large. */
  readonly below?: number;
}

/**
 * Numbers of one input; `stream` is its number among the inputs. A pure function of its arguments.
 */
export function draw({ kind, shape, below = 1 }: Draw, seed: number, stream: number): F64Tensor {
  const next = sequence(seed, stream);
  const size = sizeOf(shape);
  if (kind === 'distinct') {
    // even sixteenths for even streams, odd ones for odd streams
    const order = permutation(seed, stream, size);
    return f64(
      shape,
      Float64Array.from(order, (place) => (2 * (place - Math.floor(size / 2)) + (stream % 2)) / 16),
    );
  }
  return f64(
    shape,
    Float64Array.from({ length: size }, () => Math.fround(numbers[kind](next, below))),
  );
}

const numbers: {
  readonly [K in Exclude<Kind, 'distinct'>]: (next: () => number, below: number) => number;
} = {
  smooth: (next) => 3 * next() - 1.5,
  positive: (next) => 0.5 + 1.5 * next(),
  nonzero: (next) => (next() < 0.5 ? -1 : 1) * (0.5 + 1.5 * next()),
  whole: (next) => Math.floor(5 * next()) - 2,
  flag: (next) => Math.floor(2 * next()),
  index: (next, below) => Math.floor(below * next()),
};
