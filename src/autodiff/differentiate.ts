// Reverse-mode differentiation of a graph into a graph (Griewank & Walther, Evaluating Derivatives,
// ch. 3).

import { InternalError } from '../errors.ts';
import { Builder } from '../graph/builder.ts';
import {
  mapInputs,
  mapOutputs,
  withInputs,
  type Graph,
  type Node,
  type NodeOf,
  type Value,
} from '../graph/graph.ts';
import type { OpInputs, OpName, OpOutputs } from '../graph/ops.ts';
import { removeDeadNodes } from '../graph/passes/remove-dead-nodes.ts';
import { isFloat } from '../tensor/dtype.ts';
import { sameShape, type Shape } from '../tensor/tensor.ts';
import { gradients } from './gradients/table.ts';
import type { Adjoints } from './gradients/rule.ts';

export interface DifferentiateOptions {
  /** Name of the output to differentiate; one element, float. */
  readonly loss: string;
  /** The values whose gradients are wanted: parameters, inputs, or any other value. */
  readonly wrt: readonly Value[];
  /**
   * The segment a node belongs to, if it is to be computed a second time for the backward pass
   * (Chen et al., arXiv 1604.06174): then only what other nodes read of a segment is kept until
   * there, and memory is paid for with time.
   */
  readonly segmentOf?: (node: Node) => string | undefined;
}

/**
 * The graph with, for each value of `wrt`, an output `grad:<its name>` of its shape: d loss / d
 * value. These come first, in the order in which they are computed. Requires a legal graph whose
 * nodes are in execution order. Throws InternalError where the loss does not depend on a value, or
 * only through an operator that is not differentiable.
 */
export function differentiate(
  graph: Graph,
  { loss, wrt, segmentOf = () => undefined }: DifferentiateOptions,
): Graph {
  const lossValue = graph.outputs.get(loss);
  if (lossValue === undefined) throw new InternalError(`differentiate: no output named ${loss}`);
  const active = reachableFrom(graph, wrt);
  const g = Builder.from(graph);
  const adjoints = new Map<Value, Value>([[lossValue, one(g, lossValue.shape)]]);
  const kept = recomputation(g, graph, segmentOf);
  for (const node of [...graph.nodes].reverse()) {
    if (node.outputs.some((value) => active.has(value) && adjoints.has(value)))
      propagate(g, node, kept(node), active, adjoints);
  }
  for (const value of wrt) g.output(`grad:${value.name}`, adjointOf(value, adjoints, loss));
  return gradientsFirst(removeDeadNodes(g.finish()).graph, graph.outputs);
}

/** Its outputs: gradients as they are computed, then `given`, those that it had before. */
function gradientsFirst(graph: Graph, given: Graph['outputs']): Graph {
  const places = new Map(
    graph.nodes.flatMap((node, at) => node.outputs.map((value) => [value, at] as const)),
  );
  const place = (value: Value) => places.get(value) ?? -1; // computed by none: there from the start
  const gradients = [...graph.outputs]
    .filter(([name]) => !given.has(name))
    .sort(([, a], [, b]) => place(a) - place(b));
  return { ...graph, outputs: new Map([...gradients, ...given]) };
}

function adjointOf(value: Value, adjoints: ReadonlyMap<Value, Value>, loss: string): Value {
  const adjoint = adjoints.get(value);
  if (adjoint === undefined)
    throw new InternalError(`differentiate: ${loss} does not depend on ${value.name}`);
  return adjoint;
}

/**
 * The value that a gradient of the node is to read in place of one of its own: a copy, where the
 * node lies in a segment. The copies of a whole segment are emitted when the first of them is asked
 * for; those that no gradient needs are dead.
 */
function recomputation(
  g: Builder,
  { nodes }: Graph,
  segmentOf: (node: Node) => string | undefined,
): (node: Node) => (value: Value) => Value {
  const copies = new Map<string, ReadonlyMap<Value, Value>>();
  const copiesOf = (segment: string) => {
    const inside = (node: Node) => segmentOf(node) === segment;
    const known = copies.get(segment) ?? copied(g, nodes.filter(inside));
    copies.set(segment, known);
    return known;
  };
  return (node) => {
    const segment = segmentOf(node);
    const known = segment === undefined ? undefined : copiesOf(segment);
    return (value) => known?.get(value) ?? value;
  };
}

