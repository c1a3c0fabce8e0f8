// log Σ exp over the outputs of a linear layer, with its derivative, without all of them in memory.

import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { Decomposition } from './rule.ts';

/** What is known behind some rows of the weight. */
interface Running {
  /** The largest z of each row of x so far: [n, 1]. */
  readonly largest: Value;
  /** Σᵥ exp(zᵥ − largest): [n, 1]. */
  readonly sum: Value;
  /**
   * Σᵥ exp(zᵥ − largest) · zᵥ′ · Wᵥ / sum, where z′ is the derivative by the uncapped z: [n, in].
   */
  readonly derivative: Value;
}

/**
 * Nodes stand in the order in which `lateOrder` walks, and ONNX Runtime with it: of what a node
 * reads, that which stands first is computed first. A piece's first reader of what is known is
 * `kept`, before its exponentials, so that no two pieces are in memory.
 */
export const linearLogSumExp: Decomposition<'LinearLogSumExp'> = (
  g,
  [x, weight],
  { piece, softcap },
) => {
  const [out] = weight.shape;
  const part = (start: number) =>
    piece >= out ? weight : g.slice(weight, 0, start, Math.min(out, start + piece));
  let known = withPiece(g, x, part(0), softcap);
  for (let start = piece; start < out; start += piece)
    known = withPiece(g, x, part(start), softcap, known);
  const { largest, sum, derivative } = known;
  const log = g.log(sum);
  // neg stands behind the sum, where `largest` would be walked to first
  return [g.sub(log, g.neg(largest)), derivative];
};

function withPiece(
  g: Builder,
  x: Value,
  weight: Value,
  cap: number | undefined,
  before?: Running,
): Running {
  const raw = g.gemm(x, weight, { transB: true }); // [n, piece]
  const turned = cap === undefined ? undefined : g.tanh(g.div(raw, cap));
  const z = cap === undefined || turned === undefined ? raw : g.mul(turned, cap);
  const here = g.reduceMax(z, [1], true);
  const largest = before === undefined ? here : g.max(before.largest, here);
  const kept = before && g.mul(before.sum, g.exp(g.sub(before.largest, largest)));
  const rows = before && kept && g.mul(before.derivative, kept);
  const exps = g.exp(g.sub(z, largest));
  const slopes = turned === undefined ? exps : g.mul(exps, g.sub(1, g.mul(turned, turned)));
  const product = g.gemm(slopes, weight, {}, rows);
  const added = g.reduceSum(exps, [1], true);
  const sum = kept === undefined ? added : g.add(kept, added);
  return { largest, sum, derivative: g.div(product, sum) };
}
