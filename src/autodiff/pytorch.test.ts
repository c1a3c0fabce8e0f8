import { test } from 'node:test';
import { evaluate } from '../graph/evaluate.ts';
import { lowerComposites } from '../graph/passes/lower-composites.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { differentiate } from './differentiate.ts';
import { gradientsOf } from './testing/check-gradients.ts';
import { goldenCases } from './testing/golden.ts';

// Both sides compute in float64 and differ in the order of their sums.
const WHOLE = 1e-12;
// Decompositions hold ε, scales and GELU's constants in float32.
const DECOMPOSED = 1e-6;

for (const { title, graph, bindings, y, wrt, gradients } of goldenCases()) {
  const differentiated = differentiate(graph, { loss: 'loss', wrt });
  test(`${title}: value and gradients equal PyTorch's`, () => {
    assertClose({ y: evaluate(graph, bindings).y }, { y }, WHOLE, title);
    assertClose(gradientsOf(differentiated, bindings, wrt), gradients, WHOLE, title);
  });
  test(`${title}: so do the decompositions`, () => {
    const { graph: lowered } = lowerComposites(differentiated, new Set());
    assertClose({ y: evaluate(lowered, bindings).y }, { y }, DECOMPOSED, title);
    assertClose(gradientsOf(lowered, bindings, wrt), gradients, DECOMPOSED, title);
  });
}
