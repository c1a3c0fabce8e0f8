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

export function fusedMatMul(g: Builder, node: NodeOf<'FusedMatMul'>): Value[] {
  const [a, b] = inputsOf(node);
  const { transA, transB } = node.attributes;
  return [g.matMul(transA ? swapLast(g, a) : a, transB ? swapLast(g, b) : b)];
}

function swapLast(g: Builder, x: Value): Value {
  const axes = x.shape.map((_, axis) => axis);
  return g.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/** dW[o, c, i, j] = Σ dy[n, o, h, w] · x[n, c, h·stride + i − top, w·stride + j − left]. */
export function convGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value[] {
  const { strides, pads, shape } = node.attributes;
  const [, , kh, kw] = shape;
  const unit = strides.every((s) => s === 1);
  if (kh === 1 && kw === 1 && unit && pads.every((p) => p === 0)) return [pointwiseGradWeight(g, node)];
  return [unit ? shiftedGradWeight(g, node) : patchesGradWeight(g, node)];
}

/** [n, channels, everything else] */
const flat = (g: Builder, x: Value) => g.reshape(x, [x.shape[0], x.shape[1], sizeOf(x.shape.slice(2))]);

/** Σ over the batch of a bᵀ, for a [n, p, pixels] and b [n, q, pixels]. */
const outer = (g: Builder, a: Value, b: Value) => g.reduceSum(g.fusedMatMul(a, b, { transB: true }), [0]);

function pointwiseGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node);
  return g.reshape(outer(g, flat(g, dy), flat(g, x)), node.attributes.shape);
}

/**
 * One product for all kernel elements: dy moved down by each i, against x moved left by each j. Both
 * live on a grid of padded height and of dy's width, so that moving down is adding rows of zeros.
 */
function shiftedGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node);
  const { pads, shape } = node.attributes;
  const [out, channels, kh, kw] = shape;
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  const down = range(kh).map((i) => g.pad(dy, [0, 0, i, 0, 0, 0, kh - 1 - i, 0]));
  const left = range(kw).map((j) => g.pad(x, [0, 0, pads[0], pads[1] - j, 0, 0, pads[2], pads[3] - (kw - 1 - j)]));
  const all = outer(g, flat(g, g.concat(down, 1)), flat(g, g.concat(left, 1))); // [kh·out, kw·channels]
  return g.transpose(g.reshape(all, [kh, out, kw, channels]), [1, 3, 0, 2]);
}

/** dy against the patches of x that it was computed from, one kernel element after the other. */
function patchesGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node);
  const { strides, pads, shape } = node.attributes;
  const [out, channels, kh, kw] = shape;
  const padded = g.pad(x, [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]);
  const ends = [0, 1].map((i) => (dy.shape[2 + i] - 1) * strides[i] + 1);
  const patches = Array.from({ length: kh * kw }, (_, index) => {
    const starts = [Math.floor(index / kw), index % kw];
    return g.add1('Slice', [padded], { axes: [2, 3], starts, ends: starts.map((s, i) => s + ends[i]), steps: strides });
  });
  const all = outer(g, flat(g, dy), flat(g, g.concat(patches, 1))); // [out, kh·kw·channels]
  return g.transpose(g.reshape(all, [out, kh, kw, channels]), [0, 3, 1, 2]);
}
