import { evaluate } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { opNames, ops, type OpName } from '../graph/ops.ts';
import { lowerComposites } from '../graph/passes/lower-composites.ts';
import { allCases, assertClose, bindingsOf } from '../graph/testing/sample-graph.ts';
import { testOnEach, testedBackends } from './testing/backends.ts';
import { runGraph } from './testing/run-graph.ts';

const SEED = 40;
const ULP = 2 ** -23;

// Tolerances are parts of the largest element of a result; inputs are exact in float32.
/** Only moves, compares or selects numbers. */
const EXACT = 0;
/** One operation, rounded once; the library's functions are good to two units. */
const ONE = 2 * ULP;
/**
 * Sums of at most 36 products in an order of the library's choice, and functions of several
 * operations.
 */
const FEW = 8 * ULP;
/** Gradients that subtract means, and softmax between products. */
const MANY = 32 * ULP;

const tolerances: { readonly [K in OpName]: number } = {
  Identity: EXACT,
  Neg: EXACT,
  Abs: EXACT,
  Sign: EXACT,
  Exp: ONE,
  Log: ONE,
  Sqrt: ONE,
  Reciprocal: ONE,
  Sigmoid: ONE,
  Tanh: ONE,
  Erf: ONE,
  Sin: ONE,
  Cos: ONE,
  Cast: EXACT,
  Add: ONE,
  Sub: ONE,
  Mul: ONE,
  Div: ONE,
  Max: EXACT,
  Min: EXACT,
  Equal: EXACT,
  Less: EXACT,
  Greater: EXACT,
  Where: EXACT,
  Reshape: EXACT,
  Expand: EXACT,
  Transpose: EXACT,
  Concat: EXACT,
  Slice: EXACT,
  Pad: EXACT,
  Gather: EXACT,
  ScatterND: FEW,
  Resize: EXACT,
  ReduceSum: FEW,
  ReduceMean: FEW,
  ReduceMax: EXACT,
  Softmax: FEW,
  LogSoftmax: FEW,
  MatMul: FEW,
  Gemm: FEW,
  Conv: FEW,
  ConvTranspose: FEW,
  Linear: FEW,
  LinearGradInput: FEW,
  LinearGradWeight: FEW,
  LinearLogSumExp: FEW,
  ConvGradInput: FEW,
  ConvGradWeight: FEW,
  FusedMatMul: FEW,
  Gelu: FEW,
  GeluGrad: FEW,
  Swish: FEW,
  SwishGrad: FEW,
  Standardize: FEW,
  LayerNormalization: FEW,
  LayerNormalizationGrad: MANY,
  GroupNormalization: FEW,
  GroupNormalizationGrad: MANY,
  RMSNormalization: FEW,
  RMSNormalizationGrad: MANY,
  RotaryEmbedding: FEW,
  Attention: MANY,
  AttentionGrad: MANY,
};

const hasWideNumbers = ({ inputs, parameters }: Graph): boolean =>
  [...inputs, ...parameters].some(({ dtype }) => dtype === 'int64');

const backends = await testedBackends();

for (const op of opNames) {
  testOnEach(backends, `${op} equals its definition`, async ({ runtime, slack, hasInt64 }) => {
    const tolerance = slack * tolerances[op];
    for (const sample of allCases((other) => other === op)) {
      if (!hasInt64 && hasWideNumbers(sample.graph)) continue;
      const bindings = bindingsOf(sample, SEED);
      const expected = evaluate(sample.graph, bindings);
      const whole = await runGraph(sample.graph, bindings, runtime);
      assertClose(whole, expected, tolerance, sample.title);
      if (!ops[op].composite) continue;
      const { graph } = lowerComposites(sample.graph, new Set());
      const decomposed = await runGraph(graph, bindings, runtime);
      assertClose(decomposed, expected, tolerance, `${sample.title}, decomposed`);
    }
  });
}
