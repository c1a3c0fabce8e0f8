import { test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { bothGradients, lossWeights, withLoss } from '../autodiff/testing/check-gradients.ts';
import { evaluate } from '../graph/evaluate.ts';
import { lowerComposites } from '../graph/passes/lower-composites.ts';
import { randomGraph } from '../graph/testing/random-graph.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { seeds } from '../graph/testing/seeds.ts';
import { verify } from '../graph/verify.ts';
import { testOnEach, testedBackends } from './testing/backends.ts';
import { runGraph } from './testing/run-graph.ts';

const MOST_ON_A_CARD = 3;

/**
 * A random program with a loss; its values and gradients are of the order of 1, so errors are
 * measured against 1 at least.
 */
function randomProgram(seed: number) {
  const { graph: program, bindings, wrt } = randomGraph(seed);
  const graph = withLoss(program);
  const differentiated = differentiate(graph, { loss: 'loss', wrt });
  for (const legal of [program, differentiated]) verify(legal);
  return { graph, differentiated, wrt, bindings: { ...bindings, ...lossWeights(graph, seed) } };
}

const backends = await testedBackends();

for (const [i, seed] of seeds(6).entries()) {
  test(`random graph, TEST_SEED=${seed}: gradients equal finite differences`, () => {
    const { graph, bindings, wrt } = randomProgram(seed);
    const { actual, expected } = bothGradients(graph, bindings, wrt);
    // float32 constants in the rules; 1e-7 in 2000 graphs
    assertClose(actual, expected, 1e-6, `seed ${seed}`, 1);
  });

  test(`random graph, TEST_SEED=${seed}: the decompositions equal the evaluator`, () => {
    const { differentiated, bindings } = randomProgram(seed);
    const { graph: lowered } = lowerComposites(differentiated, new Set());
    verify(lowered);
    // float32 constants; 1e-7 in 2000 graphs
    const expected = evaluate(differentiated, bindings);
    assertClose(evaluate(lowered, bindings), expected, 1e-6, `seed ${seed}, decomposed`, 1);
  });

  // each graph has shaders of its own, and a Vulkan in software is slow at them
  testOnEach(
    i < MOST_ON_A_CARD ? backends : backends.filter(({ name }) => name === 'cpu'),
    `random graph, TEST_SEED=${seed}: ONNX Runtime equals the evaluator`,
    async ({ runtime, slack }) => {
      const { differentiated, bindings } = randomProgram(seed);
      const expected = evaluate(differentiated, bindings);
      const results = await runGraph(differentiated, bindings, runtime);
      // float32 throughout; 3e-6 in 2000 graphs on the CPU
      assertClose(results, expected, slack * 2e-5, `seed ${seed}`, 1);
    },
  );
}
