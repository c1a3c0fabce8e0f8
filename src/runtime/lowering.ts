// Our graph as nodes of ONNX for a backend: rewritten by its passes, composites without a kernel
// decomposed, weights bound.

import { InternalError } from '../errors.ts';
import {
  mapOutputs,
  withInputs,
  type Graph,
  type NodeOf,
  type Value,
  type ValueType,
} from '../graph/graph.ts';
import type { OpName } from '../graph/ops.ts';
import { lowerComposites } from '../graph/passes/lower-composites.ts';
import { dtypes } from '../tensor/dtype.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import type { BoundGraph, HeldWeights, Lowering } from './backend.ts';
import { emitNode, hasKernel, type Emissions } from './emission.ts';
import { Emitter } from './emitter.ts';
import type { Held } from './weight-plan.ts';
import type { OnnxInitializer, OnnxNode } from './onnx-model.ts';

export interface Lowered {
  readonly name: string;
  /** What every run is given: the graph's inputs, then the parameters that are not bound. */
  readonly inputs: readonly Value[];
  /** What the session feeds itself. */
  readonly held: HeldWeights;
  /** Without duplicates; `outputNames` tells which of them each of the graph's outputs is. */
  readonly outputs: readonly Value[];
  readonly outputNames: ReadonlyMap<string, string>;
  readonly weights: readonly OnnxInitializer[];
  readonly constants: ReadonlyMap<string, Tensor>;
  /** In the order in which they are meant to be executed. */
  readonly nodes: readonly OnnxNode[];
  /** Type of everything that is computed or given. */
  readonly types: ReadonlyMap<string, ValueType>;
}

/** A graph after a backend's passes, without the composites that it has no kernel for. */
export function rewrite(graph: Graph, { emissions, passes }: Lowering): Graph {
  const rewritten = passes.reduce((before, { apply }) => apply(before), graph);
  return lowerComposites(rewritten, (node) => hasKernel(emissions, node)).graph;
}

/** A graph rewritten for a backend, with the weights that it reads then. */
export function bind(graph: Graph, weights: Weights, lowering: Lowering): BoundGraph {
  const bound = lowering.weightParts(rewrite(graph, lowering), weights);
  return { graph: bound.graph, weights: new Map([...weights, ...bound.weights]) };
}

/** Lowers a graph for a backend and binds the parameters named in `weights`. */
export function lower(graph: Graph, weights: Weights, lowering: Lowering): Lowered {
  return emit(bind(graph, weights, lowering), new Map(), lowering.emissions);
}

/** Nodes of ONNX for a graph whose weights are bound; those in `held` become inputs. */
export function emit(
  { graph, weights }: BoundGraph,
  held: HeldWeights,
  emissions: Emissions,
): Lowered {
  const e = new Emitter();
  const sources = sourcesOf(graph, weights, held);
  const inputs = [...graph.inputs, ...graph.parameters.filter((value) => !weights.has(value.name))];
  for (const { name, dtype, shape } of [...inputs, ...graph.constants.keys()])
    e.types.set(name, { dtype, shape });
  for (const node of graph.nodes) emitSelecting(emissions, e, node, sources.narrow);
  const outputs = nameOutputs(e, graph, inputs);
  for (const [value, tensor] of graph.constants) e.constants.set(value.name, tensor);
  return {
    name: graph.name,
    inputs,
    held: sources.fed,
    ...outputs,
    weights: sources.initializers,
    constants: e.constants,
    nodes: e.nodes,
    types: e.types,
  };
}

/** Where a graph's frozen weights come from. */
interface Sources {
  readonly initializers: OnnxInitializer[];
  readonly fed: Map<string, Held>;
  /** Those in half precision, as they are there: cast to float32 separately for every reader. */
  readonly narrow: ReadonlyMap<Value, Value>;
}

function sourcesOf(graph: Graph, weights: Weights, held: HeldWeights): Sources {
  const initializers: OnnxInitializer[] = [];
  const fed = new Map<string, Held>();
  const narrow = new Map<Value, Value>();
  for (const value of graph.parameters) {
    const tensor = weights.get(value.name);
    if (tensor === undefined) continue;
    if (!sameShape(tensor.shape, value.shape))
      throw new InternalError(
        `${graph.name}: weight ${value.name} is [${tensor.shape}], not [${value.shape}]`,
      );
    const outside = held.get(value.name);
    const { dtype } = outside ?? tensor;
    const name = dtype === value.dtype ? value.name : `${value.name}~${dtype}`;
    if (name !== value.name) narrow.set(value, { name, dtype, shape: tensor.shape });
    if (outside === undefined) initializers.push({ name, tensor });
    else fed.set(name, outside);
  }
  return { initializers, fed, narrow };
}

/**
 * Operators that only select from their first input: from one in half precision they select before
 * the cast, which for an embedding is a few rows of many.
 */
const selecting: ReadonlySet<OpName> = new Set<OpName>(['Gather']);

function emitSelecting<K extends OpName>(
  emissions: Emissions,
  e: Emitter,
  node: NodeOf<K>,
  narrow: Sources['narrow'],
): void {
  const [source]: readonly (Value | undefined)[] = node.inputs;
  const half = source && narrow.get(source);
  if (half === undefined || !selecting.has(node.op))
    return emitNode(emissions, e, castInputs(e, node, narrow));
  const selection = withInputs(node, (value) => (value === source ? half : value));
  const outputs = mapOutputs(node, (y) => ({ ...y, name: `${y.name}<0`, dtype: half.dtype }));
  emitNode(emissions, e, { ...selection, outputs });
  node.outputs.forEach((y, i) => castTo(e, y, outputs[i].name));
}

function castInputs<K extends OpName>(
  e: Emitter,
  node: NodeOf<K>,
  narrow: Sources['narrow'],
): NodeOf<K> {
  const [{ name }] = node.outputs;
  e.begin(name);
  return withInputs(node, (value, i) => {
    const half = narrow.get(value);
    return half ? castTo(e, { ...value, name: `${name}<${i}` }, half.name) : value;
  });
}

/** Computes `value` from the tensor of that name. */
function castTo(e: Emitter, value: Value, from: string): Value {
  e.node('Cast', [from], [value], { to: { int: dtypes[value.dtype].onnx } });
  return value;
}

/** Outputs that no node computes are copied, since ONNX wants them computed. */
function nameOutputs(
  e: Emitter,
  graph: Graph,
  inputs: readonly Value[],
): Pick<Lowered, 'outputs' | 'outputNames'> {
  const given = new Set<Value>([...inputs, ...graph.parameters, ...graph.constants.keys()]);
  const outputs = new Map<string, Value>();
  const outputNames = new Map<string, string>();
  for (const [name, value] of graph.outputs) {
    const computed = given.has(value) ? { ...value, name: `${value.name}~copy` } : value;
    if (given.has(value) && !outputs.has(computed.name))
      e.node('Identity', [value.name], [computed]);
    outputs.set(computed.name, computed);
    outputNames.set(name, computed.name);
  }
  return { outputs: [...outputs.values()], outputNames };
}
