// The form of a decomposition.

import type { Builder } from '../builder.ts';
import type { Value, ValueType } from '../graph.ts';
import type { OpAttributes, OpInputs, OpName, OpOutputs } from '../ops.ts';

/** Emits nodes that compute the outputs of one operator, whose types are given, from its inputs. */
export type Decomposition<K extends OpName> = (
  g: Builder,
  inputs: OpInputs<Value>[K],
  attributes: OpAttributes[K],
  types: OpOutputs<ValueType>[K],
) => OpOutputs<Value>[K];
