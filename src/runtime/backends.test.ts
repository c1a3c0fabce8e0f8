// What every backend does with weights and shapes: weights of any precision, held once for all
// programs, divided where they are too large; one program for several shapes.

import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { assertClose } from '../graph/testing/sample-graph.ts';
import { toFloat64 } from '../graph/evaluate.ts';
import { hashedWeight } from '../models/hashed-weights.test-util.ts';
import { languageFamilies } from '../models/language-families.ts';
import { fromFloat32, toFloat32, type FloatDType } from '../tensor/half.ts';
import { float32, int32, type ExternalTensor, type Shape, type Tensor } from '../tensor/tensor.ts';
import type { Weights } from '../tensor/weights.ts';
import { smallLlama } from '../train/testing/small-language-model.ts';
import { languageLoss } from '../train/text/language-loss.ts';
import { normals } from '../util/philox.ts';
import { bind } from './lowering.ts';
import { Runtime } from './runtime.ts';
import { testOnEach, testedBackends, type TestedBackend } from './testing/backends.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'backends-')));
after(() => rmSync(folder, { recursive: true }));

const backends = await testedBackends();
/** Each tensor of at most 4 MiB. */
const small = await testedBackends({ largestBuffer: 2 ** 22 });

/** Sums of 32 products of float32 in another order, parts of the largest element. */
const SUMS = 1e-6;
/** A small language model's loss and gradients, in float32 with other kernels. */
const MODEL = 1e-5;

const random = (shape: Shape, stream: number) =>
  float32(shape, normals(5, stream, new Float32Array(shape.reduce((a, b) => a * b, 1))));

function inFile(name: string, tensor: Tensor<'float32'>, dtype: FloatDType): ExternalTensor {
  const { data } = fromFloat32(tensor, dtype);
  const path = join(folder, `${name}.${dtype}`);
  // behind three bytes of something else
  writeFileSync(path, Buffer.concat([Buffer.alloc(3, 255), bytesOf(data)]));
  return { dtype, shape: tensor.shape, path, offset: 3, length: data.byteLength };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

async function results(
  runtime: Runtime,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
  weights: Weights = new Map(),
) {
  const program = await runtime.compile(graph, { weights });
  try {
    return toFloat64s(await program.run(inputs));
  } finally {
    await program.release();
  }
}

const toFloat64s = (tensors: Readonly<Record<string, Tensor>>) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, toFloat64(tensor)]));

/** y = x·wᵀ of two parts of a weight [6, 32]; ids choose rows of it. */
function readers(): Graph {
  const g = new Builder('readers');
  const w = g.parameter('w', [6, 32]);
  const x = g.input('x', 'float32', [3, 32]);
  g.output('whole', g.linear(x, w));
  g.output('part', g.linear(x, g.slice(w, 0, 2, 5)));
  g.output('rows', g.gather(w, g.input('ids', 'int32', [2])));
  g.output('back', g.add1('LinearGradInput', [g.input('dy', 'float32', [3, 6]), w], {}));
  return g.finish();
}

for (const dtype of ['float32', 'float16', 'bfloat16'] as const)
  testOnEach(
    backends,
    `a weight in ${dtype} is multiplied, sliced and looked up`,
    async ({ runtime, slack }) => {
      const w = fromFloat32(random([6, 32], 0), dtype);
      const inputs = { x: random([3, 32], 1), dy: random([3, 6], 2), ids: int32([2], [5, 1]) };
      const rounded = toFloat32(w);
      const found = await results(
        runtime,
        readers(),
        inputs,
        new Map([['w', inFile('readers', rounded, dtype)]]),
      );
      const [cpu] = backends;
      const expected = await results(cpu.runtime, readers(), { ...inputs, w: rounded });
      assertClose(found, expected, slack * SUMS, dtype);
    },
  );

