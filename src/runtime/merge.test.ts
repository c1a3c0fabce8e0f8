import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differentiate } from '../autodiff/differentiate.ts';
import { Builder } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { noisePredictionLoss } from '../losses/noise-prediction.ts';
import { initialWeights } from '../models/init.ts';
import { smallConfig } from '../models/small-configs.test-util.ts';
import { unet } from '../models/unet.ts';
import { float32, type Shape, type Tensor } from '../tensor/tensor.ts';
import { normals } from '../util/philox.ts';
import { lower } from './lowering.ts';
import { fileOrder } from './onnxruntime/file-order.ts';
import { merge } from './merge.ts';
import { cpuRuntime } from './runtime.ts';
import { cpu } from './onnxruntime/cpu.ts';

const NONE = new Map<string, Tensor>();

function trainingStep(height: number, width: number, batch = 2): Graph {
  const g = new Builder('unet');
  const config = smallConfig.unet;
  const latents = g.input('latents', 'float32', [batch, config.in_channels, height, width]);
  const context = g.input('context', 'float32', [batch, 5, config.cross_attention_dim]);
  const prediction = unet(g, config, {
    latents,
    timesteps: g.input('timesteps', 'float32', [batch]),
    context,
  });
  const target = g.input('target', 'float32', prediction.shape);
  g.output(
    'loss',
    noisePredictionLoss(g, prediction, target, g.input('weights', 'float32', [batch])),
  );
  const graph = g.finish();
  return differentiate(graph, { loss: 'loss', wrt: graph.parameters });
}

const random = (shape: Shape, stream: number) =>
  float32(shape, normals(3, stream, new Float32Array(shape.reduce((a, b) => a * b, 1))));

function inputsOf(graph: Graph): Record<string, Tensor> {
  const weights = initialWeights(graph.parameters, 1);
  const parameters = graph.parameters.map(
    ({ name, shape }) => [name, float32(shape, weights.get(name) ?? [])] as const,
  );
  return Object.fromEntries([
    ...graph.inputs.map(({ name, shape }, i) => [name, random(shape, i)] as const),
    ...parameters,
  ]);
}

test('one session for two buckets and a smaller batch gives the bits of three sessions', async () => {
  const graphs = [trainingStep(16, 16), trainingStep(16, 24), trainingStep(16, 16, 3)];
  const shared = await cpuRuntime(1).compileShared(graphs, { weights: NONE });
  for (const graph of graphs) {
    const inputs = inputsOf(graph);
    const alone = await cpuRuntime(1).compile(graph, { weights: NONE });
    assert.deepEqual(await shared.run(inputs), await alone.run(inputs));
    await alone.release();
  }
  await assert.rejects(
    shared.run({ ...inputsOf(graphs[0]), latents: random([2, 4, 32, 32], 0) }),
    /unet: latents is float32 \[2,4,32,32\], not float32 \[2,4,16,16\]/,
  );
  await shared.release();
});

test('only what differs becomes an input or a symbol', () => {
  const build = (rows: number) => {
    const g = new Builder('rows');
    const x = g.input('x', 'float32', [rows, 6]);
    // 0.25 twice where rows are 4
    g.output('y', g.mul(g.reduceSum(g.mul(g.reshape(x, [rows, 2, 3]), 0.25), [1]), 1 / rows));
    return lower(g.finish(), NONE, cpu);
  };
  const { onnx, fed } = merge([build(4), build(5)], fileOrder);
  assert.deepEqual(
    onnx.inputs.map(({ shape }) => shape),
    [['d4_5', 6], [3], []],
  );
  assert.deepEqual(
    onnx.outputs.map(({ shape }) => shape),
    [['d4_5', 3]],
  );
  assert.deepEqual(
    onnx.initializers.map(({ tensor }) => [...tensor.shape]),
    [[], [1]],
  );
  assert.deepEqual(
    fed.map((constants) => Object.values(constants).map(({ data }) => [...data].map(Number))),
    [
      [[4, 2, 3], [0.25]],
      [[5, 2, 3], [Math.fround(0.2)]],
    ],
  );
});

test('says at which node the shapes need different graphs', () => {
  const build = (rows: number) => {
    const g = new Builder('net');
    const x = g.input('x', 'float32', [rows, 4]);
    g.output('y', rows > 4 ? g.slice(g.neg(x), 0, 0, 4) : g.neg(x));
    return lower(g.finish(), NONE, cpu);
  };
  assert.throws(
    () => merge([build(4), build(8)], fileOrder),
    /internal: net: the shapes need different graphs, at node 1: nothing \/ Slice Slice \{\}/,
  );
  assert.throws(
    () => merge([build(8), build(4)], fileOrder),
    /at node 1: Slice Slice \{\} \/ nothing/,
  );
});
