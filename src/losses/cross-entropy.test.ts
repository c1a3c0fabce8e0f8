import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
import { liveBytes } from '../runtime/live-bytes.ts';
import { executedNodes } from '../runtime/onnxruntime/profile.ts';
import { lower } from '../runtime/lowering.ts';
import { float32, int32 } from '../tensor/tensor.ts';
import { crossEntropy, tokenLosses, type CrossEntropyInputs } from './cross-entropy.ts';
import { cpuRuntime } from '../runtime/runtime.ts';
import { cpu } from '../runtime/onnxruntime/cpu.ts';

interface Golden {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
  readonly vocabulary: number;
  readonly divisor: number;
  /** -100 where nothing is trained. */
  readonly labels: readonly number[];
  readonly cases: readonly {
    softcap: number | null;
    loss: number;
    losses: number[];
    hidden: number[];
    weight: number[];
  }[];
}

const golden: Golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/cross_entropy.json', import.meta.url), 'utf8'),
);
const trained = golden.labels.flatMap((label, i) => (label < 0 ? [] : [i]));

type Variant = Pick<CrossEntropyInputs, 'softcap' | 'chunk' | 'head'>;

function lossGraph(variant: Variant, count: number, { losses = true, frozen = false } = {}): Graph {
  const g = new Builder('loss');
  const inputs = {
    hidden: g.input('hidden', 'float32', [golden.batch, golden.length, golden.width]),
    weight: frozen
      ? g.parameter('weight', [golden.vocabulary, golden.width])
      : g.input('weight', 'float32', [golden.vocabulary, golden.width]),
    positions: g.input('positions', 'int32', [count]),
    labels: g.input('labels', 'int32', [count]),
    ...variant,
  };
  if (losses) g.output('losses', tokenLosses(g, inputs));
  g.output('loss', crossEntropy(g, inputs, g.input('weights', 'float32', [count])));
  return g.finish();
}

/** The golden batch, and `fillers` rows of weight 0 behind it. */
function bindings(fillers: number) {
  const numbers = (values: readonly number[], fill: number) =>
    f64(
      [values.length + fillers],
      Float64Array.from([...values, ...Array<number>(fillers).fill(fill)]),
    );
  const tripled = (name: string, shape: readonly number[]) =>
    f64(
      shape,
      Float64Array.from(
        hashedUniforms(
          name,
          shape.reduce((a, b) => a * b, 1),
        ),
        (u) => 3 * u,
      ),
    );
  return {
    hidden: tripled('hidden', [golden.batch, golden.length, golden.width]),
    weight: tripled('head', [golden.vocabulary, golden.width]),
    positions: numbers(trained, 0),
    labels: numbers(
      trained.map((i) => golden.labels[i]),
      0,
    ),
    weights: numbers(
      trained.map(() => 1 / golden.divisor),
      0,
    ),
  };
}

/** With logits up to a thousand. */
const large = () => ({
  ...bindings(0),
  hidden: f64(
    bindings(0).hidden.shape,
    bindings(0).hidden.data.map((x) => 100 * x),
  ),
});

const inFloat32 = ({ inputs }: Graph, given: Readonly<Record<string, F64Tensor>>) =>
  Object.fromEntries(
    inputs.map(({ name, dtype, shape }) => [
      name,
      dtype === 'int32'
        ? int32(shape, Int32Array.from(given[name].data))
        : float32(shape, Float32Array.from(given[name].data)),
    ]),
  );

// Both sides compute in float64.
const EXACT = 1e-12;
// A cap is held in float32, as are all constants; 2 is exact there.
const variants: Variant[] = [
  {},
  { chunk: 1 },
  { chunk: 3 },
  { chunk: 100 },
  { head: 'adapted' },
  { chunk: 2, head: 'adapted' },
  { head: 'frozen' },
  { chunk: 1, head: 'frozen' },
  { chunk: 4, head: 'frozen' },
];

