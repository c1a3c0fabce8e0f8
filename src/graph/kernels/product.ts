// Matrix products and convolutions, with the gradients that are operators of their own, in float64.

import { sizeOf, type Shape } from '../../tensor/tensor.ts';
import type { ConvAttributes } from '../ops.ts';
import { at, f64, generate, unravel, type F64Tensor, type Kernels } from './f64.ts';

type Product =
  | 'MatMul' | 'FusedMatMul' | 'Gemm' | 'Conv' | 'ConvTranspose'
  | 'Linear' | 'LinearGradInput' | 'LinearGradWeight' | 'LinearLogSumExp' | 'ConvGradInput' | 'ConvGradWeight'; // prettier-ignore

const sum = (length: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < length; i++) total += term(i);
  return total;
};

/** x as a matrix: all axes but the last are rows. */
const rowsOf = (x: F64Tensor): { rows: number; width: number } => {
  const width = x.shape[x.shape.length - 1];
  return { rows: sizeOf(x.shape) / width, width };
};

/** y = x Wᵀ + b */
function linear(x: F64Tensor, w: F64Tensor, b: F64Tensor | undefined, shape: Shape): F64Tensor {
  const [, width] = w.shape;
  return generate(shape, (index) => {
    const o = index[index.length - 1];
    const row = index.slice(0, -1);
    return (
      sum(width, (i) => at(x, [...row, i]) * w.data[o * width + i]) +
      (b === undefined ? 0 : b.data[o])
    );
  });
}

/** dx[r, i] = Σ_o dy[r, o] W[o, i] */
function linearGradInput(dy: F64Tensor, w: F64Tensor, shape: Shape): F64Tensor {
  const [out, width] = w.shape;
  return f64(
    shape,
    Float64Array.from({ length: sizeOf(shape) }, (_, at) => {
      const [r, i] = [Math.floor(at / width), at % width];
      return sum(out, (o) => dy.data[r * out + o] * w.data[o * width + i]);
    }),
  );
}

/** dW[o, i] = Σ_r dy[r, o] x[r, i] */
function linearGradWeight(dy: F64Tensor, x: F64Tensor, shape: Shape): F64Tensor {
  const { rows, width } = rowsOf(x);
  const out = rowsOf(dy).width;
  return generate(shape, ([o, i]) =>
    sum(rows, (r) => dy.data[r * out + o] * x.data[r * width + i]),
  );
}

/** y = log Σᵥ exp zᵥ, and Σᵥ exp(zᵥ − y) · dzᵥ/d(xWᵀ)ᵥ · Wᵥ */
function linearLogSumExp(
  x: F64Tensor,
  w: F64Tensor,
  cap: number | undefined,
): [F64Tensor, F64Tensor] {
  const raw = linear(x, w, undefined, [x.shape[0], w.shape[0]]);
  const z = cap === undefined ? raw.data : raw.data.map((value) => cap * Math.tanh(value / cap));
  const [n, out] = raw.shape;
  const y = Float64Array.from({ length: n }, (_, r) => {
    const largest = Math.max(...z.subarray(r * out, (r + 1) * out));
    return largest + Math.log(sum(out, (v) => Math.exp(z[r * out + v] - largest)));
  });
  const dz = z.map(
    (value, i) =>
      Math.exp(value - y[Math.floor(i / out)]) * (cap === undefined ? 1 : 1 - (value / cap) ** 2),
  );
  return [f64([n, 1], y), linearGradInput(f64(raw.shape, dz), w, x.shape)];
}

interface Taps {
  readonly x: Shape; // [N, C, H, W]
  readonly w: Shape; // [O, C, kh, kw]
  readonly y: Shape; // [N, O, H', W']
}

/**
 * Calls `tap` with the element numbers of each product x·w that a convolution adds to an element of
 * y. The convolution and its two gradients are the same set of taps, read in three directions.
 */
function eachTap(
  { x, w, y }: Taps,
  { strides, pads }: ConvAttributes,
  tap: (x: number, w: number, y: number) => void,
): void {
  const [, channels, height, width] = x;
  const [, , kh, kw] = w;
  for (let j = 0; j < sizeOf(y); j++) {
    const [n, o, top, left] = unravel(j, y);
    for (let t = 0; t < channels * kh * kw; t++) {
      const [c, dh, dw] = unravel(t, [channels, kh, kw]);
      const h = top * strides[0] + dh - pads[0];
      const v = left * strides[1] + dw - pads[1];
      if (h < 0 || h >= height || v < 0 || v >= width) continue;
      tap(((n * channels + c) * height + h) * width + v, o * channels * kh * kw + t, j);
    }
  }
}

