// Weights larger than a device's largest buffer: their rows in parts, each a weight of its own.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Graph, Node, Value } from '../graph/graph.ts';
import { removeDeadNodes } from '../graph/passes/remove-dead-nodes.ts';
import { replaceNodes } from '../graph/passes/rewrite.ts';
import { sliceRange } from '../graph/shapes.ts';
import { byteLength, int32, isExternal, sizeOf } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import type { BoundGraph } from './backend.ts';

type Weight = NonNullable<ReturnType<Weights['get']>>;

/** Rows from `start` on, before `end`. */
interface Part {
  readonly weight: Value;
  readonly start: number;
  readonly end: number;
}

/**
 * Divides each weight of more than `largest` bytes in float32, as which it is multiplied. Results
 * are the same but for the rounding of sums over its rows. Throws InternalError where something
 * else than a product or a choice of rows reads it.
 */
export function dividedWeights(graph: Graph, weights: Weights, largest: number): BoundGraph {
  const parts = new Map<string, Weight>();
  const divided = new Map<Value, number>();
  for (const value of graph.parameters)
    if (weights.has(value.name) && byteLength('float32', value.shape) > largest)
      divided.set(value, rowsThatFit(value, largest));
  if (divided.size === 0) return { graph, weights: parts };
  const rewritten = replaceNodes(graph, (g, node) => {
    const at = node.inputs.findIndex((value) => value !== undefined && divided.has(value));
    const whole = node.inputs[at];
    if (whole === undefined) return undefined;
    const all = partsOf(g, whole, divided.get(whole) ?? whole.shape[0]);
    for (const { weight, start } of all) {
      const source = weights.get(whole.name);
      if (source !== undefined) parts.set(weight.name, rowsOf(source, start, weight.shape));
    }
    return [readParts(g, node, at, all)];
  });
  return { graph: removeDeadNodes(rewritten.graph).graph, weights: parts };
}

function rowsThatFit({ name, shape }: Value, largest: number): number {
  const rows = Math.floor(largest / byteLength('float32', [1, ...shape.slice(1)]));
  if (rows === 0) throw new InternalError(`one row of ${name} is larger than a buffer`);
  return Math.ceil(shape[0] / Math.ceil(shape[0] / rows));
}

function partsOf(g: Builder, { name, shape }: Value, rows: number): Part[] {
  return Array.from({ length: Math.ceil(shape[0] / rows) }, (_, i) => {
    const [start, end] = [i * rows, Math.min(shape[0], (i + 1) * rows)];
    const partShape = [end - start, ...shape.slice(1)];
    return { weight: g.sharedParameter(`${name}[${start}:${end}]`, partShape), start, end };
  });
}

function rowsOf(weight: Weight, start: number, shape: readonly number[]): Weight {
  const row = shape.slice(1);
  if (isExternal(weight)) {
    const offset = weight.offset + byteLength(weight.dtype, [start, ...row]);
    return { ...weight, shape, offset, length: byteLength(weight.dtype, shape) };
  }
  const first = start * sizeOf(row);
  return { ...weight, shape, data: weight.data.subarray(first, first + sizeOf(shape)) };
}

function readParts(g: Builder, node: Node, at: number, parts: readonly Part[]): Value {
  if (node.op === 'Linear' && at === 1) return linear(g, node.inputs, parts);
  if (node.op === 'LinearGradInput') return overRows(g, node.inputs[0], parts);
  if (node.op === 'Gemm' && at === 1 && !node.attributes.transA) {
    const [a, , c] = node.inputs;
    if (!node.attributes.transB) return overRows(g, a, parts, c);
    if (c === undefined)
      return joined(g, parts, ({ weight }) => g.gemm(a, weight, { transB: true }));
  }
  if (node.op === 'Gather' && node.attributes.axis === 0) return gather(g, node.inputs[1], parts);
  if (node.op === 'Slice' && node.attributes.axes.join() === '0' && node.attributes.steps[0] === 1)
    return slice(g, node.attributes, parts);
  throw new InternalError(`${node.op} cannot read ${node.inputs[at]?.name} in parts`);
}

/** What each part gives, beside each other in the last axis. */
function joined(g: Builder, parts: readonly Part[], give: (part: Part) => Value): Value {
  const values = parts.map(give);
  return values.length === 1 ? values[0] : g.concat(values, values[0].shape.length - 1);
}

function linear(
  g: Builder,
  [x, , bias]: readonly [Value, Value, Value | undefined],
  parts: readonly Part[],
): Value {
  return joined(g, parts, ({ weight, start, end }) =>
    g.linear(x, weight, bias && g.slice(bias, 0, start, end)),
  );
}

/** A product with all rows is the sum of those with the rows of each part. */
function overRows(g: Builder, x: Value, parts: readonly Part[], sum?: Value): Value {
  const last = x.shape.length - 1;
  return parts.reduce<Value | undefined>((before, { weight, start, end }) => {
    const product = g.add1('LinearGradInput', [g.slice(x, last, start, end), weight], {});
    return before === undefined ? product : g.add(before, product);
  }, sum) as Value; // there is a part
}

/** The rows at `indices`: of each part those that lie in it. */
function gather(g: Builder, indices: Value, parts: readonly Part[]): Value {
  const whole = (number: number) => g.constant(int32([], [number]), 'row');
  const places = g.reshape(indices, [...indices.shape, 1]);
  const inPart = ({ weight, start, end }: Part): Value => {
    const below = g.where(g.less(indices, whole(end)), indices, whole(start));
    const within = g.where(g.less(below, whole(start)), whole(start), below);
    return g.gather(weight, g.sub(within, whole(start)));
  };
  return parts
    .map((part) => ({ rows: inPart(part), end: part.end }))
    .reduceRight<Value | undefined>(
      (later, { rows, end }) =>
        later === undefined ? rows : g.where(g.less(places, whole(end)), rows, later),
      undefined,
    ) as Value; // there is a part
}

function slice(
  g: Builder,
  { starts: [from], ends: [to] }: { starts: readonly number[]; ends: readonly number[] },
  parts: readonly Part[],
): Value {
  const { first, count } = sliceRange(parts[parts.length - 1].end, from, to, 1);
  const pieces = parts.flatMap(({ weight, start, end }) => {
    const [low, high] = [Math.max(first, start), Math.min(first + count, end)];
    if (low >= high) return [];
    return [high - low === end - start ? weight : g.slice(weight, 0, low - start, high - start)];
  });
  return pieces.length === 1 ? pieces[0] : g.concat(pieces, 0);
}
