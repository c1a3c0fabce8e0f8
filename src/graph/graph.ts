// Values, nodes and graphs: a static single-assignment program over tensors of known shape.

import type { DType } from '../tensor/dtype.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import type { OpAttributes, OpName } from './ops.ts';

export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor of the program. Compared by identity; names are unique within a graph. */
export interface Value extends ValueType {
  readonly name: string;
}

export interface NodeOf<K extends OpName> {
  readonly op: K;
  /** `undefined` stands for an optional input that is absent. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: OpAttributes[K];
  readonly outputs: readonly Value[];
  /** The layer it belongs to, e.g. `unet.down_blocks.0.resnets.0.conv1`. */
  readonly scope: string;
}

/** A node whose `op` tells the type of its `attributes`. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];

/**
 * A program. A rewrite never changes a graph: it makes another one that shares Values.
 *
 * `parameters` are the named weights; their name is their checkpoint key. They carry no data: the
 * runtime binds some of them to frozen tensors and takes the others as inputs of every run.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly parameters: readonly Value[];
  readonly constants: ReadonlyMap<Value, Tensor>;
  /** In an order in which they can be executed. */
  readonly nodes: readonly Node[];
  /** What a run returns, by name. */
  readonly outputs: ReadonlyMap<string, Value>;
}

export function parameterNamed(graph: Graph, name: string): Value | undefined {
  return graph.parameters.find((value) => value.name === name);
}
