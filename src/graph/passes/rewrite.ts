// What a rewrite is, and the one loop that most of them need: replace some nodes, keep the others.

import { Builder } from '../builder.ts';
import { withInputs, type Graph, type Node, type Value } from '../graph.ts';

export interface Rewritten {
  readonly graph: Graph;
  readonly changed: boolean;
}

/**
 * Offers every node, in order and with its inputs already replaced, to `replace`. It may emit other
 * nodes and return values for the node's outputs, or return undefined to keep the node.
 * Requires a legal graph; ensures one, with outputs of the same names and types.
 */
export function replaceNodes(
  graph: Graph,
  replace: (g: Builder, node: Node) => readonly Value[] | undefined,
): Rewritten {
  const g = Builder.from(graph, { keepNodes: false, keepOutputs: false });
  const replaced = new Map<Value, Value>();
  const current = (value: Value) => replaced.get(value) ?? value;
  let changed = false;
  for (const original of graph.nodes) {
    const node = withInputs(original, current);
    const values = g.inScope(node.scope, () => replace(g, node));
    if (values === undefined) g.push(node);
    else {
      node.outputs.forEach((output, i) => replaced.set(output, values[i]));
      changed = true;
    }
  }
  for (const [name, value] of graph.outputs) g.output(name, current(value));
  return { graph: changed ? g.finish() : graph, changed };
}
