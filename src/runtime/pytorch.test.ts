import { differentiate } from '../autodiff/differentiate.ts';
import { goldenCases } from '../autodiff/testing/golden.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { testOnEach, testedBackends } from './testing/backends.ts';
import { runGraph } from './testing/run-graph.ts';

// float32 against float64, parts of the largest element; measured at most 4e-7 on the CPU.
const TOLERANCE = 2e-6;

const backends = await testedBackends();

for (const { title, graph, bindings, y, wrt, gradients } of goldenCases()) {
  testOnEach(
    backends,
    `${title}: ONNX Runtime's value and gradients equal PyTorch's`,
    async ({ runtime, slack }) => {
      const differentiated = differentiate(graph, { loss: 'loss', wrt });
      const results = await runGraph(differentiated, bindings, runtime);
      assertClose({ y: results.y }, { y }, slack * TOLERANCE, title);
      const actual = Object.fromEntries(wrt.map(({ name }) => [name, results[`grad:${name}`]]));
      assertClose(actual, gradients, slack * TOLERANCE, title);
    },
  );
}
