import { test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { goldenCases } from '../autodiff/testing/golden.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { runGraph } from './testing/run-graph.ts';

// float32 against float64, parts of the largest element; measured at most 4e-7.
const TOLERANCE = 2e-6;

for (const { title, graph, bindings, y, wrt, gradients } of goldenCases()) {
  test(`${title}: ONNX Runtime's value and gradients equal PyTorch's`, async () => {
    const results = await runGraph(differentiate(graph, { loss: 'loss', wrt }), bindings);
    assertClose({ y: results.y }, { y }, TOLERANCE, title);
    const actual = Object.fromEntries(wrt.map(({ name }) => [name, results[`grad:${name}`]]));
    assertClose(actual, gradients, TOLERANCE, title);
  });
}
