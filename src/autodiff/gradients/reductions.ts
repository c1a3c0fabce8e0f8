// Gradients of reductions and softmax.

import type { Builder } from '../../graph/builder.ts';
import type { NodeOf, Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax';

/** `value`, of the reduced shape, with the reduced axes back as ones. */
function keepdims(g: Builder, node: NodeOf<Reduction>, value: Value): Value {
  const { shape } = node.inputs[0] as Value;
  return node.attributes.keepdims
    ? value
    : g.reshape(
        value,
        shape.map((dim, axis) => (node.attributes.axes.includes(axis) ? 1 : dim)),
      );
}

// Reductions have one input and one output.
const inputOf = (node: NodeOf<Reduction>) => node.inputs[0] as Value;

export const reduceSum: GradientRule<'ReduceSum'> = (g, node, [dy]) => [
  g.expand(keepdims(g, node, dy as Value), inputOf(node).shape), // as above
];

export const reduceMean: GradientRule<'ReduceMean'> = (g, node, [dy]) => {
  const x = inputOf(node);
  const count = node.attributes.axes.reduce((product, axis) => product * x.shape[axis], 1);
  return [g.expand(g.div(keepdims(g, node, dy as Value), count), x.shape)]; // as above
};

/** Equal maxima share the gradient. */
export const reduceMax: GradientRule<'ReduceMax'> = (g, node, [dy]) => {
  const x = inputOf(node);
  const hit = g.cast(g.equal(x, keepdims(g, node, node.outputs[0])), x.dtype);
  const share = g.div(keepdims(g, node, dy as Value), g.reduceSum(hit, node.attributes.axes, true));
  return [g.mul(hit, share)];
};

// dx = y ∘ (dy − Σ dy ∘ y)
export const softmax: GradientRule<'Softmax'> = (g, node, [dy]) => {
  const [y] = node.outputs;
  const dot = g.reduceSum(g.mul(dy as Value, y), [node.attributes.axis], true);
  return [g.mul(y, g.sub(dy as Value, dot))];
};

// dx = dy − exp(y) Σ dy
export const logSoftmax: GradientRule<'LogSoftmax'> = (g, node, [dy]) => {
  const total = g.reduceSum(dy as Value, [node.attributes.axis], true);
  return [g.sub(dy as Value, g.mul(g.exp(node.outputs[0]), total))];
};
