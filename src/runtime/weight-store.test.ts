// A weight is taken out of its file once, and let go when nobody reads it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32, type ExternalTensor } from '../tensor/tensor.ts';
import type { Held, WeightToHold } from './weight-plan.ts';
import { WeightStore } from './weight-store.ts';

const kept = { how: 'device', dtype: 'float32' } as const;
const inFile = (offset: number): WeightToHold => {
  const tensor: ExternalTensor = { dtype: 'float16', shape: [2], path: '/w', offset, length: 4 };
  return { tensor, kept };
};

/** A store of a backend that notes what it holds and lets go. */
function storeOf() {
  const log: string[] = [];
  const hold = (weights: readonly WeightToHold[]): Promise<Held[]> => {
    log.push(`hold ${weights.length}`);
    return Promise.resolve(
      weights.map(({ tensor: { shape } }) => ({
        dtype: 'float32',
        shape,
        release: () => log.push('release'),
      })),
    );
  };
  return { log, store: new WeightStore({ hold }) };
}

test('two programs share a weight, and two names of one place do', async () => {
  const { log, store } = storeOf();
  const first = await store.hold([inFile(0), inFile(4), inFile(0)]);
  const second = await store.hold([inFile(4), inFile(8)]);
  assert.deepEqual(log, ['hold 2', 'hold 1']);
  assert.equal(first.weights[1], second.weights[0], 'the same weight');
  assert.equal(first.weights[0], first.weights[2], 'the same place');
});

test('a weight stays between two programs, and goes when the store is trimmed', async () => {
  const { log, store } = storeOf();
  const [shared, own] = [inFile(0), inFile(4)];
  const first = await store.hold([shared, own]);
  const second = await store.hold([shared]);
  await first.release();
  await store.hold([own]).then(({ release }) => release());
  await store.trim();
  assert.deepEqual(log, ['hold 2', 'release']);
  await second.release();
  await store.trim();
  assert.deepEqual(log, ['hold 2', 'release', 'release']);
});

test('tensors in memory are told apart by their memory and by how they are kept', async () => {
  const { log, store } = storeOf();
  const [one, other] = [float32([2], [1, 2]), float32([2], [1, 2])];
  await store.hold([
    { tensor: one, kept },
    { tensor: other, kept },
    { tensor: one, kept: { how: 'copied', dtype: 'float32' } },
    { tensor: { ...one }, kept },
  ]);
  assert.deepEqual(log, ['hold 3']);
});

test('what could not be held is tried again', async () => {
  let tries = 0;
  const store = new WeightStore({
    hold: () => (++tries === 1 ? Promise.reject(new Error('full')) : Promise.resolve([])),
  });
  await assert.rejects(store.hold([inFile(0)]), /full/);
  await store.hold([inFile(0)]);
  assert.equal(tries, 2);
});
