import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Graph } from '../graph/graph.ts';
import { cpuRuntime } from '../runtime/runtime.ts';
import { float32, sizeOf } from '../tensor/tensor.ts';
import { flopsOf } from './flops.test-util.ts';
import { measure, type Measurable, type Rates } from './measure.ts';

interface Speed extends Required<Rates> {
  /** Milliseconds that go with every run, and with the first one. */
  readonly run: number;
  readonly preparation: number;
}

/** A runtime that takes as long as its speed says, on a clock of its own. */
function pretended(ownsMemory: boolean, speed: Speed) {
  let now = 0;
  const sizes: number[] = [];
  const inputBytes = ({ inputs }: Graph): number =>
    inputs.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  const outputBytes = ({ outputs }: Graph): number =>
    [...outputs.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  const seconds = (graph: Graph): number => {
    const { products, convolutions } = flopsOf(graph);
    const sums = graph.nodes.filter(({ op }) => op === 'Add');
    const bytes = sums.reduce((sum, { outputs }) => sum + 12 * sizeOf(outputs[0].shape), 0);
    return (
      products / speed.products +
      convolutions / speed.convolutions +
      bytes / speed.memory +
      inputBytes(graph) / speed.toDevice +
      outputBytes(graph) / speed.fromDevice
    );
  };
  const runtime: Measurable = {
    ownsMemory,
    compile(graph) {
      now += speed.preparation;
      sizes.push(flopsOf(graph).products);
      return Promise.resolve({
        inputNames: graph.inputs.map(({ name }) => name),
        run() {
          now += speed.run + 1000 * seconds(graph);
          return Promise.resolve({ y: float32([], [0]) });
        },
        release: () => Promise.resolve(),
      });
    },
  };
  return { runtime, clock: () => now, sizes };
}

const card: Speed = {
  products: 20e12,
  convolutions: 10e12,
  memory: 500e9,
  toDevice: 8e9,
  fromDevice: 5e9,
  run: 0.5,
  preparation: 20,
};
const software: Speed = {
  products: 5e9,
  convolutions: 2e9,
  memory: 1e9,
  toDevice: 1e9,
  fromDevice: 1e9,
  run: 5,
  preparation: 300,
};

describe('rates', () => {
  test('of a fast card: found within a few percent, although each run costs half a millisecond', async () => {
    const { runtime, clock } = pretended(true, card);
    const rates = await measure(runtime, { budget: 3500, clock });
    for (const kind of ['products', 'convolutions', 'memory', 'toDevice', 'fromDevice'] as const) {
      const found = rates[kind] ?? 0;
      assert.ok(Math.abs(found / card[kind] - 1) < 0.15, `${kind}: ${found} for ${card[kind]}`);
    }
    assert.ok(clock() < 3500, `${clock()} ms`);
  });

  test('of Vulkan in software: small sizes only, and no more time than twice the budget', async () => {
    const { runtime, clock, sizes } = pretended(true, software);
    const rates = await measure(runtime, { budget: 3500, clock });
    assert.ok(Math.abs(rates.products / software.products - 1) < 0.2);
    assert.ok(Math.max(...sizes) <= 4 * 2 * 1024 ** 3);
    assert.ok(clock() < 7000, `${clock()} ms`);
  });

  test('a processor has no bus', async () => {
    const { runtime, clock } = pretended(false, software);
    const rates = await measure(runtime, { budget: 3500, clock });
    assert.deepEqual(Object.keys(rates), ['products', 'convolutions', 'memory']);
  });

  test('a real runtime has rates, within a short time', async () => {
    const runtime = cpuRuntime(1);
    const { products, convolutions, memory } = await measure(runtime, { budget: 100 });
    await runtime.release();
    assert.ok(products > 1e8 && convolutions > 1e8 && memory > 1e7);
  });
});
