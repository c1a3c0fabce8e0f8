// Adapters on a finished graph, as a rewrite: each adapted layer gets a branch beside it.

import { needed } from '../util/needed.ts';
import type { Graph, NodeOf, Value } from '../graph/graph.ts';
import { replaceNodes } from '../graph/passes/rewrite.ts';
import type { AdapterKind, ApplyOptions, Place } from './kind.ts';
import { isAdaptable, layerOf, type AdaptableOp, type Layer } from './layers.ts';

export interface Adapted<Module extends Layer> {
  readonly graph: Graph;
  readonly changed: boolean;
  /** In the order of the layers in the graph. */
  readonly modules: readonly Module[];
}

export interface AdapterOptions extends ApplyOptions {
  /**
   * Stands in the names of its parameters, so that a graph can have several adapters; the one of a
   * training has none.
   */
  readonly adapter?: string;
}

/**
 * Adds an adapter of a kind to every layer for which `size` gives one; again, with another name, a
 * second one.
 *
 * Requires a finished model graph; ensures that with the adapter's first values it computes what it
 * did before. The new parameters stand behind those of the graph.
 */
export function applyAdapter<Size, Module extends Layer, Role extends string>(
  graph: Graph,
  kind: AdapterKind<Size, Module, Role>,
  size: (layer: Layer) => Size | undefined,
  { adapter, ...options }: AdapterOptions = {},
): Adapted<Module> {
  const isAdapters = ({ path }: Layer): boolean => kind.partOf(`${path}.weight`) !== undefined;
  const wanted = wantedPlaces(graph, (layer) => (isAdapters(layer) ? undefined : size(layer)));
  const modules = new Map<string, Module>();
  let places: ReadonlyMap<Value, Place<Module>> = new Map();
  let part: ((place: Place<Module>, x: Value) => Value) | undefined;
  const rewritten = replaceNodes(graph, (g, node) => {
    if (!wanted.has(node.outputs[0]) || !isAdaptable(node)) return undefined;
    if (part === undefined) {
      for (const { layer, size: of } of wanted.values())
        if (!modules.has(layer.path)) modules.set(layer.path, kind.declare(g, layer, of, adapter));
      places = placesOf(wanted, modules);
      part = kind.apply(g, [...places.values()], options);
    }
    g.push(node);
    const place = needed(places, node.outputs[0], 'place of the layer');
    return [g.add(node.outputs[0], part(place, node.inputs[0]))];
  });
  return { ...rewritten, modules: [...modules.values()] };
}

interface Wanted<Size> {
  readonly node: NodeOf<AdaptableOp>;
  readonly layer: Layer;
  readonly size: Size;
}

/** By the layer's result, which stays the same value while inputs are replaced; in graph order. */
function wantedPlaces<Size>(
  graph: Graph,
  size: (layer: Layer) => Size | undefined,
): Map<Value, Wanted<Size>> {
  const parameters = new Set(graph.parameters);
  return new Map(
    graph.nodes.flatMap((node) => {
      const layer = layerOf(node, parameters);
      const found = layer && size(layer);
      return layer === undefined || found === undefined || !isAdaptable(node)
        ? []
        : [[node.outputs[0], { node, layer, size: found }] as const];
    }),
  );
}

const placesOf = <Size, Module extends Layer>(
  wanted: ReadonlyMap<Value, Wanted<Size>>,
  modules: ReadonlyMap<string, Module>,
): Map<Value, Place<Module>> =>
  new Map(
    Array.from(wanted, ([result, { node, layer }]) => [
      result,
      { node, module: needed(modules, layer.path, 'adapter of the layer') },
    ]),
  );
