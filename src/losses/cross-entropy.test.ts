import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { finiteDifferences, gradientsOf } from '../autodiff/testing/check-gradients.ts';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import { evaluate } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { f64 } from '../graph/kernels/f64.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { hashedUniforms } from '../models/hashed-weights.test-util.ts';
import { liveBytes } from '../runtime/execution-order.ts';
import { lower } from '../runtime/lowering.ts';
import { crossEntropy, tokenLosses, type CrossEntropyInputs } from './cross-entropy.ts';

interface Golden {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly divisor: number;
  /** -100 where nothing is trained. */
  readonly labels: readonly number[];
  readonly cases: readonly { softcap: number | null; loss: number; losses: number[]; hidden: number[]; weight: number[] }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL('../../reference/golden/cross_entropy.json', import.meta.url), 'utf8'));
const trained = golden.labels.flatMap((label, i) => (label < 0 ? [] : [i]));

type Variant = Pick<CrossEntropyInputs, 'softcap' | 'chunk' | 'adapted'>;

function lossGraph(variant: Variant, count: number): Graph {
  const g = new Builder('loss');
  const inputs = {
    hidden: g.input('hidden', 'float32', [golden.batch, golden.length, golden.width]),
    weight: g.input('weight', 'float32', [golden.vocabulary, golden.width]),
    positions: g.input('positions', 'int32', [count]),
    labels: g.input('labels', 'int32', [count]),
    ...variant,
  };
  g.output('losses', tokenLosses(g, inputs));
  g.output('loss', crossEntropy(g, inputs, g.input('weights', 'float32', [count])));
  return g.finish();
}

/** The golden batch, and `filling` rows of weight 0 behind it. */
function bindings(filling: number) {
  const numbers = (values: readonly number[], fill: number) => f64([values.length + filling], Float64Array.from([...values, ...Array<number>(filling).fill(fill)]));
  const tripled = (name: string, shape: readonly number[]) => f64(shape, Float64Array.from(hashedUniforms(name, shape.reduce((a, b) => a * b, 1)), (u) => 3 * u));
  return {
    hidden: tripled('hidden', [golden.batch, golden.length, golden.width]),
    weight: tripled('head', [golden.vocabulary, golden.width]),
    positions: numbers(trained, 0),
    labels: numbers(trained.map((i) => golden.labels[i]), 0),
    weights: numbers(trained.map(() => 1 / golden.divisor), 0),
  };
}

// Both sides compute in float64.
const EXACT = 1e-12;
// A cap is held in float32, as are all constants; 2 is exact there.
const variants: Variant[] = [{}, { chunk: 1 }, { chunk: 3 }, { chunk: 100 }, { adapted: true }, { chunk: 2, adapted: true }];

for (const { softcap, ...expected } of golden.cases) {
  for (const variant of variants) {
    test(`loss and gradients equal PyTorch's: ${JSON.stringify({ softcap, ...variant })}`, () => {
      const filling = 2;
      const graph = lossGraph({ ...variant, ...(softcap !== null && { softcap }) }, trained.length + filling);
      const given = bindings(filling);
      const outputs = evaluate(graph, given);
      assertClose({ loss: outputs.loss }, { loss: f64([], Float64Array.of(expected.loss)) }, EXACT, 'loss');
      assertClose({ losses: f64([trained.length], outputs.losses.data.slice(0, trained.length)) }, { losses: f64([trained.length], Float64Array.from(expected.losses)) }, EXACT, 'losses');
      const wrt = graph.inputs.filter(({ name }) => name === 'hidden' || name === 'weight');
      const actual = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), given, wrt);
      assertClose(actual, { hidden: f64(given.hidden.shape, Float64Array.from(expected.hidden)), weight: f64(given.weight.shape, Float64Array.from(expected.weight)) }, EXACT, 'gradients');
    });
  }
}

test('gradients equal finite differences', () => {
  const graph = lossGraph({ chunk: 3, softcap: 2 }, trained.length);
  const wrt = graph.inputs.filter(({ name }) => name === 'hidden');
  const actual = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), bindings(0), wrt);
  assertClose(actual, { hidden: finiteDifferences(graph, bindings(0), 'hidden') }, 1e-9, 'hidden'); // the rule's own error
});

test('of [tokens × vocabulary] less than one stands in memory at a time, backward pass included', () => {
  const [tokens, width, vocabulary] = [256, 8, 2048];
  const g = new Builder('loss');
  const inputs = {
    hidden: g.input('hidden', 'float32', [1, tokens, width]),
    weight: g.parameter('weight', [vocabulary, width]),
    positions: g.input('positions', 'int32', [tokens]),
    labels: g.input('labels', 'int32', [tokens]),
    chunk: 32,
  };
  g.output('loss', crossEntropy(g, inputs, g.input('weights', 'float32', [tokens])));
  const lowered = lower(differentiate(g.finish(), { loss: 'loss', wrt: [inputs.hidden] }), new Map());
  const peak = Math.max(...liveBytes(lowered.nodes, lowered));
  assert.ok(peak < 0.5 * 4 * tokens * vocabulary, `${peak} bytes`); // logits and two tensors of their size for 32 of 256 rows: 0.375
});
