// Drops the nodes, constants and (on request) parameters that no output depends on.

import type { Graph, Node, Value } from '../graph.ts';
import type { Rewritten } from './rewrite.ts';

/**
 * Ensures that every node and constant is needed by an output. Inputs stay; unused parameters go.
 */
export function removeDeadNodes(graph: Graph): Rewritten {
  const live = new Set<Value>(graph.outputs.values());
  const nodes: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((value) => live.has(value))) continue;
    nodes.push(node);
    for (const value of node.inputs) if (value !== undefined) live.add(value);
  }
  const constants = new Map([...graph.constants].filter(([value]) => live.has(value)));
  const parameters = graph.parameters.filter((value) => live.has(value));
  const changed =
    nodes.length < graph.nodes.length ||
    constants.size < graph.constants.size ||
    parameters.length < graph.parameters.length;
  return {
    graph: changed ? { ...graph, nodes: nodes.reverse(), constants, parameters } : graph,
    changed,
  };
}