for (const { softcap, ...expected } of golden.cases) {
  for (const variant of variants) {
    test(`loss and gradients equal PyTorch's: ${JSON.stringify({ softcap, ...variant })}`, () => {
      const fillers = 2;
      const graph = lossGraph(
        { ...variant, ...(softcap !== null && { softcap }) },
        trained.length + fillers,
      );
      const given = bindings(fillers);
      const outputs = evaluate(graph, given);
      assertClose(
        { loss: outputs.loss },
        { loss: f64([], Float64Array.of(expected.loss)) },
        EXACT,
        'loss',
      );
      assertClose(
        { losses: f64([trained.length], outputs.losses.data.slice(0, trained.length)) },
        { losses: f64([trained.length], Float64Array.from(expected.losses)) },
        EXACT,
        'losses',
      );
      const wrt = graph.inputs.filter(
        ({ name }) => name === 'hidden' || (name === 'weight' && variant.head !== 'frozen'),
      );
      const actual = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), given, wrt);
      const gradients = {
        hidden: f64(given.hidden.shape, Float64Array.from(expected.hidden)),
        weight: f64(given.weight.shape, Float64Array.from(expected.weight)),
      };
      assertClose(
        actual,
        Object.fromEntries(
          wrt.map(({ name }) => [name, gradients[name as keyof typeof gradients]]),
        ),
        EXACT,
        'gradients',
      ); // wrt has these names
    });
  }
}

test('gradients equal finite differences', () => {
  const graph = lossGraph({ chunk: 3, softcap: 2 }, trained.length);
  const wrt = graph.inputs.filter(({ name }) => name === 'hidden');
  const actual = gradientsOf(differentiate(graph, { loss: 'loss', wrt }), bindings(0), wrt);
  // the rule's own error
  assertClose(actual, { hidden: finiteDifferences(graph, bindings(0), 'hidden') }, 1e-9, 'hidden');
});

for (const [head, chunk] of [
  ['trained', 32],
  ['frozen', 256],
] as const)
  test(`of [tokens × vocabulary] less than one stands in memory at a time, backward pass included: head ${head}`, () => {
    const [tokens, width, vocabulary] = [256, 8, 2048];
    const g = new Builder('loss');
    const inputs = {
      hidden: g.input('hidden', 'float32', [1, tokens, width]),
      weight: g.parameter('weight', [vocabulary, width]),
      positions: g.input('positions', 'int32', [tokens]),
      labels: g.input('labels', 'int32', [tokens]),
      chunk,
      head,
    };
    g.output('loss', crossEntropy(g, inputs, g.input('weights', 'float32', [tokens])));
    const lowered = lower(
      differentiate(g.finish(), { loss: 'loss', wrt: [inputs.hidden] }),
      new Map(),
      cpu,
    );
    const peak = Math.max(...liveBytes(lowered.nodes, lowered));
    // logits and two tensors of their size for an eighth of the rows, or of the vocabulary: 0.375
    assert.ok(peak < 0.5 * 4 * tokens * vocabulary, `${peak} bytes`);
  });