/** Emits the nodes once more, reading each other's copies; gives the copy of each value. */
function copied(g: Builder, nodes: readonly Node[]): ReadonlyMap<Value, Value> {
  const values = new Map<Value, Value>();
  for (const node of nodes) {
    const copies = emitAgain(
      g,
      withInputs(node, (value) => values.get(value) ?? value),
    );
    node.outputs.forEach((value, i) => values.set(value, copies[i]));
  }
  return values;
}

const emitAgain = <K extends OpName>(g: Builder, node: NodeOf<K>): OpOutputs<Value>[K] =>
  g.inScope(node.scope, () => g.emit(node.op, node.inputs, node.attributes));

/**
 * Adds to the adjoints of a node's inputs what its outputs' adjoints contribute; `kept` is what to
 * read in place of its values.
 */
function propagate<K extends OpName>(
  g: Builder,
  node: NodeOf<K>,
  kept: (value: Value) => Value,
  active: ReadonlySet<Value>,
  adjoints: Map<Value, Value>,
): void {
  const needs = mapInputs(node, (value) => active.has(value));
  g.inScope(node.scope, () => {
    const contributions = contributionsOf(g, node, kept, adjoints, needs);
    node.inputs.forEach((input, i) => {
      const dx = contributions[i];
      if (input === undefined || !needs[i]) return;
      if (dx === undefined)
        throw new InternalError(
          `differentiate: input ${i} of ${node.op} in '${node.scope}', ${input.name}, has no gradient`,
        );
      const summed = unbroadcast(g, dx, input.shape);
      const known = adjoints.get(input);
      adjoints.set(input, known === undefined ? summed : g.add(known, summed));
    });
  });
}

function contributionsOf<K extends OpName>(
  g: Builder,
  node: NodeOf<K>,
  kept: (value: Value) => Value,
  adjoints: ReadonlyMap<Value, Value>,
  needs: OpInputs<boolean>[K],
): OpInputs<Value | undefined>[K] {
  const rule = gradients[node.op];
  if (rule === 'not differentiable')
    throw new InternalError(`differentiate: ${node.op} in '${node.scope}' is not differentiable`);
  const dys: unknown = mapOutputs(node, (value) => adjoints.get(value));
  // an output that is the only one has an adjoint, or nobody would ask
  return rule(g, mapInputs(node, kept), dys as Adjoints<K>, {
    attributes: node.attributes,
    outputs: mapOutputs(node, kept),
    needs,
  });
}

/** Every real number that depends on one of `sources`. */
function reachableFrom(graph: Graph, sources: readonly Value[]): Set<Value> {
  const reached = new Set(sources);
  for (const node of graph.nodes) {
    if (node.inputs.some((value) => value !== undefined && reached.has(value))) {
      for (const value of node.outputs) if (isFloat(value.dtype)) reached.add(value);
    }
  }
  return reached;
}

/** Sums `dx` over the axes that broadcasting added or stretched. */
function unbroadcast(g: Builder, dx: Value, shape: Shape): Value {
  if (sameShape(dx.shape, shape)) return dx;
  const extra = dx.shape.length - shape.length;
  const axes = dx.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < extra || (shape[axis - extra] === 1 && dx.shape[axis] !== 1));
  const summed = axes.length === 0 ? dx : g.reduceSum(dx, axes, true);
  const same = sameShape(summed.shape, shape);
  return same ? summed : widen(g, summed, shape);
}

/**
 * A gradient may be smaller than its input (a mean's, before expansion): broadcast it; or hold
 * extra ones: drop them.
 */
function widen(g: Builder, dx: Value, shape: Shape): Value {
  const size = (s: Shape) => s.reduce((product, dim) => product * dim, 1);
  return size(dx.shape) === size(shape) ? g.reshape(dx, shape) : g.expand(dx, shape);
}

function one(g: Builder, shape: Shape): Value {
  return shape.length === 0
    ? g.scalar(1)
    : g.constant(
        {
          dtype: 'float32',
          shape,
          data: new Float32Array(shape.reduce((p, d) => p * d, 1)).fill(1),
        },
        'one',
      );
}
