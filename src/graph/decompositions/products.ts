// Linear layers, and the gradients of linear layers and convolutions, in terms of GEMM, Conv and slices.

import { sizeOf } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { NodeOf, Value } from '../graph.ts';
import { inputsOf } from './inputs.ts';

/** [..., n] as [rows, n]. */
const rows = (g: Builder, x: Value) =>
  x.shape.length === 2 ? x : g.reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.shape.length - 1]]);

const reshaped = (g: Builder, x: Value, shape: readonly number[]) => (x.shape.length === shape.length ? x : g.reshape(x, shape));

export function linear(g: Builder, node: NodeOf<'Linear'>): Value[] {
  const [x, weight, bias] = node.inputs as [Value, Value, Value | undefined]; // arity of the operator table
  return [reshaped(g, g.gemm(rows(g, x), weight, { transB: true }, bias), node.outputs[0].shape)];
}

export function linearGradInput(g: Builder, node: NodeOf<'LinearGradInput'>): Value[] {
  const [dy, weight] = inputsOf(node);
  return [reshaped(g, g.gemm(rows(g, dy), weight), node.outputs[0].shape)];
}

export function linearGradWeight(g: Builder, node: NodeOf<'LinearGradWeight'>): Value[] {
  const [dy, x] = inputsOf(node);
  return [g.gemm(rows(g, dy), rows(g, x), { transA: true })];
}

/** dx = dy convolved with the kernel turned by 180° and its channel axes exchanged; strided: the transposed convolution. */
export function convGradInput(g: Builder, node: NodeOf<'ConvGradInput'>): Value[] {
  const [dy, weight] = inputsOf(node);
  const { strides, pads, shape } = node.attributes;
  const kernel = weight.shape.slice(2);
  const fullPads = [0, 1, 2, 3].map((i) => kernel[i % 2] - 1 - pads[i]) as [number, number, number, number];
  const asConv = strides.every((s) => s === 1) && fullPads.every((p) => p >= 0);
  if (asConv) return [g.conv(dy, turned(g, weight), undefined, { strides: [1, 1], pads: fullPads })];
  const reach = [0, 1].map((i) => (dy.shape[2 + i] - 1) * strides[i] + kernel[i] - pads[i] - pads[2 + i]);
  const output_padding = [shape[2] - reach[0], shape[3] - reach[1]] as const;
  return g.emit('ConvTranspose', [dy, weight], { strides, pads, output_padding });
}

function turned(g: Builder, weight: Value): Value {
  const exchanged = g.transpose(weight, [1, 0, 2, 3]);
  const [, , kh, kw] = weight.shape;
  if (kh === 1 && kw === 1) return exchanged;
  const before = -(2 ** 31);
  return g.add1('Slice', [exchanged], { axes: [2, 3], starts: [kh - 1, kw - 1], ends: [before, before], steps: [-1, -1] });
}

/** One GEMM over all pixels: dW[o, (i, j, c)] = Σ dy[pixel, o] · x[pixel shifted by (i, j), c]. */
export function convGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value[] {
  const [dy, x] = inputsOf(node);
  const { strides, pads, shape } = node.attributes;
  const [out, channels, kh, kw] = shape;
  const [n, , oh, ow] = dy.shape;
  const dyRows = g.reshape(g.transpose(dy, [0, 2, 3, 1]), [n * oh * ow, out]);
  const padded = pads.some((p) => p > 0) ? g.pad(x, [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]) : x;
  const last = g.transpose(padded, [0, 2, 3, 1]); // [n, h, w, channels]
  const patches = shifts(kh, kw).map(([i, j]) => window(g, last, [i, j], strides, [oh, ow]));
  const columns = patches.length === 1 ? patches[0] : g.concat(patches, 3); // [n, oh, ow, kh·kw·channels]
  const dw = g.gemm(dyRows, g.reshape(columns, [n * oh * ow, kh * kw * channels]), { transA: true });
  return [g.transpose(g.reshape(dw, [out, kh, kw, channels]), [0, 3, 1, 2])];
}

const shifts = (kh: number, kw: number) =>
  Array.from({ length: kh * kw }, (_, i) => [Math.floor(i / kw), i % kw] as const);

/** The pixels of [n, h, w, c] that meet one element of the kernel. */
function window(g: Builder, x: Value, [i, j]: readonly [number, number], strides: readonly [number, number], [oh, ow]: readonly [number, number]): Value {
  if (i === 0 && j === 0 && x.shape[1] === oh && x.shape[2] === ow && strides[0] === 1 && strides[1] === 1) return x;
  const ends = [i + (oh - 1) * strides[0] + 1, j + (ow - 1) * strides[1] + 1];
  return g.add1('Slice', [x], { axes: [1, 2], starts: [i, j], ends, steps: strides });
}
