import { test } from 'node:test';
import { evaluate } from '../graph/evaluate.ts';
import { opNames, ops, type OpName } from '../graph/ops.ts';
import { lowerComposites } from '../graph/passes/lower-composites.ts';
import { allCases, assertClose, bindingsOf } from '../graph/testing/sample-graph.ts';
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

for (const op of opNames) {
  test(`${op} on ONNX Runtime equals its definition`, async () => {
    for (const sample of allCases((name) => name === op)) {
      const bindings = bindingsOf(sample, SEED);
      const expected = evaluate(sample.graph, bindings);
      assertClose(await runGraph(sample.graph, bindings), expected, tolerances[op], sample.title);
      if (!ops[op].composite) continue;
      const { graph } = lowerComposites(sample.graph, new Set());
      assertClose(
        await runGraph(graph, bindings),
        expected,
        tolerances[op],
        `${sample.title}, decomposed`,
      );
    }
  });
}
