import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { cpuRuntime } from '../runtime/runtime.ts';
import { float32 } from '../tensor/tensor.ts';
import { LossPrograms } from './programs.ts';

/** Σ w x for as many numbers as the key says. */
function lossGraph(key: string) {
  const g = new Builder('loss');
  g.output(
    'loss',
    g.reduceSum(g.mul(g.input('x', 'float32', [Number(key)]), g.parameter('w', [1])), [0]),
  );
  return g.finish();
}

test('every shape is computed right, whichever may spend memory on speed', async () => {
  const programs = new LossPrograms({
    lossGraph,
    trainable: ['w'],
    weights: new Map(),
    runtime: cpuRuntime(1),
    main: { shapeKey: '2', workload: { runs: 1000, spare: Infinity } },
    alive: 1,
  });
  const parameters = new Map([['w', float32([1], [3])]]);
  for (const size of [2, 2, 5, 2, 5, 5]) {
    const { loss, gradients } = await programs.run(
      { shapeKey: String(size), inputs: { x: float32([size], new Float32Array(size).fill(0.5)) } },
      parameters,
    );
    assert.equal(loss, 1.5 * size);
    assert.deepEqual([...(gradients.get('w') ?? [])], [0.5 * size]);
  }
  await programs.release();
});

test('the program of most batches stays, whatever other shapes come', async () => {
  const opened: string[] = [];
  const programs = new LossPrograms({
    lossGraph: (key) => (opened.push(key), lossGraph(key)),
    trainable: ['w'],
    weights: new Map(),
    runtime: cpuRuntime(1),
    main: { shapeKey: '2', workload: { runs: 1000, spare: Infinity } },
    alive: 2,
  });
  const parameters = new Map([['w', float32([1], [3])]]);
  for (const size of [2, 5, 7, 5, 2]) {
    const { loss } = await programs.run(
      { shapeKey: String(size), inputs: { x: float32([size], new Float32Array(size).fill(0.5)) } },
      parameters,
    );
    assert.equal(loss, 1.5 * size);
  }
  await programs.release();
  assert.deepEqual(opened, ['2', '5', '7', '5']);
});
