import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { finiteDifferences, gradientsOf } from '../autodiff/testing/check-gradients.ts';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import { evaluate, type F64Tensor } from '../graph/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { f64 } from '../graph/kernels/f64.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { hashedUniforms } from '../models/hashed-weights.test-util.ts';
import { executedNodes, liveBytes } from '../runtime/execution-order.ts';
import { lower } from '../runtime/lowering.ts';
import { compile } from '../runtime/program.ts';
import { float32, int32 } from '../tensor/tensor.ts';
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

function lossGraph(variant: Variant, count: number, { losses = true } = {}): Graph {
  const g = new Builder('loss');
  const inputs = {
    hidden: g.input('hidden', 'float32', [golden.batch, golden.length, golden.width]),
    weight: g.input('weight', 'float32', [golden.vocabulary, golden.width]),
    positions: g.input('positions', 'int32', [count]),
    labels: g.input('labels', 'int32', [count]),
    ...variant,
  };
  if (losses) g.output('losses', tokenLosses(g, inputs));
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

test('ONNX Runtime executes it chunk after chunk, and large logits do not overflow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cross-entropy-'));
  try {
    const source = lossGraph({ chunk: 3 }, trained.length, { losses: false });
    const [hidden] = source.inputs;
    const gradients = differentiate(source, { loss: 'loss', wrt: [hidden] });
    const lowered = lower(gradients, new Map());
    const program = await compile(gradients, { weights: new Map(), threads: 1, profile: join(folder, 'profile') });
    const large: Readonly<Record<string, F64Tensor>> = { ...bindings(0), hidden: f64(hidden.shape, bindings(0).hidden.data.map((x) => 100 * x)) }; // logits up to a thousand
    const inputs = gradients.inputs.map(({ name, dtype, shape }) => [name, dtype === 'int32' ? int32(shape, Int32Array.from(large[name].data)) : float32(shape, Float32Array.from(large[name].data))] as const);
    const { loss } = await program.run(Object.fromEntries(inputs));
    await program.release();
    assert.ok(Math.abs(Number(loss.data[0]) / evaluate(source, large).loss.data[0] - 1) < 1e-5);
    const names = executedNodes(join(folder, readdirSync(folder)[0])).map(({ name }) => name);
    const [linears, leaving] = ['Linear', 'LinearGradInput'].map((op) => names.filter((name) => new RegExp(`chunk_\\d/${op}(_\\d)?$`).test(name)));
    assert.equal(leaving.length, 3);
    // the logits of a chunk begin when the gradient of the one before has left
    for (let i = 1; i < 3; i++) assert.ok(names.indexOf(linears[i]) > names.indexOf(leaving[i - 1]), names.join('\n'));
    const order = names.map((name) => lowered.nodes.find((node) => node.name === name) ?? assert.fail(name));
    assert.ok(Math.max(...liveBytes(order, lowered)) <= Math.max(...liveBytes(lowered.nodes, lowered)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('over a vocabulary the loss is right to float32, also where logits are far from zero', async () => {
  const [rows, width, vocabulary] = [4, 1, 49152];
  const g = new Builder('loss');
  const inputs = { hidden: g.input('hidden', 'float32', [rows, width]), weight: g.input('weight', 'float32', [vocabulary, width]), positions: g.input('positions', 'int32', [rows]), labels: g.input('labels', 'int32', [rows]) };
  g.output('losses', tokenLosses(g, inputs));
  const weight = Float32Array.from(hashedUniforms('weight', vocabulary), (u) => 3 * u);
  const program = await compile(g.finish(), { weights: new Map(), threads: 1 });
  const { losses } = await program.run({ hidden: float32([rows, width], [0.3, 1, 1.5, 40]), weight: float32([vocabulary, width], weight), positions: int32([rows], Int32Array.of(0, 1, 2, 3)), labels: int32([rows], new Int32Array(rows).fill(7)) });
  await program.release();
  for (const [row, factor] of [0.3, 1, 1.5, 40].entries()) {
    const expected = Math.log(weight.reduce((sum, w) => sum + Math.exp(Math.fround(factor * w)), 0)) - Math.fround(factor * weight[7]);
    assert.ok(Math.abs(Number(losses.data[row]) - expected) < 3e-7 * (1 + expected), `${losses.data[row]} for ${expected}`); // a plain sum of ONNX Runtime is wrong by up to 9e-6
  }
});
