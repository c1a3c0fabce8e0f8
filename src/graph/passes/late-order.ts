// Every node as late as its first reader allows.

import type { Graph, Node, Value } from '../graph.ts';

/**
 * Nodes in the order of a depth-first walk: the outputs one after the other as they are listed,
 * each with all that it still needs before it; of a node's inputs the one that the graph computes
 * first comes first. Drops what no output needs.
 */
export function lateOrder(graph: Graph): Graph {
  const producers = new Map<Value, number>(
    graph.nodes.flatMap((node, at) => node.outputs.map((value) => [value, at] as const)),
  );
  const nodes: Node[] = [];
  const done = new Set<number>();
  for (const value of graph.outputs.values())
    for (const at of producing([value], producers)) walk(at, graph, producers, done, nodes);
  return { ...graph, nodes };
}

const producing = (
  values: readonly (Value | undefined)[],
  producers: ReadonlyMap<Value, number>,
): number[] =>
  values
    .flatMap((value) => (value === undefined ? [] : (producers.get(value) ?? [])))
    .sort((a, b) => a - b);

/** Without recursion: a graph may be deeper than the stack. */
function walk(
  start: number,
  graph: Graph,
  producers: ReadonlyMap<Value, number>,
  done: Set<number>,
  nodes: Node[],
): void {
  const open = [{ at: start, needs: producing(graph.nodes[start].inputs, producers) }];
  while (open.length > 0) {
    const { at, needs } = open[open.length - 1];
    const next = needs.shift();
    if (next === undefined || done.has(at)) {
      if (!done.has(at)) nodes.push(graph.nodes[at]);
      done.add(at);
      open.pop();
    } else if (!done.has(next))
      open.push({ at: next, needs: producing(graph.nodes[next].inputs, producers) });
  }
}
