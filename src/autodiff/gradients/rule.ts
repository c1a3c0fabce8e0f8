// The form of a gradient rule.

import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { OpAttributes, OpInputs, OpName, OpOutputs } from '../../graph/ops.ts';

/** Of an operator with one output it is there; of several, some may have none. */
export type Adjoints<K extends OpName> = OpOutputs<Value>[K] extends readonly [Value]
  ? readonly [Value]
  : OpOutputs<Value | undefined>[K];

/**
 * Emits the gradients of one node's inputs, given those of its outputs, `dys`.
 *
 * `dys[i]` is absent where nothing depends on output i (never for all of them). `needs[i]` tells
 * whether the gradient of input i is wanted; a rule may return undefined where it is not. A
 * gradient may have the shape of the output where the input was broadcast: `differentiate` sums it.
 */
export type GradientRule<K extends OpName> = (
  g: Builder,
  inputs: OpInputs<Value>[K],
  dys: Adjoints<K>,
  node: {
    readonly attributes: OpAttributes[K];
    readonly outputs: OpOutputs<Value>[K];
    readonly needs: OpInputs<boolean>[K];
  },
) => OpInputs<Value | undefined>[K];

/**
 * Written for an operator through which no gradient flows: comparisons, indices, gradients
 * themselves.
 */
export const notDifferentiable = 'not differentiable';
export type NotDifferentiable = typeof notDifferentiable;
