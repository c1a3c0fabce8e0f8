// LoRA (Hu et al., arXiv 2106.09685) as a rewrite: y = W x + b becomes y + scale · B A x.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Graph, Node, NodeOf, Value } from '../graph/graph.ts';
import type { OpAttributes } from '../graph/ops.ts';
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
  /**
   * Linear layers of one module that read the same value, such as q, k and v of an attention,
   * multiply it by their A in one product: less work where many tokens are trained, but more for
   * one token. Not where `reads` gives each its own.
   */
  readonly together?: boolean;
}

/** The operators whose second input is a weight that an adapter can stand beside. */
type AdaptableOp = 'Linear' | 'Conv';

interface Adaptable<K extends AdaptableOp> {
  readonly kind: Layer['kind'];
  readonly downShape: (weight: Shape, rank: number) => Shape;
  readonly upShape: (weight: Shape, rank: number) => Shape;
  readonly down: (g: Builder, x: Value, a: Value, attributes: OpAttributes[K]) => Value;
  readonly up: (g: Builder, low: Value, b: Value) => Value;
}

const adaptable: { readonly [K in AdaptableOp]: Adaptable<K> } = {
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
    down: (g, x, a, attributes) => g.conv(x, a, undefined, attributes),
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
export function applyLora(
  graph: Graph,
  size: (layer: Layer) => LoraSize | undefined,
  options: LoraOptions = {},
): WithLora {
  const places = placesOf(graph, size);
  const modules = new Map<string, LoraModule>();
  let low: ((place: Place, x: Value) => Value) | undefined;
  const rewritten = replaceNodes(graph, (g, node) => {
    const place = places.get(node.outputs[0]);
    if (place === undefined || !isAdaptable(node)) return undefined;
    if (low === undefined) {
      for (const at of places.values())
        if (!modules.has(at.layer.path)) modules.set(at.layer.path, declare(g, at));
      low = lowProducts(g, modules, [...places.values()], options);
    }
    g.push(node);
    const [x] = node.inputs;
    const part = adaptable[node.op].up(g, low(place, x), moduleOf(modules, place).up);
    return [g.add(node.outputs[0], part)];
  });
  return { ...rewritten, modules: [...modules.values()] };
}

/** Where an adapter goes. */
interface Place {
  readonly node: NodeOf<AdaptableOp>;
  readonly layer: Layer;
  readonly size: LoraSize;
}

/** By the layer's result, which stays the same value while inputs are replaced; in graph order. */
function placesOf(graph: Graph, size: (layer: Layer) => LoraSize | undefined): Map<Value, Place> {
  const parameters = new Set(graph.parameters);
  return new Map(
    graph.nodes.flatMap((node) => {
      const layer = layerOf(node, parameters);
      const wanted = layer && size(layer);
      return layer === undefined || wanted === undefined || !isAdaptable(node)
        ? []
        : [[node.outputs[0], { node, layer, size: wanted }] as const];
    }),
  );
}

function moduleOf(modules: ReadonlyMap<string, LoraModule>, { layer }: Place): LoraModule {
  const module = modules.get(layer.path);
  if (module === undefined) throw new InternalError(`${layer.path} has no adapter`);
  return module;
}

/** scale · A x of each place, given x as it is now. */
function lowProducts(
  g: Builder,
  modules: ReadonlyMap<string, LoraModule>,
  places: readonly Place[],
  options: LoraOptions,
): (place: Place, x: Value) => Value {
  const { reads = (_, x) => x } = options;
  const weighed = weighing(g, options.multiplier);
  const groups = options.together === true && options.reads === undefined ? groupsOf(places) : none;
  const products = new Map<readonly Place[], Value>();
  return (place, x) => {
    const module = moduleOf(modules, place);
    const group = groups.get(place) ?? [place];
    if (group.length === 1)
      return weighed(ownProduct(g, reads(g, x, module), module, place.node), module);
    const of = group.map((one) => moduleOf(modules, one));
    const product = products.get(group) ?? weighed(jointProduct(g, x, of), module);
    products.set(group, product);
    const start = of.slice(0, group.indexOf(place)).reduce((sum, { rank }) => sum + rank, 0);
    return g.slice(product, product.shape.length - 1, start, start + module.rank);
  };
}

const none: ReadonlyMap<Place, readonly Place[]> = new Map();

/** alpha / rank and, where there is one, the multiplier, times A x. */
function weighing(g: Builder, multiplier: string | undefined) {
  const strength = multiplier === undefined ? undefined : g.input(multiplier, 'float32', []);
  return (low: Value, { alpha, rank }: LoraSize): Value => {
    const scaled = alpha === rank ? low : g.mul(low, alpha / rank);
    return strength === undefined ? scaled : g.mul(scaled, strength);
  };
}

const ownProduct = <K extends AdaptableOp>(
  g: Builder,
  x: Value,
  { down }: LoraModule,
  { op, attributes }: NodeOf<K>,
): Value => adaptable[op].down(g, x, down, attributes);

/**
 * The linear layers of one module that read the same value and have the same scale, with each of
 * them.
 */
function groupsOf(places: readonly Place[]): Map<Place, readonly Place[]> {
  const groups = new Map<string, Place[]>();
  for (const place of places.filter(({ layer }) => layer.kind === 'linear')) {
    const key = `${parentOf(place.layer.path)} ${place.node.inputs[0].name} ${place.size.alpha / place.size.rank}`;
    groups.set(key, [...(groups.get(key) ?? []), place]);
  }
  return new Map(
    [...groups.values()].flatMap((group) => group.map((place) => [place, group] as const)),
  );
}

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('.')));

/** x times the A of all modules, one above the other. */
function jointProduct(g: Builder, x: Value, modules: readonly LoraModule[]): Value {
  return g.inScope(`${parentOf(modules[0].path)}.lora_down`, () =>
    g.linear(
      x,
      g.concat(
        modules.map(({ down }) => down),
        0,
      ),
    ),
  );
}

const isAdaptable = (node: Node): node is NodeOf<AdaptableOp> => node.op in adaptable;

function layerOf(node: Node, parameters: ReadonlySet<Value>): Layer | undefined {
  if (!isAdaptable(node)) return undefined;
  const [, weight] = node.inputs;
  return parameters.has(weight) && weight.name.endsWith('.weight')
    ? {
        path: weight.name.slice(0, -'.weight'.length),
        kind: adaptable[node.op].kind,
        weightShape: weight.shape,
      }
    : undefined;
}

function declare(g: Builder, { node, layer, size: { rank, alpha } }: Place): LoraModule {
  const rule = adaptable[node.op];
  return g.inScope(layer.path, () => ({
    ...layer,
    rank,
    alpha,
    down: g.parameter('lora_down.weight', rule.downShape(layer.weightShape, rank)),
    up: g.parameter('lora_up.weight', rule.upShape(layer.weightShape, rank)),
  }));
}
