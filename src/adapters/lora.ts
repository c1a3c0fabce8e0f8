// LoRA (Hu et al., arXiv 2106.09685) as a rewrite: y = W x + b becomes y + scale · B A x.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Graph, Node, NodeOf, Value } from '../graph/graph.ts';
import type { OpName } from '../graph/ops.ts';
import { replaceNodes } from '../graph/passes/rewrite.ts';
import type { Shape } from '../tensor/tensor.ts';

/** A layer that can carry an adapter. */
export interface Layer {
  /** The path of the module: its weight is the parameter `<path>.weight`. */
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  /** [out, in] or [out, in, kh, kw]. */
  readonly weightShape: Shape;
}

/** An adapter of one layer: A [rank, in, (kh, kw)] and B [out, rank, (1, 1)]. */
export interface LoraModule extends Layer {
  readonly rank: number;
  readonly alpha: number;
  readonly down: Value;
  readonly up: Value;
}

export interface LoraSize {
  readonly rank: number;
  readonly alpha: number;
}

export interface WithLora {
  readonly graph: Graph;
  readonly changed: boolean;
  /** In the order of the layers in the graph. */
  readonly modules: readonly LoraModule[];
}

export interface LoraOptions {
  readonly multiplier?: string;
  readonly reads?: (g: Builder, x: Value, layer: Layer) => Value;
}

interface Adaptable<K extends OpName> {
  readonly kind: Layer['kind'];
  readonly downShape: (weight: Shape, rank: number) => Shape;
  readonly upShape: (weight: Shape, rank: number) => Shape;
  readonly down: (g: Builder, x: Value, a: Value, node: NodeOf<K>) => Value;
  readonly up: (g: Builder, low: Value, b: Value) => Value;
}

/** The operators whose second input is a weight that an adapter can stand beside. */
const adaptable: { readonly [K in OpName]?: Adaptable<K> } = {
  Linear: {
    kind: 'linear',
    downShape: ([, inputs], rank) => [rank, inputs],
    upShape: ([outputs], rank) => [outputs, rank],
    down: (g, x, a) => g.linear(x, a),
    up: (g, low, b) => g.linear(low, b),
  },
  Conv: {
    kind: 'conv',
    downShape: ([, ...rest], rank) => [rank, ...rest],
    upShape: ([outputs], rank) => [outputs, rank, 1, 1],
    down: (g, x, a, node) => g.conv(x, a, undefined, node.attributes),
    up: (g, low, b) => g.conv(low, b, undefined, { strides: [1, 1], pads: [0, 0, 0, 0] }),
  },
};

/** Every layer of the graph that can carry an adapter, in graph order, each path once. */
export function adaptableLayers(graph: Graph): Layer[] {
  const parameters = new Set(graph.parameters);
  const layers = graph.nodes.map((node) => layerOf(node, parameters));
  const seen = new Set<string>();
  return layers.filter((layer): layer is Layer => {
    if (layer === undefined || seen.has(layer.path)) return false;
    seen.add(layer.path);
    return true;
  });
}

/**
 * Adds an adapter to every layer for which `size` gives one.
 *
 * Requires a finished model graph; ensures that with B = 0 it computes what it did before. The new
 * parameters are `<path>.lora_down.weight` and `<path>.lora_up.weight`; the scale is alpha / rank.
 * Where `multiplier`, the name of a new float32 input of shape [], is given, the adapters' part is
 * multiplied by it. `reads` gives what an adapter reads in place of the layer's input.
 */
export function applyLora(graph: Graph, size: (layer: Layer) => LoraSize | undefined, options: LoraOptions = {}): WithLora {
  const parameters = new Set(graph.parameters);
  const modules = new Map<string, LoraModule>();
  let multiplier: Value | undefined;
  const rewritten = replaceNodes(graph, (g, node) => {
    const layer = layerOf(node, parameters);
    const wanted = layer && size(layer);
    if (layer === undefined || wanted === undefined) return undefined;
    if (options.multiplier !== undefined) multiplier ??= g.input(options.multiplier, 'float32', []);
    const module = modules.get(layer.path) ?? declare(g, layer, wanted, node);
    modules.set(layer.path, module);
    return [adapted(g, node, module, multiplier, options.reads)];
  });
  return { ...rewritten, modules: [...modules.values()] };
}

function layerOf(node: Node, parameters: ReadonlySet<Value>): Layer | undefined {
  const kind = adaptable[node.op]?.kind;
  const weight = node.inputs[1];
  if (kind === undefined || weight === undefined || !parameters.has(weight) || !weight.name.endsWith('.weight')) return undefined;
  return { path: weight.name.slice(0, -'.weight'.length), kind, weightShape: weight.shape };
}

function ruleOf(node: Node): Adaptable<OpName> {
  // The entry at `node.op` takes nodes of that operator; TypeScript cannot correlate them in the union.
  const rule = adaptable[node.op] as Adaptable<OpName> | undefined;
  if (rule === undefined) throw new InternalError(`${node.op} cannot carry an adapter`);
  return rule;
}

function declare(g: Builder, layer: Layer, { rank, alpha }: LoraSize, node: Node): LoraModule {
  const rule = ruleOf(node);
  return g.inScope(layer.path, () => ({
    ...layer,
    rank,
    alpha,
    down: g.parameter('lora_down.weight', rule.downShape(layer.weightShape, rank)),
    up: g.parameter('lora_up.weight', rule.upShape(layer.weightShape, rank)),
  }));
}

function adapted(g: Builder, node: Node, module: LoraModule, multiplier: Value | undefined, reads: LoraOptions['reads'] = (_, x) => x): Value {
  const rule = ruleOf(node);
  g.push(node);
  const [x] = node.inputs as [Value]; // the operators above have an input
  const low = rule.down(g, reads(g, x, module), module.down, node as NodeOf<OpName>);
  const scale = module.alpha / module.rank;
  const scaled = scale === 1 ? low : g.mul(low, scale);
  const weighed = multiplier === undefined ? scaled : g.mul(scaled, multiplier);
  return g.add(node.outputs[0], rule.up(g, weighed, module.up));
}
