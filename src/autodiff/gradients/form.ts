// Gradients of the operators that only move elements.

import { sliceRange } from '../../graph/shapes.ts';
import { sizeOf, zeros } from '../../tensor/tensor.ts';
import type { Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

export const reshape: GradientRule<'Reshape'> = (g, node, [dy]) => [
  g.reshape(dy as Value, (node.inputs[0] as Value).shape), // one input, one output
];

// `differentiate` sums over what was broadcast
export const expand: GradientRule<'Expand'> = (_, __, [dy]) => [dy];

export const transpose: GradientRule<'Transpose'> = (g, node, [dy]) => {
  const { perm } = node.attributes;
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return [g.transpose(dy as Value, inverse)]; // one input, one output
};

export const concat: GradientRule<'Concat'> = (g, node, [dy], needs) => {
  const { axis } = node.attributes;
  let start = 0;
  return node.inputs.map((input, i) => {
    const end = start + (input as Value).shape[axis]; // no input is optional
    const part = needs[i] ? g.slice(dy as Value, axis, start, end) : undefined; // one output
    start = end;
    return part;
  });
};

/**
 * Zeros around what was taken; a stride is undone by zeros between, a negative one by turning dy
 * round.
 */
export const slice: GradientRule<'Slice'> = (g, node, [dy]) => {
  const x = node.inputs[0] as Value;
  const { axes, starts, ends, steps } = node.attributes;
  let gradient = dy as Value;
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((axis, i) => {
    const { first, count } = sliceRange(x.shape[axis], starts[i], ends[i], steps[i]);
    const stride = Math.abs(steps[i]);
    if (steps[i] < 0) gradient = g.slice(gradient, axis, count - 1, -(2 ** 31), -1);
    if (stride > 1) gradient = spread(gradient, axis, stride);
    const lowest = steps[i] < 0 ? first + (count - 1) * steps[i] : first;
    before[axis] = lowest;
    after[axis] = x.shape[axis] - lowest - ((count - 1) * stride + 1);
  });
  return [
    [...before, ...after].some((n) => n > 0) ? g.pad(gradient, [...before, ...after]) : gradient,
  ];

  /** [.., n, ..] to [.., (n−1)·stride + 1, ..] with zeros between. */
  function spread(value: Value, axis: number, stride: number): Value {
    const [outer, n, inner] = [
      value.shape.slice(0, axis),
      value.shape[axis],
      value.shape.slice(axis + 1),
    ];
    const column = g.reshape(value, [...outer, n, 1, ...inner]);
    const zero = column.shape.map(() => 0);
    const padded = g.pad(column, [
      ...zero,
      ...zero.map((_, i) => (i === axis + 1 ? stride - 1 : 0)),
    ]);
    return g.slice(
      g.reshape(padded, [...outer, n * stride, ...inner]),
      axis,
      0,
      (n - 1) * stride + 1,
    );
  }
};

export const pad: GradientRule<'Pad'> = (g, node, [dy]) => {
  const { shape } = node.inputs[0] as Value; // one input, one output
  const axes = shape.map((_, axis) => axis);
  const starts = node.attributes.pads.slice(0, shape.length);
  const ends = starts.map((start, axis) => start + shape[axis]);
  return [g.add1('Slice', [dy], { axes, starts, ends, steps: axes.map(() => 1) })];
};

/** Rows of `data` (axis 0) that were read several times collect the sum of their gradients. */
export const gather: GradientRule<'Gather'> = (g, node, [dy], needs) => {
  const [data, indices] = node.inputs as [Value, Value]; // arity of the operator table
  const { axis } = node.attributes;
  if (!needs[0]) return [undefined, undefined];
  const front = [axis, ...data.shape.map((_, i) => i).filter((i) => i !== axis)];
  const rowShape = front.slice(1).map((i) => data.shape[i]);
  const rank = indices.shape.length;
  const axes = (dy as Value).shape.map((_, i) => i);
  const indexAxes = axes.slice(axis, axis + rank);
  const first =
    axis === 0
      ? (dy as Value)
      : g.transpose(dy as Value, [...indexAxes, ...axes.filter((i) => !indexAxes.includes(i))]);
  const count = sizeOf(indices.shape);
  const zero = g.expand(
    g.constant(
      zeros(
        'float32',
        data.shape.map(() => 1),
      ),
      'zero',
    ),
    [data.shape[axis], ...rowShape],
  );
  const sum = g.scatterND(
    zero,
    g.reshape(indices, [count, 1]),
    g.reshape(first, [count, ...rowShape]),
  );
  return [
    axis === 0
      ? sum
      : g.transpose(
          sum,
          front.map((_, i) => front.indexOf(i)),
        ),
    undefined,
  ];
};

/** Each input pixel collects the gradients of its scale × scale copies. */
export const resize: GradientRule<'Resize'> = (g, node, [dy]) => {
  const [n, c, h, w] = (node.inputs[0] as Value).shape;
  const { scale } = node.attributes;
  return [g.reduceSum(g.reshape(dy as Value, [n, c, h, scale, w, scale]), [3, 5])];
};
