// Plants an error in a graph, to see whether a test notices it.

import type { Graph, Node } from '../graph.ts';
import { replaceNodes } from '../passes/rewrite.ts';
import { isFloat } from '../../tensor/dtype.ts';

export interface Perturbed {
  /** The value that is 0.1 % too large. */
  readonly name: string;
  readonly graph: Graph;
}

/**
 * One graph for each float value that a node of `nodes` computes, in which that value is 0.1 % too
 * large.
 */
export function perturbations(graph: Graph, nodes: readonly Node[] = graph.nodes): Perturbed[] {
  return nodes.flatMap((node) =>
    node.outputs.flatMap((value, i) =>
      isFloat(value.dtype) ? [{ name: value.name, graph: enlarged(graph, node, i) }] : [],
    ),
  );
}

function enlarged(graph: Graph, at: Node, output: number): Graph {
  return replaceNodes(graph, (g, node) => {
    if (node !== at) return undefined;
    g.push(node);
    return node.outputs.map((value, i) => (i === output ? g.mul(value, 1.001) : value));
  }).graph;
}
