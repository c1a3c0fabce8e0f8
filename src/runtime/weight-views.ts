// Rows of a weight that lies in a file are a weight themselves, at another offset: nothing is
// copied.

import type { Graph, Node } from '../graph/graph.ts';
import { removeDeadNodes } from '../graph/passes/remove-dead-nodes.ts';
import { replaceNodes } from '../graph/passes/rewrite.ts';
import { sliceRange } from '../graph/shapes.ts';
import { byteLength, isExternal, type ExternalTensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import type { BoundGraph } from './backend.ts';

/**
 * Replaces slices of neighbouring rows of weights in files; other slices stay and are computed.
 * Gives the weights that took the place of slices.
 */
export function weightViews(graph: Graph, weights: Weights): BoundGraph {
  const parameters = new Set(graph.parameters);
  const views = new Map<string, ExternalTensor>();
  const rewritten = replaceNodes(graph, (g, node) => {
    const [source] = node.inputs;
    const weight = source && parameters.has(source) ? weights.get(source.name) : undefined;
    const start = weight && firstRow(node, weight.shape[0]);
    if (source === undefined || weight === undefined || start === undefined || !isExternal(weight))
      return undefined;
    const { shape } = node.outputs[0];
    const name = `${source.name}[${start}:${start + shape[0]}]`;
    const offset = weight.offset + byteLength(weight.dtype, [start, ...shape.slice(1)]);
    views.set(name, { ...weight, shape, offset, length: byteLength(weight.dtype, shape) });
    return [g.sharedParameter(name, shape)];
  });
  return { graph: removeDeadNodes(rewritten.graph).graph, weights: views };
}

/** Where a slice of neighbouring rows begins. */
function firstRow(node: Node, rows: number): number | undefined {
  if (node.op !== 'Slice') return undefined;
  const { axes, starts, ends, steps } = node.attributes;
  return axes.join() === '0' && steps[0] === 1
    ? sliceRange(rows, starts[0], ends[0], 1).first
    : undefined;
}
