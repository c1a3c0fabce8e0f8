import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { float32 } from '../tensor/tensor.ts';
import { lower } from './lowering.ts';
import { fileOrder } from './onnxruntime/file-order.ts';
import { merge } from './merge.ts';
import { cpuRuntime } from './runtime.ts';
import { cpu } from './onnxruntime/cpu.ts';

/** y = form(2 x), x [2, 3, 4] or of another height. */
function graphOf(form: (g: Builder, x: Value) => Value, height = 2) {
  const g = new Builder('test');
  g.output('y', form(g, g.mul(g.input('x', 'float32', [height, 3, 4]), 2)));
  return g.finish();
}

const shapesOf = (graphs: readonly ReturnType<typeof graphOf>[]) =>
  merge(
    graphs.map((graph) => lower(graph, new Map(), cpu)),
    fileOrder,
  ).onnx.nodes.filter(({ type }) => type === 'Reshape').length;

const forms: Record<string, readonly [(g: Builder, x: Value) => Value, number]> = {
  'there and back': [(g, x) => g.neg(g.reshape(g.reshape(x, [6, 4]), x.shape)), 0],
  'three in a row': [(g, x) => g.neg(g.reshape(g.reshape(g.reshape(x, [6, 4]), [24]), [4, 6])), 1],
  'twice the same': [(g, x) => g.add(g.neg(g.reshape(x, [6, 4])), g.exp(g.reshape(x, [6, 4]))), 1],
  'two forms': [
    (g, x) =>
      g.add(g.reduceSum(g.reshape(x, [6, 4]), [0, 1]), g.reduceSum(g.reshape(x, [4, 6]), [1, 0])),
    2,
  ],
  'with another node between': [(g, x) => g.reshape(g.neg(g.reshape(x, [6, 4])), x.shape), 2],
  "the graph's own output": [(g, x) => g.reshape(g.reshape(x, [6, 4]), x.shape), 1],
};
for (const [name, [form, expected]] of Object.entries(forms)) {
  test(`reshapes: ${name}`, async () => {
    const graph = graphOf(form);
    assert.equal(shapesOf([graph]), expected);
    const program = await cpuRuntime(1).compile(graph, { weights: new Map() });
    const x = float32(
      [2, 3, 4],
      Float32Array.from({ length: 24 }, (_, i) => i / 24),
    );
    const { y } = await program.run({ x });
    await program.release();
    const [output] = graph.outputs.values();
    assert.deepEqual(y.shape, output.shape);
    if (name === 'there and back')
      assert.deepEqual(
        [...y.data],
        [...x.data].map((value) => -2 * value),
      );
  });
}

test('a form that is the same for one shape only stays apart', () => {
  // for height 2 both are [4, 6]
  const form = (g: Builder, x: Value) =>
    g.add(
      g.reduceSum(g.exp(g.reshape(x, [2 * x.shape[0], 6])), [0, 1]),
      g.reduceSum(g.neg(g.reshape(x, [4, 3 * x.shape[0]])), [0, 1]),
    );
  assert.equal(shapesOf([graphOf(form)]), 1);
  assert.equal(shapesOf([graphOf(form), graphOf(form, 4)]), 2);
});
