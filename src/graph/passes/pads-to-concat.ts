// A sum of parts, each padded with zeros to its place, is the parts one after the other: what the
// gradients of slices add up to.

import type { Graph, Node, NodeOf, Value } from '../graph.ts';
import { replaceNodes, type Rewritten } from './rewrite.ts';

/**
 * Makes Concat of sums of Pad in which every number comes from exactly one of them. Leaves the
 * paddings dead if no one else reads them.
 */
export function padsToConcat(graph: Graph): Rewritten {
  const makers = new Map<Value, Node>(); // with the inputs that nodes have now
  return replaceNodes(graph, (g, node) => {
    for (const value of node.outputs) makers.set(value, node);
    const parts = node.op === 'Add' ? partsOf(node.outputs[0], makers) : undefined;
    if (parts === undefined) return undefined;
    const { axis } = parts[0];
    const inOrder = [...parts].sort((a, b) => a.start - b.start);
    return tiles(inOrder, node.outputs[0].shape[axis])
      ? [
          g.concat(
            inOrder.map(({ value }) => value),
            axis,
          ),
        ]
      : undefined;
  });
}

interface Part {
  readonly value: Value;
  readonly axis: number;
  /** Its place on the axis. */
  readonly start: number;
  readonly end: number;
}

/** The padded parts of a sum; undefined where a summand is something else. */
function partsOf(sum: Value, makers: ReadonlyMap<Value, Node>): Part[] | undefined {
  const maker = makers.get(sum);
  if (maker?.op === 'Pad') return partOf(maker);
  if (maker?.op !== 'Add') return undefined;
  const [a, b] = maker.inputs.map((value) => partsOf(value, makers));
  return a && b && [...a, ...b];
}

/** Undefined where it is padded along several axes. */
function partOf({ inputs: [value], attributes, outputs }: NodeOf<'Pad'>): Part[] | undefined {
  const { pads } = attributes;
  const rank = outputs[0].shape.length;
  const axes = outputs[0].shape.flatMap((_, axis) =>
    pads[axis] + pads[axis + rank] > 0 ? [axis] : [],
  );
  if (axes.length !== 1) return undefined;
  const [axis] = axes;
  return [{ value, axis, start: pads[axis], end: pads[axis] + value.shape[axis] }];
}

const tiles = (parts: readonly Part[], length: number): boolean =>
  parts.every(
    ({ axis, start }, i) => axis === parts[0].axis && start === (parts[i - 1]?.end ?? 0),
  ) && parts.at(-1)?.end === length;
