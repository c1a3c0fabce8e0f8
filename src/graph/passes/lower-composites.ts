// Replaces composite operators that a backend has no kernel for by their decompositions.

import type { Builder } from '../builder.ts';
import { decompositions } from '../decompositions/table.ts';
import type { Graph, Node, NodeOf, Value } from '../graph.ts';
import type { OpName, OpOutputs } from '../ops.ts';
import { removeDeadNodes } from './remove-dead-nodes.ts';
import { replaceNodes, type Rewritten } from './rewrite.ts';

/** Ensures that the only composite operators left are those in `keep`, and that no node is dead. */
export function lowerComposites(
  graph: Graph,
  keep: ReadonlySet<OpName> | ((node: Node) => boolean),
): Rewritten {
  const kept = typeof keep === 'function' ? keep : (node: Node) => keep.has(node.op);
  const lowered = lowerAll(graph, kept);
  const cleaned = removeDeadNodes(lowered.graph);
  return { graph: cleaned.graph, changed: lowered.changed || cleaned.changed };
}

/** Again until nothing changes: decompositions may use composite operators. */
function lowerAll(graph: Graph, kept: (node: Node) => boolean): Rewritten {
  const once = replaceNodes(graph, (g, node) => (kept(node) ? undefined : decompose(g, node)));
  return once.changed ? { graph: lowerAll(once.graph, kept).graph, changed: true } : once;
}

function decompose<K extends OpName>(g: Builder, node: NodeOf<K>): OpOutputs<Value>[K] | undefined {
  const rule = decompositions[node.op];
  return rule === 'primitive' ? undefined : rule(g, node.inputs, node.attributes, node.outputs);
}
