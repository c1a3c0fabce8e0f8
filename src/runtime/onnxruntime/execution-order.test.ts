import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { differentiate } from '../../autodiff/differentiate.ts';
import { Builder } from '../../graph/builder.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { byteLength, zeros, type Tensor } from '../../tensor/tensor.ts';
import { liveBytes } from '../live-bytes.ts';
import { executedNodes, timeByOperator } from './profile.ts';
import { lower, type Lowered } from '../lowering.ts';
import { cpuRuntime } from '../runtime.ts';
import { cpu } from './cpu.ts';

const folder = mkdtempSync(join(tmpdir(), 'order-'));
after(() => rmSync(folder, { recursive: true }));

const LAYERS = 6;
const [ROWS, WIDTH, RANK] = [64, 32, 4];
const ACTIVATION = byteLength('float32', [ROWS, WIDTH]);

/**
 * Residual layers x + gelu(x Wᵀ + x Aᵀ Bᵀ), W frozen in bfloat16, gradients of A and B of every
 * layer.
 */
function adapterStep(): { graph: Graph; weights: Map<string, Tensor> } {
  const g = new Builder('step');
  let x = g.input('x', 'float32', [ROWS, WIDTH]);
  const trained: Value[] = [];
  for (let layer = 0; layer < LAYERS; layer++) {
    x = g.scoped(`layers.${layer}`, () => {
      const [a, b] = [g.parameter('a', [RANK, WIDTH]), g.parameter('b', [WIDTH, RANK])];
      trained.push(a, b);
      const h = g.add(g.linear(x, g.parameter('w', [WIDTH, WIDTH])), g.linear(g.linear(x, a), b));
      return g.add(x, g.gelu(h));
    });
  }
  g.output('loss', g.reduceMean(g.mul(x, x), [0, 1]));
  const weights = new Map(
    Array.from({ length: LAYERS }, (_, i) => [`layers.${i}.w`, zeros('bfloat16', [WIDTH, WIDTH])]),
  );
  return { graph: differentiate(g.finish(), { loss: 'loss', wrt: trained }), weights };
}

async function executed(
  graph: Graph,
  weights: ReadonlyMap<string, Tensor>,
): Promise<ReturnType<typeof executedNodes>> {
  const program = await cpuRuntime(1).compile(graph, {
    weights,
    profile: join(folder, graph.name),
  });
  const given = [...graph.inputs, ...graph.parameters].filter(({ name }) => !weights.has(name));
  await program.run(
    Object.fromEntries(given.map(({ name, dtype, shape }) => [name, zeros(dtype, shape)])),
  );
  await program.release();
  const file = readdirSync(folder).find((name) => name.startsWith(graph.name));
  assert.ok(file);
  return executedNodes(join(folder, file));
}

const inOrder = (names: readonly string[], { nodes }: Lowered) => {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return names.map((name) => byName.get(name) ?? assert.fail(name));
};

test('a training step keeps what its backward pass needs and no more', async () => {
  const { graph, weights } = adapterStep();
  const lowered = lower(graph, weights, cpu);
  const names = (await executed(graph, weights)).map(({ name }) => name);
  assert.deepEqual([...names].sort(), lowered.nodes.map(({ name }) => name).sort());
  const order = inOrder(names, lowered);
  const place = new Map(names.map((name, at) => [name, at]));

  // a weight is cast for the forward and again for the backward pass, each time for its reader
  // alone
  const casts = order.filter(({ type }) => type === 'Cast');
  assert.equal(casts.length, 2 * LAYERS - 1); // nothing asks for the gradient of x
  const readers = casts.map((cast) => order.findIndex(({ inputs }) => inputs.includes(cast.name)));
  casts.forEach((cast, i) => assert.equal(readers[i] - (place.get(cast.name) ?? 0), 1, cast.name));

  // gradients of a layer leave before the layer below begins
  const firstGradient = (layer: number) =>
    place.get(lowered.outputNames.get(`grad:layers.${layer}.a`) ?? '') ?? -1;
  for (let layer = 1; layer < LAYERS; layer++)
    assert.ok(firstGradient(layer) < firstGradient(layer - 1));

  // each layer keeps x and h until its gradients have left; the layer at work needs a few more
  const live = liveBytes(order, lowered);
  assert.ok(Math.max(...live) < (2 * LAYERS + 6) * ACTIVATION);
  for (let layer = 0; layer < LAYERS; layer++)
    assert.ok(live[firstGradient(layer)] < (2 * layer + 8) * ACTIVATION, `layer ${layer}`);
});

test('what is computed again in the backward pass is computed there', async () => {
  const g = new Builder('recompute');
  const x = g.input('x', 'float32', [4, 4]);
  const again = (v: Value) => g.tanh(g.exp(v));
  const y = g.sqrt(again(x)); // forward
  const dy = g.neg(y);
  const dx = g.mul(dy, again(x)); // its reader takes the later of two inputs first
  g.output('y', y);
  g.output('dx', dx);
  const graph = g.finish();
  const names = (await executed(graph, new Map())).map(({ name }) => name);
  assert.deepEqual(
    names,
    lower(graph, new Map(), cpu).nodes.map(({ name }) => name),
  );
});

test('sums the time of each operator', () => {
  const node = (type: string, microseconds: number) => ({ name: '', type, microseconds });
  const table = timeByOperator([node('Add', 1000), node('Conv', 5000), node('Add', 2000)]);
  assert.deepEqual(table, [
    { type: 'Conv', count: 1, milliseconds: 5 },
    { type: 'Add', count: 2, milliseconds: 3 },
  ]);
});
