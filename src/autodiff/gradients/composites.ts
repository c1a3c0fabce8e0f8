// Gradients of normalisations, attention and rotary embedding: composite operators of their own.

import type { NodeOf, Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

export const layerNormalization: GradientRule<'LayerNormalization'> = (g, node, [dy]) =>
  g.emit('LayerNormalizationGrad', [node.inputs[0], node.inputs[1], dy], node.attributes);

export const groupNormalization: GradientRule<'GroupNormalization'> = (g, node, [dy]) =>
  g.emit('GroupNormalizationGrad', [node.inputs[0], node.inputs[1], dy], node.attributes);

export const rmsNormalization: GradientRule<'RMSNormalization'> = (g, node, [dy]) =>
  g.emit('RMSNormalizationGrad', [node.inputs[0], node.inputs[1], dy], node.attributes);

export const attention: GradientRule<'Attention'> = (g, node, [dy]) => [
  ...g.emit(
    'AttentionGrad',
    [...node.inputs.slice(0, 3), node.inputs[3], node.outputs[0], dy],
    node.attributes,
  ),
  undefined,
];

/** A rotation is undone by the opposite one. */
export const rotaryEmbedding: GradientRule<'RotaryEmbedding'> = (
  g,
  node: NodeOf<'RotaryEmbedding'>,
  [dy],
) => {
  const [, cos, sin] = node.inputs as [Value, Value, Value]; // arity of the operator table
  return [g.add1('RotaryEmbedding', [dy, cos, g.neg(sin)], node.attributes), undefined, undefined];
};
