// Gradients of reductions and softmax.

import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { OpAttributes } from '../../graph/ops.ts';
import type { Shape } from '../../tensor/tensor.ts';
import type { GradientRule } from './rule.ts';

/** `value`, of the reduced shape, with the reduced axes of x back as ones. */
function keepdims(
  g: Builder,
  value: Value,
  { shape }: { readonly shape: Shape },
  { axes, keepdims }: OpAttributes['ReduceSum'],
): Value {
  const ones = shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return keepdims ? value : g.reshape(value, ones);
}

export const reduceSum: GradientRule<'ReduceSum'> = (g, [x], [dy], { attributes }) => [
  g.expand(keepdims(g, dy, x, attributes), x.shape),
];

export const reduceMean: GradientRule<'ReduceMean'> = (g, [x], [dy], { attributes }) => {
  const count = attributes.axes.reduce((product, axis) => product * x.shape[axis], 1);
  return [g.expand(g.div(keepdims(g, dy, x, attributes), count), x.shape)];
};

/** Equal maxima share the gradient. */
export const reduceMax: GradientRule<'ReduceMax'> = (g, [x], [dy], { attributes, outputs }) => {
  const hit = g.cast(g.equal(x, keepdims(g, outputs[0], x, attributes)), x.dtype);
  const total = keepdims(g, dy, x, attributes);
  return [g.mul(hit, g.div(total, g.reduceSum(hit, attributes.axes, true)))];
};

// dx = y ∘ (dy − Σ dy ∘ y)
export const softmax: GradientRule<'Softmax'> = (g, _, [dy], { attributes, outputs: [y] }) => {
  const dot = g.reduceSum(g.mul(dy, y), [attributes.axis], true);
  return [g.mul(y, g.sub(dy, dot))];
};

// dx = dy − exp(y) Σ dy
export const logSoftmax: GradientRule<'LogSoftmax'> = (
  g,
  _,
  [dy],
  { attributes, outputs: [y] },
) => {
  const total = g.reduceSum(dy, [attributes.axis], true);
  return [g.sub(dy, g.mul(g.exp(y), total))];
};
