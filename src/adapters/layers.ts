// The layers of a finished graph that can carry an adapter.

import type { Graph, Node, NodeOf, Value } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';

/** A layer that can carry an adapter. */
export interface Layer {
  /** The path of the module: its weight is the parameter `<path>.weight`. */
  readonly path: string;
  readonly kind: 'linear' | 'conv';
  /** [out, in] or [out, in, kh, kw]. */
  readonly weightShape: Shape;
}

/** The operators whose second input is a weight that an adapter can stand beside. */
export type AdaptableOp = 'Linear' | 'Conv';

const kinds: { readonly [K in AdaptableOp]: Layer['kind'] } = { Linear: 'linear', Conv: 'conv' };

export const isAdaptable = (node: Node): node is NodeOf<AdaptableOp> => node.op in kinds;

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

/** The layer that a node computes, if an adapter can stand beside it. */
export function layerOf(node: Node, parameters: ReadonlySet<Value>): Layer | undefined {
  if (!isAdaptable(node)) return undefined;
  const [, weight] = node.inputs;
  return parameters.has(weight) && weight.name.endsWith('.weight')
    ? {
        path: weight.name.slice(0, -'.weight'.length),
        kind: kinds[node.op],
        weightShape: weight.shape,
      }
    : undefined;
}
