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

/** Channels first: [n, channels, h, w] as [channels, n, h, w], so that all pixels of a channel lie in a row. */
const channelRows = (g: Builder, x: Value) => g.transpose(x, [1, 0, 2, 3]);
const flatRows = (g: Builder, x: Value) => g.reshape(x, [x.shape[0], sizeOf(x.shape.slice(1))]);

function pointwiseGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node).map((value) => flatRows(g, channelRows(g, value)));
  return g.reshape(g.gemm(dy, x, { transB: true }), node.attributes.shape);
}

/**
 * One product for all kernel elements. dy and x lie on one padded grid, channel by channel as rows;
 * moving by (i, j) is then moving along the row by i · width + j, where the zeros around dy keep
 * pictures and lines apart. dy is moved by each i, x by each j.
 */
function shiftedGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node);
  const { pads, shape } = node.attributes;
  const [out, channels, kh, kw] = shape;
  const width = x.shape[3] + pads[1] + pads[3];
  const grid = flatRows(g, g.pad(channelRows(g, x), [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]));
  const dyGrid = flatRows(g, g.pad(channelRows(g, dy), [0, 0, 0, 0, 0, 0, kh - 1, kw - 1]));
  const length = grid.shape[1] - (kw - 1);
  const move = (row: Value, by: number) => (by === 0 && row.shape[1] === length ? row : g.slice(row, 1, by, by + length));
  const left = range(kw).map((j) => move(grid, j));
  // the last kh − 1 lines of the grid are zeros, so what is pushed out behind is nothing
  const front = g.pad(dyGrid, [0, (kh - 1) * width, 0, 0]);
  const down = range(kh).map((i) => move(front, (kh - 1 - i) * width));
  const all = g.gemm(g.concat(down, 0), g.concat(left, 0), { transB: true }); // [kh·out, kw·channels]
  return g.transpose(g.reshape(all, [kh, out, kw, channels]), [1, 3, 0, 2]);
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** dy against the patches of x that it was computed from, one kernel element after the other. */
function patchesGradWeight(g: Builder, node: NodeOf<'ConvGradWeight'>): Value {
  const [dy, x] = inputsOf(node);
  const { strides, pads, shape } = node.attributes;
  const [out, channels, kh, kw] = shape;
  const padded = g.pad(channelRows(g, x), [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]);
  const ends = [0, 1].map((i) => (dy.shape[2 + i] - 1) * strides[i] + 1);
  const patches = Array.from({ length: kh * kw }, (_, index) => {
    const starts = [Math.floor(index / kw), index % kw];
    return g.add1('Slice', [padded], { axes: [2, 3], starts, ends: starts.map((s, i) => s + ends[i]), steps: strides });
  });
  const columns = flatRows(g, g.concat(patches, 0)); // [kh·kw·channels, n·oh·ow]
  const all = g.gemm(flatRows(g, channelRows(g, dy)), columns, { transB: true }); // [out, kh·kw·channels]
  return g.transpose(g.reshape(all, [out, kh, kw, channels]), [0, 3, 1, 2]);
}
