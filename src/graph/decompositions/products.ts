// Linear layers, and the gradients of linear layers and convolutions, in terms of GEMM, Conv and
// slices.

import { sizeOf, type Tensor } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { OpAttributes, OpInputs, OpOutputs } from '../ops.ts';
import type { Decomposition } from './rule.ts';

/** [..., n] as [rows, n]. */
const rows = (g: Builder, x: Value) =>
  x.shape.length === 2
    ? x
    : g.reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]]);

const reshaped = (g: Builder, x: Value, shape: readonly number[]) =>
  x.shape.length === shape.length ? x : g.reshape(x, shape);

export const linear: Decomposition<'Linear'> = (g, [x, weight, bias], _, [{ shape }]) => [
  reshaped(g, g.gemm(rows(g, x), weight, { transB: true }, bias), shape),
];

export const linearGradInput: Decomposition<'LinearGradInput'> = (
  g,
  [dy, weight],
  _,
  [{ shape }],
) => [reshaped(g, g.gemm(rows(g, dy), weight), shape)];

export const linearGradWeight: Decomposition<'LinearGradWeight'> = (g, [dy, x]) => [
  g.gemm(rows(g, dy), rows(g, x), { transA: true }),
];

/**
 * Channels from which turning a kernel costs more than the transposed convolution does: such layers
 * see few pixels (docs/experiments.md).
 */
const WIDE = 1024;

/**
 * dx = dy convolved with the kernel turned by 180° and its channel axes exchanged; strided or wide:
 * the transposed convolution. Which one does not depend on the size of the picture, so that buckets
 * can share a session.
 */
export const convGradInput: Decomposition<'ConvGradInput'> = (g, inputs, attributes) =>
  convGradInputBy(g, inputs, attributes, WIDE);

