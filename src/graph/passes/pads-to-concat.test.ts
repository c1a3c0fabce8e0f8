import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differentiate } from '../../autodiff/differentiate.ts';
import { Builder } from '../builder.ts';
import { evaluate } from '../evaluate.ts';
import type { Graph, Value } from '../graph.ts';
import { f64 } from '../kernels/f64.ts';
import { assertClose } from '../testing/sample-graph.ts';
import { verify } from '../verify.ts';
import { padsToConcat } from './pads-to-concat.ts';
import { removeDeadNodes } from './remove-dead-nodes.ts';

/** y = parts(x, z) of x [2, 3] and z [2, 5]. */
function graphOf(parts: (g: Builder, x: Value, z: Value) => Value): Graph {
  const g = new Builder('test');
  g.output('y', parts(g, g.input('x', 'float32', [2, 3]), g.input('z', 'float32', [2, 5])));
  return g.finish();
}

const bindings = {
  x: f64([2, 3], Float64Array.of(1, 2, 3, 4, 5, 6)),
  z: f64(
    [2, 5],
    Float64Array.from({ length: 10 }, (_, i) => 10 * i),
  ),
};
const after = (g: Builder, value: Value, count: number) => g.pad(value, [0, 0, 0, count]);
const before = (g: Builder, value: Value, count: number) => g.pad(value, [0, count, 0, 0]);
const opsOf = ({ nodes }: Graph) => nodes.map(({ op }) => op);

const joined: Record<string, (g: Builder, x: Value, z: Value) => Value> = {
  'two parts': (g, x, z) => g.add(after(g, x, 5), before(g, z, 3)),
  'two parts, the last first': (g, x, z) => g.add(before(g, x, 5), after(g, z, 3)),
  'three parts': (g, x, z) => g.add(g.add(before(g, x, 8), after(g, z, 6)), g.pad(x, [0, 5, 0, 3])),
};
for (const [name, parts] of Object.entries(joined)) {
  test(`${name} become one Concat`, () => {
    const graph = removeDeadNodes(padsToConcat(graphOf(parts)).graph).graph;
    verify(graph);
    assert.deepEqual(opsOf(graph), ['Concat']);
    // nothing is computed
    assertClose(evaluate(graph, bindings), evaluate(graphOf(parts), bindings), 0, name);
  });
}

const kept: Record<string, (g: Builder, x: Value, z: Value) => Value> = {
  'parts that overlap': (g, x) => g.add(after(g, x, 1), before(g, x, 1)),
  'parts with a gap between them': (g, x, z) => g.add(after(g, x, 6), before(g, z, 4)),
  'parts with nothing behind them': (g, x, z) => g.add(after(g, x, 6), g.pad(z, [0, 3, 0, 1])),
  'a part and something whole': (g, x, z) => g.add(after(g, x, 2), z),
  'parts along two axes': (g, x) => g.add(g.pad(x, [0, 0, 2, 1]), g.pad(x, [2, 1, 0, 0])),
};
for (const [name, parts] of Object.entries(kept)) {
  test(`${name} stay a sum`, () => assert.ok(!padsToConcat(graphOf(parts)).changed));
}

test('the gradient of a value that was cut up is put together', () => {
  const g = new Builder('test');
  const x = g.input('x', 'float32', [2, 6]);
  const cut = (
    [
      [0, 1],
      [1, 3],
      [3, 6],
    ] as const
  ).map(([start, end], i) => g.mul(g.slice(x, 1, start, end), i + 2));
  g.output('loss', g.reduceSum(g.concat(cut, 1), [0, 1]));
  const { graph } = padsToConcat(differentiate(g.finish(), { loss: 'loss', wrt: [x] }));
  const { 'grad:x': gradient } = evaluate(graph, { x: f64([2, 6]) });
  assert.deepEqual([...gradient.data], [2, 3, 3, 4, 4, 4, 2, 3, 3, 4, 4, 4]);
  assert.ok(!opsOf(removeDeadNodes(graph).graph).includes('Pad'));
});
