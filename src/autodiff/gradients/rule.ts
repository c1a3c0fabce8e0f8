// The form of a gradient rule.

import type { Builder } from '../../graph/builder.ts';
import type { NodeOf, Value } from '../../graph/graph.ts';
import type { OpName } from '../../graph/ops.ts';

/**
 * Emits the gradients of one node's inputs, given those of its outputs.
 *
 * `dys[i]` is absent where nothing depends on output i (never for all of them). `needs[i]` tells
 * whether the gradient of input i is wanted; a rule may return undefined where it is not. A
 * gradient may have the shape of the output where the input was broadcast: `differentiate` sums it.
 */
export type GradientRule<K extends OpName> = (
  g: Builder,
  node: NodeOf<K>,
  dys: readonly (Value | undefined)[],
  needs: readonly boolean[],
) => readonly (Value | undefined)[];

/**
 * Written for an operator through which no gradient flows: comparisons, indices, gradients
 * themselves.
 */
export const notDifferentiable = 'not differentiable';
export type NotDifferentiable = typeof notDifferentiable;
