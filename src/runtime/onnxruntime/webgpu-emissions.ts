// What each operator becomes in ONNX Runtime's WebGPU provider: as on the processor, but for
// kernels that the provider lacks for this opset, or has wrong. Which those are is in
// docs/decisions/0021-webgpu-emissions.md; operators.test.ts tells when it changes.

import type { NodeOf } from '../../graph/graph.ts';
import { sliceRange } from '../../graph/shapes.ts';
import { dtypes } from '../../tensor/dtype.ts';
import { float32, int32, type Shape } from '../../tensor/tensor.ts';
import type { Emissions } from '../emission.ts';
import type { Emitter } from '../emitter.ts';
import { int, ints } from '../onnx-model.ts';
import { convAttributes, cpuEmissions, slice as cpuSlice } from './cpu-emissions.ts';

/** The places that a slice takes. */
function sliceIndices(size: number, start: number, end: number, step: number): number[] {
  const { first, count } = sliceRange(size, start, end, step);
  return Array.from({ length: count }, (_, n) => first + n * step);
}

/** Emits elementwise nodes on tensors of one shape. */
class Elementwise {
  readonly #e: Emitter;
  readonly #shape: Shape;

  constructor(e: Emitter, shape: Shape) {
    this.#e = e;
    this.#shape = shape;
  }

  op(type: string, ...inputs: string[]): string {
    return this.#e.temporary(type, inputs, { dtype: 'float32', shape: this.#shape });
  }

  number(value: number): string {
    return this.#e.constant(float32([], [value]));
  }
}

/** (x > 0) - (x < 0). */
function signum(e: Emitter, { inputs: [x], outputs }: NodeOf<'Sign'>): void {
  const zero = e.constant(float32([], [0]));
  const holds = (type: 'Greater' | 'Less') =>
    e.temporary(
      'Cast',
      [e.temporary(type, [x, zero], { dtype: 'bool', shape: x.shape })],
      { dtype: x.dtype, shape: x.shape },
      { to: int(dtypes[x.dtype].onnx) },
    );
  e.node('Sub', [holds('Greater'), holds('Less')], outputs);
}

/** π in parts: the first two times a whole number below 2^13 are exact in float32 (Cephes). */
const PI = [3.140625, 9.67502593994140625e-4, 1.509957990978376e-7] as const;
/** Of sin r / r as a polynomial in r², Taylor's, below 6e-8 off where |r| ≤ π/2. */
const SINE = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800];

/**
 * sin x = (-1)^k sin(x - kπ) for the k that leaves |x - kπ| ≤ π/2; cos x = sin(x + π/2), with the
 * quarter added to k, where it costs no digits. For |x| < 2^13.
 */
function sine(quarter: 0 | 0.5) {
  return (e: Emitter, { inputs: [x], outputs }: NodeOf<'Sin'> | NodeOf<'Cos'>): void => {
    const f = new Elementwise(e, x.shape);
    const turns = f.op('Mul', x.name, f.number(1 / Math.PI));
    const k = f.op('Floor', f.op('Add', turns, f.number(0.5 + quarter)));
    const times = f.op('Sub', k, f.number(quarter));
    const r = PI.reduce(
      (left, part) => f.op('Sub', left, f.op('Mul', times, f.number(part))),
      x.name,
    );
    const square = f.op('Mul', r, r);
    const [last, ...lower] = [...SINE].reverse();
    const series = lower.reduce(
      (sum, term) => f.op('Add', f.op('Mul', sum, square), f.number(term)),
      f.number(last),
    );
    const half = f.op('Floor', f.op('Mul', k, f.number(0.5)));
    const odd = f.op('Sub', k, f.op('Mul', half, f.number(2)));
    const turnedOver = f.op('Sub', f.number(1), f.op('Mul', odd, f.number(2)));
    e.node('Mul', [f.op('Mul', r, series), turnedOver], outputs);
  };
}

/** x - max - log Σ exp(x - max). */
function logSoftmax(
  e: Emitter,
  { inputs: [x], attributes: { axis }, outputs }: NodeOf<'LogSoftmax'>,
): void {
  const { dtype, shape } = x;
  const reduced = shape.map((size, i) => (i === axis ? 1 : size));
  const over = (type: string, of: string) =>
    e.temporary(type, [of, e.ints([axis])], { dtype, shape: reduced }, { keepdims: int(1) });
  const shifted = e.temporary('Sub', [x, over('ReduceMax', x.name)], { dtype, shape });
  const sum = over('ReduceSum', e.temporary('Exp', [shifted], { dtype, shape }));
  e.node('Sub', [shifted, e.temporary('Log', [sum], { dtype, shape: reduced })], outputs);
}