test('ONNX Runtime executes it chunk after chunk, and large logits do not overflow', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cross-entropy-'));
  try {
    const source = lossGraph({ chunk: 3 }, trained.length, { losses: false });
    const [hidden] = source.inputs;
    const gradients = differentiate(source, { loss: 'loss', wrt: [hidden] });
    const lowered = lower(gradients, new Map(), cpu);
    const program = await cpuRuntime(1).compile(gradients, {
      weights: new Map(),
      profile: join(folder, 'profile'),
    });
    const { loss } = await program.run(inFloat32(gradients, large()));
    await program.release();
    assert.ok(Math.abs(Number(loss.data[0]) / evaluate(source, large()).loss.data[0] - 1) < 1e-5);
    const names = executedNodes(join(folder, readdirSync(folder)[0])).map(({ name }) => name);
    const [linears, leaving] = ['Linear', 'LinearGradInput'].map((op) =>
      names.filter((name) => new RegExp(`chunk_\\d/${op}(_\\d)?$`).test(name)),
    );
    assert.equal(leaving.length, 3);
    // the logits of a chunk begin when the gradient of the one before has left
    for (let i = 1; i < 3; i++)
      assert.ok(names.indexOf(linears[i]) > names.indexOf(leaving[i - 1]), names.join('\n'));
    const order = names.map(
      (name) => lowered.nodes.find((node) => node.name === name) ?? assert.fail(name),
    );
    assert.ok(
      Math.max(...liveBytes(order, lowered)) <= Math.max(...liveBytes(lowered.nodes, lowered)),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('with a frozen head it is executed chunk after chunk of the vocabulary, read where it lies', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cross-entropy-')));
  try {
    const source = lossGraph({ chunk: 3, head: 'frozen' }, trained.length, {
      losses: false,
      frozen: true,
    });
    const gradients = differentiate(source, { loss: 'loss', wrt: [source.inputs[0]] });
    const given = large();
    const [path, head] = [join(folder, 'head'), Float32Array.from(given.weight.data)];
    writeFileSync(path, head);
    const weights = new Map([
      [
        'weight',
        {
          dtype: 'float32',
          shape: given.weight.shape,
          path,
          offset: 0,
          length: head.byteLength,
        } as const,
      ],
    ]);
    const program = await cpuRuntime(1).compile(gradients, {
      weights,
      profile: join(folder, 'profile'),
    });
    const actual = await program.run(inFloat32(gradients, given));
    await program.release();
    const expected = evaluate(gradients, {
      ...given,
      weight: f64(given.weight.shape, Float64Array.from(head)),
    });
    assert.ok(Math.abs(Number(actual.loss.data[0]) / expected.loss.data[0] - 1) < 1e-5);
    assert.ok(Math.abs(Number(actual.loss.data[0]) / expected.loss.data[0] - 1) < 1e-5);
    assertClose(
      { hidden: f64(given.hidden.shape, Float64Array.from(actual['grad:hidden'].data, Number)) },
      { hidden: expected['grad:hidden'] },
      2e-4,
      'gradient',
    ); // float32 rounds logits of a thousand to 6e-5
    const names = executedNodes(
      join(folder, readdirSync(folder).find((name) => name.startsWith('profile')) ?? ''),
    ).map(({ name }) => name);
    assert.deepEqual(
      names.filter((name) => /Slice|ReduceMax|Gemm/.test(name)),
      [
        'Gemm',
        'ReduceMax',
        'Gemm_1',
        'Gemm_2',
        'ReduceMax_1',
        'Gemm_3',
        'Gemm_4',
        'ReduceMax_2',
        'Gemm_5',
        'Gemm_6',
        'ReduceMax_3',
        'Gemm_7',
      ].map((name) => `loss/${name}`),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('over a vocabulary the loss is right to float32, also where logits are far from zero', async () => {
  const [rows, width, vocabulary] = [4, 1, 49152];
  const g = new Builder('loss');
  const inputs = {
    hidden: g.input('hidden', 'float32', [rows, width]),
    weight: g.input('weight', 'float32', [vocabulary, width]),
    positions: g.input('positions', 'int32', [rows]),
    labels: g.input('labels', 'int32', [rows]),
  };
  g.output('losses', tokenLosses(g, inputs));
  const weight = Float32Array.from(hashedUniforms('weight', vocabulary), (u) => 3 * u);
  const program = await cpuRuntime(1).compile(g.finish(), { weights: new Map() });
  const { losses } = await program.run({
    hidden: float32([rows, width], [0.3, 1, 1.5, 40]),
    weight: float32([vocabulary, width], weight),
    positions: int32([rows], Int32Array.of(0, 1, 2, 3)),
    labels: int32([rows], new Int32Array(rows).fill(7)),
  });
  await program.release();
  for (const [row, factor] of [0.3, 1, 1.5, 40].entries()) {
    const expected =
      Math.log(weight.reduce((sum, w) => sum + Math.exp(Math.fround(factor * w)), 0)) -
      Math.fround(factor * weight[7]);
    assert.ok(
      Math.abs(Number(losses.data[row]) - expected) < 3e-7 * (1 + expected),
      `${losses.data[row]} for ${expected}`,
    ); // a plain sum of ONNX Runtime is wrong by up to 9e-6
  }
});
