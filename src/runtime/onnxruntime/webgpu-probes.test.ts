// What a card can do is found by trying, and nothing that was tried stays open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import type { OnnxGraph } from '../onnx-model.ts';
import { hasHalfPrecision, largestTensor } from './webgpu-probes.ts';

const MiB = 2 ** 20;

/** Bytes of the tensor that a graph fills. */
const filledBytes = ({ initializers }: OnnxGraph): number => {
  const shape = initializers.find(({ name }) => name === 'shape')?.tensor as Tensor | undefined;
  return 4 * Number(shape?.data[0] ?? 0); // in memory, as the probe makes it
};

/** A card that fails at a graph as `failure` says. */
function cardFailing(failure: (graph: OnnxGraph) => string | undefined) {
  let alive = 0;
  const open = (graph: OnnxGraph) => {
    alive++;
    const message = failure(graph);
    return Promise.resolve({
      run: () =>
        message === undefined
          ? Promise.resolve({ y: float32([1], [0]) })
          : Promise.reject(new Error(message)),
      release: () => Promise.resolve(void alive--),
    });
  };
  return { open, alive: () => alive };
}

for (const [largest, expected] of [
  [64, 128],
  [128, 128],
  [600, 512],
  [2048, 2048],
  [2 ** 20, 4095],
])
  test(`a card with tensors of ${largest} MiB has them of ${expected}`, async () => {
    const { open, alive } = cardFailing((graph) =>
      filledBytes(graph) > largest * MiB ? 'Invalid Buffer' : undefined,
    );
    assert.equal(await largestTensor(open, 64 * 2 ** 30), expected * MiB);
    assert.equal(alive(), 0);
  });

for (const [memory, most] of [
  [0.125, 128],
  [1, 256],
  [8, 2048],
  [16, 4095],
])
  test(`a start on a card with ${memory} GiB computes no tensor above ${most} MiB to see how large they may be`, async () => {
    const tried: number[] = [];
    const { open } = cardFailing((graph) => void tried.push(filledBytes(graph)));
    assert.equal(await largestTensor(open, memory * 2 ** 30), most * MiB);
    assert.ok(Math.max(0, ...tried) <= most * MiB);
  });

test('half precision is what a cast from float16 says', async () => {
  assert.equal(await hasHalfPrecision(cardFailing(() => undefined).open), true);
  const without = cardFailing(() => 'Program Cast requires f16 but the device does not support it');
  assert.equal(await hasHalfPrecision(without.open), false);
  assert.equal(without.alive(), 0);
});

test('a card that is lost while it is tried is not taken for one that can do little', async () => {
  const { open, alive } = cardFailing(() => '[Device] is lost.');
  await assert.rejects(largestTensor(open, Infinity), /lost/);
  await assert.rejects(hasHalfPrecision(open), /lost/);
  assert.equal(alive(), 0);
});
