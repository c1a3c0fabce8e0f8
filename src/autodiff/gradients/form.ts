// Gradients of the operators that only move elements.

import { sliceRange } from '../../graph/shapes.ts';
import { sizeOf, zeros } from '../../tensor/tensor.ts';
import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

export const reshape: GradientRule<'Reshape'> = (g, [x], [dy]) => [g.reshape(dy, x.shape)];

// `differentiate` sums over what was broadcast
export const expand: GradientRule<'Expand'> = (_, __, [dy]) => [dy];

export const transpose: GradientRule<'Transpose'> = (g, _, [dy], { attributes: { perm } }) => {
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return [g.transpose(dy, inverse)];
};

export const concat: GradientRule<'Concat'> = (g, xs, [dy], { attributes: { axis }, needs }) => {
  let start = 0;
  return xs.map((x, i) => {
    const end = start + x.shape[axis];
    const part = needs[i] ? g.slice(dy, axis, start, end) : undefined;
    start = end;
    return part;
  });
};

/**
 * Zeros around what was taken; a stride is undone by zeros between, a negative one by turning dy
 * round.
 */
export const slice: GradientRule<'Slice'> = (g, [x], [dy], { attributes }) => {
  const { axes, starts, ends, steps } = attributes;
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  const spread = axes.reduce((gradient, axis, i) => {
    const { first, count } = sliceRange(x.shape[axis], starts[i], ends[i], steps[i]);
    const stride = Math.abs(steps[i]);
    const lowest = steps[i] < 0 ? first + (count - 1) * steps[i] : first;
    before[axis] = lowest;
    after[axis] = x.shape[axis] - lowest - ((count - 1) * stride + 1);
    const forward = steps[i] < 0 ? reversed(g, gradient, axis) : gradient;
    return stride > 1 ? withGaps(g, forward, axis, stride) : forward;
  }, dy);
  const pads = [...before, ...after];
  return [pads.some((n) => n > 0) ? g.pad(spread, pads) : spread];
};

const reversed = (g: Builder, x: Value, axis: number): Value =>
  g.slice(x, axis, x.shape[axis] - 1, -(2 ** 31), -1);

/** [.., n, ..] to [.., (n−1)·stride + 1, ..] with zeros between. */
function withGaps(g: Builder, x: Value, axis: number, stride: number): Value {
  const [outer, n, inner] = [x.shape.slice(0, axis), x.shape[axis], x.shape.slice(axis + 1)];
  const column = g.reshape(x, [...outer, n, 1, ...inner]);
  const zero = column.shape.map(() => 0);
  const padded = g.pad(column, [...zero, ...zero.map((_, i) => (i === axis + 1 ? stride - 1 : 0))]);
  const joined = g.reshape(padded, [...outer, n * stride, ...inner]);
  return g.slice(joined, axis, 0, (n - 1) * stride + 1);
}

export const pad: GradientRule<'Pad'> = (g, [{ shape }], [dy], { attributes: { pads } }) => {
  const axes = shape.map((_, axis) => axis);
  const starts = pads.slice(0, shape.length);
  const ends = starts.map((start, axis) => start + shape[axis]);
  return [g.add1('Slice', [dy], { axes, starts, ends, steps: axes.map(() => 1) })];
};

/** Rows of `data` that were read several times collect the sum of their gradients. */
export const gather: GradientRule<'Gather'> = (g, [data, indices], [dy], node) => {
  const { axis } = node.attributes;
  if (!node.needs[0]) return [undefined, undefined];
  const front = [axis, ...data.shape.map((_, i) => i).filter((i) => i !== axis)];
  const rowShape = front.slice(1).map((i) => data.shape[i]);
  const axes = dy.shape.map((_, i) => i);
  const indexAxes = axes.slice(axis, axis + indices.shape.length);
  const others = axes.filter((i) => !indexAxes.includes(i));
  const first = axis === 0 ? dy : g.transpose(dy, [...indexAxes, ...others]);
  const count = sizeOf(indices.shape);
  const one = data.shape.map(() => 1);
  const zero = g.expand(g.constant(zeros('float32', one), 'zero'), [data.shape[axis], ...rowShape]);
  const rows = g.reshape(indices, [count, 1]);
  const sum = g.scatterND(zero, rows, g.reshape(first, [count, ...rowShape]));
  const back = front.map((_, i) => front.indexOf(i));
  return [axis === 0 ? sum : g.transpose(sum, back), undefined];
};

/** Each input pixel collects the gradients of its scale × scale copies. */
export const resize: GradientRule<'Resize'> = (g, [x], [dy], { attributes: { scale } }) => {
  const [n, c, h, w] = x.shape;
  return [g.reduceSum(g.reshape(dy, [n, c, h, scale, w, scale]), [3, 5])];
};
