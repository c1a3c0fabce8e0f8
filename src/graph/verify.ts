// What a legal graph is.

import { InternalError } from '../errors.ts';
import { sameShape, sizeOf, type Tensor } from '../tensor/tensor.ts';
import type { Graph, Node, NodeOf, Value, ValueType } from './graph.ts';
import { ops, type OpName, type OpOutputs } from './ops.ts';
import { inferTypes } from './shapes.ts';

/**
 * Throws InternalError, naming the node or value, unless: names are unique; every value is defined
 * once, before it is read; nodes have the inputs and outputs of the operator table, with the types
 * that follow from their inputs; constants hold the elements of their type; outputs are defined.
 */
export function verify(graph: Graph): void {
  const scope = new Definitions(graph.name);
  for (const value of graph.inputs) scope.define(value, 'input');
  for (const value of graph.parameters) scope.define(value, 'parameter');
  for (const [value, tensor] of graph.constants) {
    scope.define(value, 'constant');
    verifyConstant(graph.name, value, tensor);
  }
  for (const node of graph.nodes) verifyNode(node, scope);
  for (const [name, value] of graph.outputs) scope.require(value, `output ${name}`);
}

/** The values defined so far. */
class Definitions {
  readonly #values = new Set<Value>();
  readonly #names = new Set<string>();

  constructor(readonly graph: string) {}

  define(value: Value, by: string): void {
    if (this.#values.has(value)) fail(this.graph, by, `${value.name} is defined twice`);
    if (this.#names.has(value.name)) fail(this.graph, by, `the name ${value.name} is taken`);
    if (value.name === '') fail(this.graph, by, 'a value without a name');
    if (!value.shape.every((dim) => Number.isInteger(dim) && dim > 0))
      fail(this.graph, by, `${value.name} has shape [${value.shape}]`);
    this.#values.add(value);
    this.#names.add(value.name);
  }

  require(value: Value, by: string): void {
    if (this.#values.has(value)) return;
    const why = this.#names.has(value.name)
      ? 'is another value of the same name than the one defined'
      : 'is not defined before';
    fail(this.graph, by, `${value.name} ${why}`);
  }
}

function verifyConstant(graph: string, value: Value, tensor: Tensor): void {
  if (!sameType(value, tensor))
    fail(graph, `constant ${value.name}`, `${typeText(value)} holds ${typeText(tensor)}`);
  const wanted = sizeOf(value.shape);
  if (tensor.data.length !== wanted)
    fail(graph, `constant ${value.name}`, `${tensor.data.length} elements for ${typeText(value)}`);
}

function verifyNode(node: Node, scope: Definitions): void {
  const by = nodeText(node);
  verifyArity(node, scope.graph);
  for (const value of node.inputs) if (value !== undefined) scope.require(value, by);
  const types = inferred(node, scope.graph);
  node.outputs.forEach((value, i) => {
    if (!sameType(value, types[i]))
      fail(
        scope.graph,
        by,
        `${value.name} is ${typeText(value)}, its inputs give ${typeText(types[i])}`,
      );
    scope.define(value, by);
  });
}

function verifyArity(node: Node, graph: string): void {
  if (!(node.op in ops)) fail(graph, nodeText(node), 'no such operator');
  const { inputs, outputs }: { inputs: readonly string[]; outputs: readonly string[] } =
    ops[node.op];
  const given: readonly (Value | undefined)[] = node.inputs; // whatever the types promise
  const variadic = inputs.some((name) => name.endsWith('...'));
  if (given.length > inputs.length && !variadic)
    fail(graph, nodeText(node), `${given.length} inputs, at most ${inputs.length}`);
  inputs.forEach((name, i) => {
    if (given[i] === undefined && !name.endsWith('?'))
      fail(graph, nodeText(node), `input ${name} is absent`);
  });
  if (variadic && given.includes(undefined)) fail(graph, nodeText(node), 'an input is absent');
  if (node.outputs.length !== outputs.length)
    fail(graph, nodeText(node), `${node.outputs.length} outputs, not ${outputs.length}`);
}

function inferred<K extends OpName>(node: NodeOf<K>, graph: string): OpOutputs<ValueType>[K] {
  try {
    return inferTypes(node.op, node.inputs, node.attributes);
  } catch (cause) {
    throw new InternalError(`graph ${graph}: ${nodeText(node)}: its inputs do not fit`, { cause });
  }
}

const sameType = (a: ValueType, b: ValueType): boolean =>
  a.dtype === b.dtype && sameShape(a.shape, b.shape);
const typeText = ({ dtype, shape }: ValueType): string => `${dtype}[${shape}]`;
const nodeText = ({ op, outputs }: Pick<Node, 'op' | 'outputs'>): string =>
  `${op} '${outputs[0]?.name ?? '(no output)'}'`;

function fail(graph: string, by: string, what: string): never {
  throw new InternalError(`graph ${graph}: ${by}: ${what}`);
}
