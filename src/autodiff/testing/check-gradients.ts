// Gradients of a graph beside those from finite differences.

import { Builder } from '../../graph/builder.ts';
import { evaluate, type F64Tensor } from '../../graph/evaluate.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { f64 } from '../../graph/kernels/f64.ts';
import { draw } from '../../graph/testing/draw.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { differentiate } from '../differentiate.ts';

type Bindings = Readonly<Record<string, F64Tensor>>;

/**
 * The graph with the output `loss`: the sum of its float outputs but those named, each element
 * weighted by an input named `weight:<output>`.
 */
export function withLoss(graph: Graph, except: readonly string[] = []): Graph {
  const g = Builder.from(graph);
  const terms = [...graph.outputs]
    .filter(([name, y]) => isFloat(y.dtype) && !except.includes(name))
    .map(([name, y]) => {
      const weighted = g.mul(y, g.input(`weight:${name}`, y.dtype, y.shape));
      return g.reduceSum(
        weighted,
        y.shape.map((_, axis) => axis),
      );
    });
  g.output(
    'loss',
    terms.reduce((sum, term) => g.add(sum, term)),
  );
  return g.finish();
}

/** Bindings for the weights that `withLoss` asks for: a random direction of each output. */
export function lossWeights(graph: Graph, seed: number): Record<string, F64Tensor> {
  const weights = graph.inputs.filter(({ name }) => name.startsWith('weight:'));
  return Object.fromEntries(
    weights.map(({ name, shape }, i) => [name, draw({ kind: 'smooth', shape }, seed, 1000 + i)]),
  );
}

/**
 * d loss / d value, element by element, by the five-point rule f′ = (f(x − 2h) − 8 f(x − h) + 8 f(x
 * + h) − f(x + 2h)) / 12h, whose error is h⁴ f⁽⁵⁾ / 30: for h = 2⁻¹⁰ about 1e-12.
 */
export function finiteDifferences(
  graph: Graph,
  bindings: Bindings,
  name: string,
  h = 2 ** -10,
): F64Tensor {
  const x = bindings[name];
  const lossAt = (i: number, step: number): number => {
    const moved = x.data.slice();
    moved[i] += step;
    return evaluate(graph, { ...bindings, [name]: f64(x.shape, moved) }).loss.data[0];
  };
  const slope = (i: number) =>
    (lossAt(i, -2 * h) - 8 * lossAt(i, -h) + 8 * lossAt(i, h) - lossAt(i, 2 * h)) / (12 * h);
  return f64(
    x.shape,
    Float64Array.from(x.data, (_, i) => slope(i)),
  );
}

/** The gradients that `differentiate` gives, named for their values. */
export function gradientsOf(
  differentiated: Graph,
  bindings: Bindings,
  wrt: readonly Value[],
): Record<string, F64Tensor> {
  const outputs = evaluate(differentiated, bindings);
  return Object.fromEntries(wrt.map(({ name }) => [name, outputs[`grad:${name}`]]));
}

/** The gradients of `graph`, which has an output `loss`, both ways. */
export function bothGradients(graph: Graph, bindings: Bindings, wrt: readonly Value[]) {
  const actual = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), bindings, wrt);
  const expected = Object.fromEntries(
    wrt.map(({ name }) => [name, finiteDifferences(graph, bindings, name)]),
  );
  return { actual, expected };
}
