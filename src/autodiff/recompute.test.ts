// Segments that are computed a second time for the backward pass: less memory, the same numbers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { evaluate } from '../graph/evaluate.ts';
import type { Graph, Node, Value } from '../graph/graph.ts';
import { draw } from '../graph/testing/draw.ts';
import { liveBytes } from '../runtime/live-bytes.ts';
import { lower } from '../runtime/lowering.ts';
import { differentiate } from './differentiate.ts';
import { cpu } from '../runtime/onnxruntime/cpu.ts';

const [LAYERS, ROWS, WIDTH] = [8, 16, 8];

/** Residual layers of several steps each, all of whose weights are trained. */
function stack(): { graph: Graph; wrt: Value[] } {
  const g = new Builder('stack');
  let x = g.input('x', 'float32', [ROWS, WIDTH]);
  const wrt: Value[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    x = g.scoped(`layers.${layer}`, () => {
      const weight = g.parameter('weight', [WIDTH, WIDTH]);
      wrt.push(weight);
      return g.add(x, g.tanh(g.gelu(g.sigmoid(g.linear(x, weight)))));
    });
  }
  g.output('loss', g.reduceMean(g.mul(x, x), [0, 1]));
  return { graph: g.finish(), wrt };
}

const layerOf = ({ scope }: Node) => (scope.startsWith('layers.') ? scope : undefined);

test('gradients are the same numbers, and the peak is lower', () => {
  const { graph, wrt } = stack();
  const [plain, again] = [undefined, layerOf].map((segmentOf) =>
    differentiate(graph, { loss: 'loss', wrt, segmentOf }),
  );
  const bindings = Object.fromEntries(
    [...graph.inputs, ...graph.parameters].map(({ name, shape }, i) => [
      name,
      draw({ kind: 'smooth', shape }, 3, i),
    ]),
  );
  assert.deepEqual(evaluate(again, bindings), evaluate(plain, bindings));
  const [peak, less] = [plain, again].map((one) => {
    const lowered = lower(one, new Map(), cpu);
    return Math.max(...liveBytes(lowered.nodes, lowered));
  });
  // one tensor a layer in place of four, gradients in both
  assert.ok(less < 0.6 * peak, `${less} of ${peak} bytes`);
});