/** Axes with a negative step are gathered: the provider's Slice is wrong for some of them. */
function sliceOrGather(e: Emitter, node: NodeOf<'Slice'>): void {
  const { axes, starts, ends, steps } = node.attributes;
  const [x] = node.inputs;
  const backwards = axes.flatMap((axis, i) => (steps[i] < 0 ? [{ axis, i }] : []));
  if (backwards.length === 0) return cpuSlice(e, node);
  const forwards = axes.flatMap((_, i) => (steps[i] > 0 ? [i] : []));
  const at = (values: readonly number[]) => e.ints(forwards.map((i) => values[i]));
  let shape = x.shape.map((size, axis) => {
    const i = forwards.find((one) => axes[one] === axis);
    return i === undefined ? size : sliceIndices(size, starts[i], ends[i], steps[i]).length;
  });
  let last =
    forwards.length === 0
      ? x.name
      : e.temporary('Slice', [x, at(starts), at(ends), at(axes), at(steps)], {
          dtype: x.dtype,
          shape,
        });
  for (const [n, { axis, i }] of backwards.entries()) {
    const indices = sliceIndices(x.shape[axis], starts[i], ends[i], steps[i]);
    const taken = e.constant(int32([indices.length], indices));
    shape = shape.map((size, one) => (one === axis ? indices.length : size));
    const attributes = { axis: int(axis) };
    if (n === backwards.length - 1) e.node('Gather', [last, taken], node.outputs, attributes);
    else last = e.temporary('Gather', [last, taken], { dtype: x.dtype, shape }, attributes);
  }
}

/**
 * A transposed convolution as a convolution of its input, zeros between the places, with the kernel
 * turned by 180° and its channel axes exchanged (Dumoulin & Visin, arXiv 1603.07285, ch. 4).
 */
function convTranspose(e: Emitter, node: NodeOf<'ConvTranspose'>): void {
  const { inputs, attributes, outputs } = node;
  const [x, weight] = inputs;
  const { strides, pads, output_padding: more } = attributes;
  const kernel = weight.shape.slice(2);
  const turned = turnedKernel(e, weight.name, weight.shape);
  const { name, shape } = zerosBetween(e, x.name, x.shape, strides);
  const before = [0, 1].map((i) => kernel[i] - 1 - pads[i]);
  // behind the last place, zerosBetween left strides - 1 zeros
  const after = [0, 1].map((i) => kernel[i] - 1 - pads[2 + i] + more[i] - (strides[i] - 1));
  const padded = adjusted(e, name, shape, [...before, ...after]);
  e.node(
    'Conv',
    [padded, turned],
    outputs,
    convAttributes({ strides: [1, 1], pads: [0, 0, 0, 0] }),
  );
}

function turnedKernel(e: Emitter, weight: string, [a, b, h, w]: Shape): string {
  const dtype = 'float32';
  const exchanged = e.temporary(
    'Transpose',
    [weight],
    { dtype, shape: [b, a, h, w] },
    { perm: ints([1, 0, 2, 3]) },
  );
  return [h, w].reduce((kernel, size, i) => {
    if (size === 1) return kernel;
    const backwards = e.constant(
      int32(
        [size],
        Array.from({ length: size }, (_, n) => size - 1 - n),
      ),
    );
    const type = { dtype, shape: [b, a, h, w] } as const;
    return e.temporary('Gather', [kernel, backwards], type, { axis: int(2 + i) });
  }, exchanged);
}

/** [N, C, h, w] -> [N, C, h s, w s], each place followed by zeros. */
function zerosBetween(e: Emitter, x: string, shape: Shape, strides: readonly number[]) {
  if (strides.every((stride) => stride === 1)) return { name: x, shape };
  const dtype = 'float32';
  const [n, c, h, w] = shape;
  const [sh, sw] = strides;
  const apart = e.reshaped(x, shape, [n * c, h, 1, w, 1]);
  const wide: Shape = [n * c, h, sh, w, sw];
  const pads = e.ints([0, 0, 0, 0, 0, 0, 0, sh - 1, 0, sw - 1]);
  const padded = e.temporary('Pad', [apart, pads], { dtype, shape: wide });
  const result: Shape = [n, c, h * sh, w * sw];
  return { name: e.reshaped(padded, wide, result), shape: result };
}

/** Zeros around the last two axes, or, where negative, as much cut off: top, left, below, right. */
function adjusted(e: Emitter, x: string, shape: Shape, [t, l, b, r]: readonly number[]): string {
  const dtype = 'float32';
  const cut = [t, l, b, r].map((one) => Math.max(0, -one));
  const [n, c, h, w] = shape;
  const inner: Shape = [n, c, h - cut[0] - cut[2], w - cut[1] - cut[3]];
  const kept = cut.every((one) => one === 0)
    ? x
    : e.temporary(
        'Slice',
        [
          x,
          e.ints(cut.slice(0, 2)),
          e.ints([h - cut[2], w - cut[3]]),
          e.ints([2, 3]),
          e.ints([1, 1]),
        ],
        { dtype, shape: inner },
      );
  const [pt, pl, pb, pr] = [t, l, b, r].map((one) => Math.max(0, one));
  if (pt + pl + pb + pr === 0) return kept;
  const outer: Shape = [n, c, inner[2] + pt + pb, inner[3] + pl + pr];
  return e.temporary('Pad', [kept, e.ints([0, 0, pt, pl, 0, 0, pb, pr])], { dtype, shape: outer });
}

export const webgpuEmissions: Emissions = {
  ...cpuEmissions,
  Sign: signum,
  Sin: sine(0),
  Cos: sine(0.5),
  Slice: sliceOrGather,
  LogSoftmax: logSoftmax,
  ConvTranspose: convTranspose,
  Attention: 'decompose',
  FusedMatMul: 'decompose',
};
