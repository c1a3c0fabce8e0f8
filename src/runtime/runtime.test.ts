// What a runtime says of a run before it begins, and what it lets go.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import type { DType } from '../tensor/dtype.ts';
import { fromFloat32 } from '../tensor/half.ts';
import { float32, zeros } from '../tensor/tensor.ts';
import type { Backend, SessionOptions } from './backend.ts';
import { cpu } from './onnxruntime/cpu.ts';
import { BYTES_PER_NODE } from './room.ts';
import { Runtime } from './runtime.ts';

/** y [4, 64] = x wᵀ. */
function product() {
  const g = new Builder('product');
  g.output('y', g.linear(g.input('x', 'float32', [4, 32]), g.parameter('w', [64, 32])));
  return g.finish();
}

const half = new Map([['w', fromFloat32(zeros('float32', [64, 32]), 'bfloat16')]]);

/** The processor in the place of a card that holds weights in `dtype`. */
const holding = (dtype: DType): Backend => ({
  ...cpu,
  plan: () => new Map([['w', { how: 'device', dtype }]]),
  bytesPerLiveByte: () => 2,
});

test('a weight that a card holds in float32 is not counted a second time as its cast', () => {
  const activations = (dtype: DType) => new Runtime(holding(dtype), 1).activations(product(), half);
  const [y, cast] = [4 * 4 * 64, 4 * 64 * 32];
  assert.deepEqual(activations('float32'), {
    live: y,
    largest: y,
    taken: 2 * y,
    program: BYTES_PER_NODE,
  });
  assert.deepEqual(activations('float16'), {
    live: y + cast,
    largest: cast,
    taken: 2 * (y + cast),
    program: 2 * BYTES_PER_NODE,
  });
});

test('weights outside their files are counted as they are held', () => {
  const bytes = (dtype: DType) => new Runtime(holding(dtype), 1).weightBytes(product(), half);
  assert.deepEqual([bytes('float32'), bytes('float16')], [4 * 64 * 32, 2 * 64 * 32]);
  assert.equal(new Runtime(cpu, 1).weightBytes(product(), half), 0, 'mapped');
});

test('sessions have the threads that the run is said to have, also where none were asked for', async () => {
  const seen: SessionOptions[] = [];
  const open: Backend['open'] = (graph, held, options) => {
    seen.push(options);
    return cpu.open(graph, held, options);
  };
  for (const threads of [undefined, 1]) {
    const runtime = new Runtime({ ...cpu, open }, threads);
    await runtime.compile(product(), { weights: half });
    assert.equal(seen.at(-1)?.threads, runtime.threads);
    assert.match(runtime.description, new RegExp(`cpu, ${runtime.threads} thread`));
    await runtime.release();
  }
});

test('a program that cannot be released keeps neither the weights nor the device', async () => {
  const log: string[] = [];
  const backend: Backend = {
    ...holding('float32'),
    hold: (weights) =>
      Promise.resolve(
        weights.map(({ kept: { dtype }, tensor: { shape } }) => ({
          dtype,
          shape,
          release: () => log.push('weight'),
        })),
      ),
    open: () =>
      Promise.resolve({
        run: () => Promise.resolve({ y: float32([], [0]) }),
        release: () => Promise.reject(new Error('lost')),
      }),
    release: () => Promise.resolve(void log.push('device')),
  };
  const runtime = new Runtime(backend, 1);
  const programs = runtime.programs(2);
  for (const key of ['a', 'b'])
    await programs.get(key, () => runtime.compile(product(), { weights: half }));
  await assert.rejects(runtime.release(), /lost/);
  assert.deepEqual(log, ['weight', 'device']);
});

test('a program that is released twice does not take its weight from another', async () => {
  const log: string[] = [];
  const hold: Backend['hold'] = async (weights) =>
    (await cpu.hold(weights)).map((held) => {
      const letGo = held.release.bind(held);
      return Object.assign(held, { release: () => (log.push('weight'), letGo()) });
    });
  const runtime = new Runtime({ ...cpu, plan: holding('float32').plan, hold }, 1);
  const compiled = () => runtime.compile(product(), { weights: half });
  const [first, second] = [await compiled(), await compiled()];
  await first.release();
  await first.release().catch(() => {}); // its session is gone
  await runtime.trim();
  assert.deepEqual(log, []);
  const { y } = await second.run({ x: zeros('float32', [4, 32]) });
  assert.deepEqual(y.shape, [4, 64]);
  await second.release();
  await runtime.release();
  assert.deepEqual(log, ['weight']);
});