testOnEach(backends, 'one program for two shapes gives what two programs give', async (backend) => {
  const graphOf = (side: number) => {
    const g = new Builder('shapes');
    const x = g.input('x', 'float32', [2, 8, side, 4]);
    const w = g.parameter('w', [8, 8, 3, 3]);
    const h = g.conv(x, w, undefined, { strides: [1, 1], pads: [1, 1, 1, 1] });
    const normed = g.groupNorm(h, g.parameter('s', [8]), g.parameter('b', [8]), 2, 1e-5);
    g.output('loss', g.reduceMean(g.mul(normed, g.swish(x)), [0, 1, 2, 3]));
    const graph = g.finish();
    return differentiate(graph, { loss: 'loss', wrt: graph.parameters });
  };
  const graphs = [graphOf(6), graphOf(10)];
  const shared = await backend.runtime.compileShared(graphs, { weights: new Map() });
  const weights = { w: random([8, 8, 3, 3], 3), s: random([8], 4), b: random([8], 5) };
  for (const [i, side] of [6, 10, 6].entries()) {
    const inputs = { x: random([2, 8, side, 4], 6 + i), ...weights };
    const alone = await results(backend.runtime, graphs[i % 2], inputs);
    assertClose(toFloat64s(await shared.run(inputs)), alone, SUMS, `${side}`);
  }
  await shared.release();
});

testOnEach(
  backends,
  'two programs of one runtime have their weights sent once',
  async ({ backend }) => {
    const asked: number[] = [];
    const hold: typeof backend.hold = (weights) => {
      asked.push(weights.length);
      return backend.hold(weights);
    };
    // not released as a whole: the device is the other tests' too
    const runtime = new Runtime({ ...backend, hold, release: async () => {} }, 1);
    const weights = new Map([['w', inFile('once', random([6, 32], 0), 'float16')]]);
    const programs = [];
    for (let i = 0; i < 2; i++) programs.push(await runtime.compile(readers(), { weights }));
    const isCopied = backend.limits.ownsMemory;
    assert.deepEqual(asked.filter((count) => count > 0).length, isCopied ? 1 : 0);
    for (const program of programs) await program.release();
    await runtime.release();
  },
);

const VOCABULARY = 151_936;

/** Loss and gradient of a layer of a language model with as large a vocabulary as Qwen's. */
function largeVocabulary(head: 'adapted' | 'frozen') {
  const model = { ...smallLlama, vocab_size: VOCABULARY, num_hidden_layers: 1 };
  const config = languageFamilies.llama.config.parse(model);
  const shape = { rows: 1, length: 12, trained: 5, packed: false };
  const graph = languageLoss(config, shape, { head });
  const isTrained = (name: string) => name.endsWith('q_proj.weight');
  const wrt = graph.parameters.filter(({ name }) => isTrained(name));
  const tensors = graph.parameters.map(
    ({ name, shape }) => [name, float32(shape, hashedWeight(name, shape))] as const,
  );
  const ids = Array.from({ length: 12 }, (_, i) => (i * 104_729) % VOCABULARY);
  return {
    graph: differentiate(graph, { loss: 'loss', wrt }),
    weights: new Map(tensors.filter(([name]) => !isTrained(name))),
    inputs: {
      ...Object.fromEntries(tensors.filter(([name]) => isTrained(name))),
      input_ids: int32([1, 12], ids),
      trained: int32([5], [2, 4, 5, 9, 10]),
      labels: int32([5], [VOCABULARY - 1, 0, 75_968, 40_000, 120_000]),
      label_weights: float32([5], [0.2, 0.2, 0.2, 0.2, 0.2]),
    },
  };
}

for (const head of ['adapted', 'frozen'] as const)
  testOnEach(
    small,
    `a vocabulary of 151,936, its head ${head}: in parts of 4 MiB as in one piece`,
    async ({ name, runtime, slack }) => {
      const { graph, weights, inputs } = largeVocabulary(head);
      const [cpu] = backends;
      const expected = await results(cpu.runtime, graph, inputs, weights);
      const divided = await results(runtime, graph, inputs, weights);
      assertClose(divided, expected, slack * MODEL, 'in parts');
      const whole = wholeOf(name);
      assertClose(await results(whole, graph, inputs, weights), expected, slack * MODEL, 'whole');
    },
  );

const wholeOf = (name: TestedBackend['name']): Runtime =>
  (backends.find((backend) => backend.name === name) ?? assert.fail(name)).runtime;

test('a card with buffers of 4 MiB has that vocabulary in parts', { skip: small[1].skip }, () => {
  const { graph, weights } = largeVocabulary('frozen');
  const parts = ({ backend }: TestedBackend) =>
    bind(graph, weights, backend).graph.parameters.filter(({ name }) =>
      name.startsWith('model.embed_tokens.weight['),
    ).length;
  // 18.5 MiB
  assert.deepEqual([parts(small[1]), parts(backends[1])], [5, 0]);
});
