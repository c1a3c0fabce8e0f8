import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../builder.ts';
import { evaluate } from '../evaluate.ts';
import type { Value } from '../graph.ts';
import { f64 } from '../kernels/f64.ts';
import { assertClose } from '../testing/sample-graph.ts';
import { verify } from '../verify.ts';
import { factorsLast } from './factors-last.ts';
import { removeDeadNodes } from './remove-dead-nodes.ts';

type Rows = (g: Builder, p: Value, f: Value) => Value;

/** y = rows(p, f) W, p [2, 3, 8], f [2, 3, 1]. */
function product(rows: Rows, width = 4) {
  const g = new Builder('test');
  const [p, f, w] = [
    g.input('p', 'float32', [2, 3, 8]),
    g.input('f', 'float32', [2, 3, 1]),
    g.input('w', 'float32', [8, width]),
  ];
  g.output('y', g.add1('LinearGradInput', [rows(g, p, f), w], {}));
  return g.finish();
}

const numbers = (count: number, step: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(step * i));
const bindings = (width: number) => ({
  p: f64([2, 3, 8], numbers(48, 1)),
  f: f64([2, 3, 1], numbers(6, 2)),
  w: f64([8, width], numbers(8 * width, 3)),
});
const sizes = (graph: ReturnType<typeof product>) =>
  graph.nodes.filter(({ op }) => op === 'Mul').map(({ outputs: [{ shape }] }) => shape.at(-1));

const moved: Record<string, Rows> = {
  'behind the rows': (g, p, f) => g.mul(p, f),
  'before the rows': (g, p, f) => g.mul(f, p),
  'expanded first': (g, p, f) => g.mul(g.expand(f, p.shape), p),
};
for (const [name, rows] of Object.entries(moved)) {
  test(`a factor of each row, ${name}, comes after the product`, () => {
    const { graph } = factorsLast(product(rows));
    const cleaned = removeDeadNodes(graph).graph;
    verify(cleaned);
    assert.deepEqual(sizes(cleaned), [4]);
    assert.ok(!cleaned.nodes.some(({ op }) => op === 'Expand'));
    // another order of products
    assertClose(evaluate(cleaned, bindings(4)), evaluate(product(rows), bindings(4)), 1e-13, name);
  });
}

const kept: Record<string, readonly [Rows, number]> = {
  'whose result is longer': [(g, p, f) => g.mul(p, f), 16],
  'of each number': [(g, p) => g.mul(p, p), 4],
  'of each channel': [(g, p) => g.mul(p, g.slice(g.slice(p, 0, 0, 1), 1, 0, 1)), 4],
};
for (const [name, [rows, width]] of Object.entries(kept)) {
  test(`a factor ${name} stays`, () => assert.ok(!factorsLast(product(rows, width)).changed));
}

test('two products in a row', () => {
  const g = new Builder('test');
  const [p, f, w] = [
    g.input('p', 'float32', [2, 8]),
    g.input('f', 'float32', [2, 1]),
    g.input('w', 'float32', [8, 8]),
  ];
  const once = g.add1('LinearGradInput', [g.mul(p, f), w], {});
  g.output('y', g.add1('LinearGradInput', [g.mul(once, f), w], {}));
  const graph = g.finish();
  const result = removeDeadNodes(factorsLast(graph).graph).graph;
  verify(result);
  const given = {
    p: f64([2, 8], numbers(16, 1)),
    f: f64([2, 1], numbers(2, 2)),
    w: f64([8, 8], numbers(64, 3)),
  };
  // another order of products
  assertClose(evaluate(result, given), evaluate(graph, given), 1e-13, 'y');
});
