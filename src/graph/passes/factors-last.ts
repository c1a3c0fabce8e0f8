// Factors of whole rows after the product that takes the rows, where they meet fewer numbers.

import type { Builder } from '../builder.ts';
import type { Graph, Node, Value } from '../graph.ts';
import { replaceNodes, type Rewritten } from './rewrite.ts';

/**
 * (f ∘ p) W becomes f ∘ (p W) for a factor f of each row, where the product has the shorter rows:
 * the gradient of a loss's logits is the probabilities [tokens, vocabulary] times one number a
 * token. Leaves the first product dead if no one else reads it.
 */
export function factorsLast(graph: Graph): Rewritten {
  const makers = new Map<Value, Node>(); // with the inputs that nodes have now
  return replaceNodes(graph, (g, node) => {
    for (const value of node.outputs) makers.set(value, node);
    if (node.op !== 'LinearGradInput') return undefined;
    const [dy, weight] = node.inputs;
    if (weight.shape[0] < weight.shape[1]) return undefined;
    const parts = factorAndRows(makers.get(dy), makers);
    return parts && [scaled(g, parts, weight)];
  });
}

interface Parts {
  /** [.., 1] */
  readonly factor: Value;
  /** [.., n] */
  readonly rows: Value;
}

function factorAndRows(
  product: Node | undefined,
  makers: ReadonlyMap<Value, Node>,
): Parts | undefined {
  if (product?.op !== 'Mul') return undefined;
  const [a, b] = product.inputs.map((value) => unexpanded(value, makers));
  const { shape } = product.outputs[0];
  const is = (factor: Value, rows: Value) =>
    factor.shape.length === shape.length &&
    factor.shape.at(-1) === 1 &&
    rows.shape.join() === shape.join();
  if (is(a, b)) return { factor: a, rows: b };
  return is(b, a) ? { factor: b, rows: a } : undefined;
}

function unexpanded(value: Value, makers: ReadonlyMap<Value, Node>): Value {
  const maker = makers.get(value);
  return maker?.op === 'Expand' ? maker.inputs[0] : value;
}

const scaled = (g: Builder, { factor, rows }: Parts, weight: Value): Value =>
  g.mul(g.add1('LinearGradInput', [rows, weight], {}), factor);
