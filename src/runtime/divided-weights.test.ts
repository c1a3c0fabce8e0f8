// A weight in parts gives what it gives whole, whoever reads it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { evaluate, toFloat64 } from '../graph/evaluate.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { verify } from '../graph/verify.ts';
import { float32, int32, type Tensor } from '../tensor/tensor.ts';
import { normals } from '../util/philox.ts';
import { dividedWeights } from './divided-weights.ts';

const [ROWS, WIDTH] = [10, 4];
const randomly = (stream: number, shape: readonly number[]) =>
  float32(shape, normals(7, stream, new Float32Array(shape.reduce((a, b) => a * b))));
const w = randomly(0, [ROWS, WIDTH]);
const rows = (count: number) => count * WIDTH * 4;

const readers: Readonly<Record<string, (g: Builder, w: Value) => Value>> = {
  'a linear layer': (g, w) => g.linear(g.input('x', 'float32', [2, 3, WIDTH]), w),
  'a linear layer with a bias': (g, w) =>
    g.linear(g.input('x', 'float32', [3, WIDTH]), w, g.parameter('bias', [ROWS])),
  'its gradient': (g, w) =>
    g.add1('LinearGradInput', [g.input('dy', 'float32', [2, 3, ROWS]), w], {}),
  'a product with its transpose': (g, w) =>
    g.gemm(g.input('x', 'float32', [3, WIDTH]), w, { transB: true }),
  'a product': (g, w) => g.gemm(g.input('y', 'float32', [3, ROWS]), w),
  'a product that is added': (g, w) =>
    g.gemm(g.input('y', 'float32', [3, ROWS]), w, {}, g.input('z', 'float32', [3, WIDTH])),
  'a choice of rows': (g, w) => g.gather(w, g.input('ids', 'int32', [2, 6])),
  'rows of one part': (g, w) => g.slice(w, 0, 1, 3),
  'rows of several parts': (g, w) => g.slice(w, 0, 1, 9),
};

const given: Readonly<Record<string, Tensor>> = {
  x: randomly(1, [2, 3, WIDTH]),
  bias: randomly(2, [ROWS]),
  dy: randomly(3, [2, 3, ROWS]),
  y: randomly(4, [3, ROWS]),
  z: randomly(5, [3, WIDTH]),
  ids: int32([2, 6], [0, 3, 4, 9, 7, 1, 8, 2, 5, 6, 9, 0]),
};

const inputsOf = (graph: Graph, more: Iterable<readonly [string, Tensor]>) => {
  const all = new Map<string, Tensor>([...Object.entries(given), ['w', w], ...more]);
  return Object.fromEntries(
    [...graph.inputs, ...graph.parameters].map(({ name, shape }) => {
      const tensor = all.get(name) ?? assert.fail(`nothing is called ${name}`);
      const size = shape.reduce((a, b) => a * b);
      const data = tensor.data.subarray(0, size);
      const part = { ...tensor, shape, data } as Tensor; // of its dtype
      return [name, toFloat64(part)];
    }),
  );
};

for (const [what, build] of Object.entries(readers))
  for (const fit of [1, 3, 4, 9]) {
    test(`${what}, ${fit} of ${ROWS} rows at a time`, () => {
      const g = new Builder('divided');
      g.output('y', build(g, g.parameter('w', [ROWS, WIDTH])));
      const graph = g.finish();
      const { graph: divided, weights } = dividedWeights(graph, new Map([['w', w]]), rows(fit));
      verify(divided);
      const parts = [...weights].map(([name, tensor]) => [name, tensor as Tensor] as const);
      assert.ok(parts.length > 0, 'it is divided');
      for (const [name, { data }] of parts) assert.ok(data.byteLength <= rows(fit), name);
      assert.ok(!divided.parameters.some(({ name }) => name === 'w'), 'the whole is gone');
      const [expected, found] = [
        evaluate(graph, inputsOf(graph, [])),
        evaluate(divided, inputsOf(divided, parts)),
      ].map(({ y }) => y);
      assert.deepEqual(found.shape, expected.shape);
      found.data.forEach((value, i) => {
        assert.ok(Math.abs(Number(value) - Number(expected.data[i])) < 1e-12, `${i}`);
      });
    });
  }

test('parts of a weight in a file begin where its rows do; small weights stay whole', () => {
  const g = new Builder('divided');
  const x = g.linear(g.input('x', 'float32', [1, WIDTH]), g.parameter('w', [ROWS, WIDTH]));
  g.output('y', g.linear(x, g.parameter('small', [1, ROWS])));
  const lies = { dtype: 'float16', path: '/m', offset: 100 } as const;
  const weights = new Map([
    ['w', { ...lies, shape: [ROWS, WIDTH], length: 2 * ROWS * WIDTH }],
    ['small', { ...lies, shape: [1, ROWS], length: 2 * ROWS }],
  ]);
  const { weights: parts, graph } = dividedWeights(g.finish(), weights, rows(5));
  assert.deepEqual(
    [...parts],
    [
      ['w[0:5]', { ...lies, shape: [5, WIDTH], offset: 100, length: 40 }],
      ['w[5:10]', { ...lies, shape: [5, WIDTH], offset: 140, length: 40 }],
    ],
  );
  assert.ok(graph.parameters.some(({ name }) => name === 'small'));
});
