// Values, nodes and graphs: a static single-assignment program over tensors of known shape.

import type { DType } from '../tensor/dtype.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import type { OpAttributes, OpInputs, OpName, OpOutputs } from './ops.ts';

export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor of the program. Compared by identity; names are unique within a graph. */
export interface Value extends ValueType {
  readonly name: string;
}

/** A use of an operator that is one of K. */
export type NodeOf<K extends OpName> = {
  [P in K]: {
    readonly op: P;
    /** `undefined` stands for an optional input that is absent. */
    readonly inputs: OpInputs<Value>[P];
    readonly attributes: OpAttributes[P];
    readonly outputs: OpOutputs<Value>[P];
    /** The layer it belongs to, e.g. `unet.down_blocks.0.resnets.0.conv1`. */
    readonly scope: string;
  };
}[K];

/** Its `op` tells the types of its inputs, attributes and outputs. */
export type Node = NodeOf<OpName>;

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

/** A U for each input that the node has, in the form of its inputs. */
export function mapInputs<K extends OpName, U>(
  node: NodeOf<K>,
  f: (value: Value, index: number) => U,
): OpInputs<U>[K] {
  const given: readonly (Value | undefined)[] = node.inputs;
  const mapped: unknown = given.map((value, i) => value && f(value, i));
  return mapped as OpInputs<U>[K]; // as many as there are inputs, and undefined where they are
}

/** A U for each output. */
export function mapOutputs<K extends OpName, U>(
  node: NodeOf<K>,
  f: (value: Value) => U,
): OpOutputs<U>[K] {
  const mapped: unknown = node.outputs.map(f);
  return mapped as OpOutputs<U>[K]; // as many as there are outputs
}

/** The node reading other values; itself where they are the same. */
export function withInputs<K extends OpName>(
  node: NodeOf<K>,
  f: (value: Value, index: number) => Value,
): NodeOf<K> {
  const inputs = mapInputs(node, f);
  const same = inputs.every((value, i) => value === node.inputs[i]);
  return same ? node : { ...node, inputs };
}