/** y[n, o] = b[o] + Σ x[n, c, h, w] · W[o, c, …] */
function conv(
  x: F64Tensor,
  w: F64Tensor,
  b: F64Tensor | undefined,
  attributes: ConvAttributes,
  shape: Shape,
): F64Tensor {
  const y = generate(shape, ([, o]) => (b === undefined ? 0 : b.data[o]));
  eachTap(
    { x: x.shape, w: w.shape, y: shape },
    attributes,
    (i, k, j) => (y.data[j] += x.data[i] * w.data[k]),
  );
  return y;
}

/** dx += dy · W over the taps. */
function convGradInput(
  dy: F64Tensor,
  w: F64Tensor,
  attributes: ConvAttributes,
  shape: Shape,
): F64Tensor {
  const dx = f64(shape);
  eachTap(
    { x: shape, w: w.shape, y: dy.shape },
    attributes,
    (i, k, j) => (dx.data[i] += dy.data[j] * w.data[k]),
  );
  return dx;
}

/** dW += dy · x over the taps. */
function convGradWeight(
  dy: F64Tensor,
  x: F64Tensor,
  attributes: ConvAttributes,
  shape: Shape,
): F64Tensor {
  const dw = f64(shape);
  eachTap(
    { x: x.shape, w: shape, y: dy.shape },
    attributes,
    (i, k, j) => (dw.data[k] += dy.data[j] * x.data[i]),
  );
  return dw;
}

export const product: Kernels<Product> = {
  MatMul: ([a, b], _, [{ shape }]) => [
    generate(shape, (index) => {
      const batch = index.slice(0, -2);
      const [row, column] = index.slice(-2);
      return sum(
        a.shape[a.shape.length - 1],
        (k) => at(a, [...batch, row, k]) * at(b, [...batch, k, column]),
      );
    }),
  ],
  FusedMatMul: ([a, b], { transA, transB, alpha }, [{ shape }]) => {
    const depth = a.shape[a.shape.length - (transA ? 2 : 1)];
    const turned = (batch: readonly number[], i: number, j: number, swap: boolean) => [
      ...batch,
      ...(swap ? [j, i] : [i, j]),
    ];
    return [
      generate(shape, (index) => {
        const [batch, [row, column]] = [index.slice(0, -2), index.slice(-2)];
        return (
          alpha *
          sum(
            depth,
            (k) => at(a, turned(batch, row, k, transA)) * at(b, turned(batch, k, column, transB)),
          )
        );
      }),
    ];
  },
  Gemm: ([a, b, c], { transA, transB }, [{ shape }]) => {
    const depth = a.shape[transA ? 0 : 1];
    return [
      generate(shape, ([row, column]) => {
        const product = sum(
          depth,
          (k) => at(a, transA ? [k, row] : [row, k]) * at(b, transB ? [column, k] : [k, column]),
        );
        return product + (c === undefined ? 0 : at(c, [row, column]));
      }),
    ];
  },
  Conv: ([x, w, b], attributes, [{ shape }]) => [conv(x, w, b, attributes, shape)],
  // its weight [in, out, …] is that of the convolution it transposes: y plays that one's x, and x
  // its y
  ConvTranspose: ([x, w], attributes, [{ shape }]) => [convGradInput(x, w, attributes, shape)],
  Linear: ([x, w, b], _, [{ shape }]) => [linear(x, w, b, shape)],
  LinearGradInput: ([dy, w], _, [{ shape }]) => [linearGradInput(dy, w, shape)],
  LinearGradWeight: ([dy, x], _, [{ shape }]) => [linearGradWeight(dy, x, shape)],
  LinearLogSumExp: ([x, w], { softcap }) => linearLogSumExp(x, w, softcap),
  ConvGradInput: ([dy, w], attributes) => [convGradInput(dy, w, attributes, attributes.shape)],
  ConvGradWeight: ([dy, x], attributes) => [convGradWeight(dy, x, attributes, attributes.shape)],
};
