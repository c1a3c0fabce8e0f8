import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import { evaluate } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { f64 } from '../graph/kernels/f64.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { verify } from '../graph/verify.ts';
import { hashedUniforms } from '../models/hashed-weights.test-util.ts';
import { linear } from '../nn/linear.ts';
import { applyAdapter, type AdapterOptions } from './apply.ts';
import { adaptableLayers, type Layer } from './layers.ts';
import { float32 } from '../tensor/tensor.ts';
import { lora, loraParameter } from './lora.ts';
import type { LoraSize } from './lora-module.ts';

/** Two layers of q, k, v and o; k and v of the second read what both may read. */
function model(): Graph {
  const g = new Builder('model');
  const [x, context] = [
    g.input('x', 'float32', [2, 3, 6]),
    g.input('context', 'float32', [2, 4, 6]),
  ];
  const last = [x, context].reduce(
    (hidden, other, i) =>
      g.scoped(`layers.${i}`, () => {
        const [q, k, v] = [
          linear(g, 'q', hidden, 6),
          linear(g, 'k', i === 0 ? hidden : other, 6),
          linear(g, 'v', i === 0 ? hidden : other, 6),
        ];
        return linear(
          g,
          'o',
          g.attention(q, k, v, { q_num_heads: 2, kv_num_heads: 2, scale: 0.5, is_causal: false }),
          6,
        );
      }),
    x,
  );
  g.output('loss', g.reduceSum(g.mul(last, last), [0, 1, 2]));
  return g.finish();
}

const sizeOf = ({ path }: Layer): LoraSize => ({
  rank: path.endsWith('k') ? 3 : 2,
  alpha: path.endsWith('k') ? 6 : 4,
});
const bindingsOf = (graph: Graph) =>
  Object.fromEntries(
    [...graph.inputs, ...graph.parameters].map(({ name, shape }) => [
      name,
      f64(
        shape,
        Float64Array.from(
          hashedUniforms(
            name,
            shape.reduce((a, b) => a * b, 1),
          ),
          (u) => u - 0.3,
        ),
      ),
    ]),
  );
const gradientsOf = (graph: Graph) => {
  const wrt = graph.parameters.filter(({ name }) => name.includes('.lora_'));
  const gradients = differentiate(graph, { loss: 'loss', wrt });
  verify(gradients);
  return evaluate(gradients, bindingsOf(gradients));
};
const downs = ({ nodes }: Graph) =>
  nodes.filter(({ op, inputs }) => op === 'Linear' && /lora_down/.test(inputs[1]?.name ?? ''))
    .length;

/** Gradients are listed as they are computed, which is another order in each. */
const inOrder = <T>(results: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(results).sort(([a], [b]) => (a < b ? -1 : 1)));

const variants: Record<
  string,
  readonly [AdapterOptions, (layer: Layer) => LoraSize | undefined, number]
> = {
  'all layers': [{}, sizeOf, 5],
  'with a multiplier': [{ strength: () => ({ input: 'multiplier', shape: [] }) }, sizeOf, 5],
  'of other scales': [
    {},
    (layer) => ({ ...sizeOf(layer), alpha: layer.path.endsWith('v') ? 1 : 6 }),
    8,
  ],
  'two of them': [{}, (layer) => (/q|v/.test(layer.path) ? sizeOf(layer) : undefined), 3],
};
for (const [name, [options, size, products]] of Object.entries(variants)) {
  test(`adapters that multiply together compute what they do apart: ${name}`, () => {
    const [apart, together] = [false, true].map((flag) =>
      applyAdapter(model(), lora, size, { ...options, together: flag }),
    );
    assert.deepEqual(together.graph.parameters, apart.graph.parameters);
    assert.deepEqual(together.modules, apart.modules);
    assert.equal(downs(together.graph), products);
    verify(together.graph);
    // another order of sums
    assertClose(
      inOrder(gradientsOf(together.graph)),
      inOrder(gradientsOf(apart.graph)),
      1e-12,
      name,
    );
  });
}

test('where each adapter reads a value of its own, nothing is put together', () => {
  const { graph } = applyAdapter(model(), lora, sizeOf, {
    together: true,
    reads: (g, x) => g.mul(x, 2),
  });
  assert.equal(downs(graph), 8);
});

test('a graph takes several adapters by name; strengths are inputs of each row', () => {
  const withTwo = ['ink', 'glow'].reduce(
    (graph, adapter) =>
      applyAdapter(graph, lora, sizeOf, {
        adapter,
        strength: ({ path }) => ({
          input: `${adapter}.${path.endsWith('k') ? 'k' : 'rest'}`,
          shape: [path.endsWith('k') ? 3 : 2],
        }),
      }).graph,
    model(),
  );
  verify(withTwo);
  assert.ok(withTwo.parameters.some(({ name }) => name === 'layers.1.q.ink.lora_down.weight'));
  const given = bindingsOf(withTwo);
  const lossWith = (ink: number, glow: number, graph = withTwo, bindings = given): number => {
    const strengths = [
      ['ink.k', 3, ink],
      ['ink.rest', 2, ink],
      ['glow.k', 3, glow],
      ['glow.rest', 2, glow],
    ] as const;
    const set = strengths.map(([name, count, value]) => [
      name,
      f64(
        [count],
        Float64Array.from({ length: count }, () => value),
      ),
    ]);
    return evaluate(graph, { ...bindings, ...Object.fromEntries(set) }).loss.data[0];
  };
  const plain = evaluate(model(), given).loss.data[0];
  assert.equal(lossWith(0, 0), plain);
  assert.notEqual(lossWith(0.5, 0), plain);
  // the sum of deltas: both in the weights, computed without any adapter
  const merged = { ...given };
  for (const { path, weightShape } of adaptableLayers(model())) {
    let weight = float32(weightShape, Float32Array.from(given[`${path}.weight`].data));
    for (const [adapter, strength] of [
      ['ink', 0.5],
      ['glow', -1.5],
    ] as const) {
      const factor = (role: 'down' | 'up') => {
        const { shape, data } = given[loraParameter(path, role, adapter)];
        return float32(shape, Float32Array.from(data));
      };
      weight = lora.merge(weight, { down: factor('down'), up: factor('up') }, 2 * strength);
    }
    merged[`${path}.weight`] = f64(weightShape, Float64Array.from(weight.data));
  }
  const wanted = evaluate(model(), merged).loss.data[0];
  const found = lossWith(0.5, -1.5);
  assert.ok(Math.abs(found / wanted - 1) < 1e-5, `${found} is not ${wanted}`); // merged in float32
});
