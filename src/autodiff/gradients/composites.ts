// Gradients of normalisations, attention and rotary embedding: composite operators of their own.

import type { GradientRule } from './rule.ts';

export const layerNormalization: GradientRule<'LayerNormalization'> = (
  g,
  [x, scale],
  [dy],
  { attributes },
) => g.emit('LayerNormalizationGrad', [x, scale, dy], attributes);

export const groupNormalization: GradientRule<'GroupNormalization'> = (
  g,
  [x, scale],
  [dy],
  { attributes },
) => g.emit('GroupNormalizationGrad', [x, scale, dy], attributes);

export const rmsNormalization: GradientRule<'RMSNormalization'> = (
  g,
  [x, scale],
  [dy],
  { attributes },
) => g.emit('RMSNormalizationGrad', [x, scale, dy], attributes);

export const attention: GradientRule<'Attention'> = (
  g,
  [q, k, v, mask],
  [dy],
  { attributes, outputs: [y] },
) => [...g.emit('AttentionGrad', [q, k, v, mask, y, dy], attributes), undefined];

/** A rotation is undone by the opposite one. */
export const rotaryEmbedding: GradientRule<'RotaryEmbedding'> = (
  g,
  [, cos, sin],
  [dy],
  { attributes },
) => [g.add1('RotaryEmbedding', [dy, cos, g.neg(sin)], attributes), undefined, undefined];