/** The same where a layer of so many channels counts as wide. */
export function convGradInputBy(
  g: Builder,
  [dy, weight]: OpInputs<Value>['ConvGradInput'],
  { strides, pads, shape }: OpAttributes['ConvGradInput'],
  wide: number,
): OpOutputs<Value>['ConvGradInput'] {
  const kernel = weight.shape.slice(2);
  const [h, w] = [kernel[0] - 1, kernel[1] - 1];
  const fullPads = [h - pads[0], w - pads[1], h - pads[2], w - pads[3]] as const;
  const asConv = strides.every((s) => s === 1) && fullPads.every((p) => p >= 0);
  if (asConv && (sizeOf(kernel) === 1 || weight.shape[0] < wide))
    return [g.conv(dy, turned(g, weight), undefined, { strides: [1, 1], pads: fullPads })];
  const reach = [0, 1].map(
    (i) => (dy.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[2 + i],
  );
  const output_padding = [shape[2] - reach[0], shape[3] - reach[1]] as const;
  return g.emit('ConvTranspose', [dy, weight], { strides, pads, output_padding });
}

function turned(g: Builder, weight: Value): Value {
  const exchanged = g.transpose(weight, [1, 0, 2, 3]);
  const [, , kh, kw] = weight.shape;
  if (kh === 1 && kw === 1) return exchanged;
  const before = -(2 ** 31);
  return g.add1('Slice', [exchanged], {
    axes: [2, 3],
    starts: [kh - 1, kw - 1],
    ends: [before, before],
    steps: [-1, -1],
  });
}

export const fusedMatMul: Decomposition<'FusedMatMul'> = (g, [a, b], { transA, transB, alpha }) => {
  const product = g.matMul(transA ? swapLast(g, a) : a, transB ? swapLast(g, b) : b);
  return [alpha === 1 ? product : g.mul(product, alpha)];
};

function swapLast(g: Builder, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis);
  return g.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/**
 * dW[o, c, i, j] = Σ dy[n, o, h, w] · x[n, c, h·stride + i − top, w·stride + j − left], as one
 * product over pixels. Whichever of dy and x has fewer channels is repeated for each element of the
 * kernel.
 */
export const convGradWeight: Decomposition<'ConvGradWeight'> = (g, [dy, x], attributes) => {
  const [out, channels, kh, kw] = attributes.shape;
  if (out < channels) {
    const met = neighbours(g, dy, gradientPixels(x, attributes));
    const all = g.gemm(pixelRows(g, x), met, { transA: true }); // [channels, kh·kw·out]
    return [g.transpose(g.reshape(all, [channels, kh, kw, out]), [3, 0, 1, 2])];
  }
  const met = neighbours(g, x, inputPixels(dy, attributes));
  const all = g.gemm(pixelRows(g, dy), met, { transA: true }); // [out, kh·kw·channels]
  return [g.transpose(g.reshape(all, [out, kh, kw, channels]), [0, 3, 1, 2])];
};

/** [n, channels, h, w] as [n·h·w, channels]. */
function pixelRows(g: Builder, x: Value): Value {
  const [n, channels, h, w] = x.shape;
  return g.reshape(g.transpose(x, [0, 2, 3, 1]), [n * h * w, channels]);
}

/**
 * Which pixel of `from` each kernel element meets at each pixel of `to`; undefined: none, for it
 * lies in the padding.
 */
interface Meeting {
  readonly to: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly at: (
    y: number,
    x: number,
    i: number,
    j: number,
  ) => readonly [number, number] | undefined;
}

/** The rows of `from` that meet each pixel, side by side: [pixels of `to`, kh·kw·channels]. */
function neighbours(g: Builder, from: Value, meeting: Meeting): Value {
  const [n, channels] = from.shape;
  const taps = meeting.kernel[0] * meeting.kernel[1];
  const pixels = n * meeting.to[0] * meeting.to[1];
  if (taps === 1 && pixels === n * from.shape[2] * from.shape[3]) return pixelRows(g, from);
  const zero = g.constant(
    { dtype: 'float32', shape: [1, channels], data: new Float32Array(channels) },
    'zero_row',
  );
  const rows = g.concat([pixelRows(g, from), zero], 0);
  return g.reshape(g.gather(rows, g.constant(meetingTable(from.shape, meeting), 'neighbours')), [
    pixels,
    taps * channels,
  ]);
}

/** Row numbers [n·pixels, taps]; the row behind the last is the zero one. */
function meetingTable(
  [n, , h, w]: readonly number[],
  { to, kernel, at }: Meeting,
): Tensor<'int32'> {
  const taps = kernel[0] * kernel[1];
  const data = new Int32Array(n * to[0] * to[1] * taps);
  let next = 0;
  for (let picture = 0; picture < n; picture++) {
    for (let pixel = 0; pixel < to[0] * to[1]; pixel++) {
      for (let tap = 0; tap < taps; tap++) {
        const place = at(
          Math.floor(pixel / to[1]),
          pixel % to[1],
          Math.floor(tap / kernel[1]),
          tap % kernel[1],
        );
        const inside =
          place !== undefined && place[0] >= 0 && place[1] >= 0 && place[0] < h && place[1] < w;
        data[next++] = inside ? (picture * h + place[0]) * w + place[1] : n * h * w;
      }
    }
  }
  return { dtype: 'int32', shape: [n * to[0] * to[1], taps], data };
}

/** Where in x an element of the kernel lies, for a pixel of dy. */
function inputPixels(dy: Value, { strides, pads, shape }: OpAttributes['ConvGradWeight']): Meeting {
  const [, , height, width] = dy.shape;
  return {
    to: [height, width],
    kernel: [shape[2], shape[3]],
    at: (y, x, i, j) => [y * strides[0] + i - pads[0], x * strides[1] + j - pads[1]],
  };
}

/** Which pixel of dy an element of the kernel has carried a pixel of x to. */
function gradientPixels(
  x: Value,
  { strides, pads, shape }: OpAttributes['ConvGradWeight'],
): Meeting {
  const [, , height, width] = x.shape;
  return {
    to: [height, width],
    kernel: [shape[2], shape[3]],
    at: (y, x, i, j) => {
      const [row, column] = [(y + pads[0] - i) / strides[0], (x + pads[1] - j) / strides[1]];
      return Number.isInteger(row) && Number.isInteger(column) ? [row, column] : undefined;
    },
  };
}
