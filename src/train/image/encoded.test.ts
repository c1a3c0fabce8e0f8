// What is cached of pictures and captions, where something of it is not there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InternalError } from '../../errors.ts';
import { smallConfig } from '../../models/small-configs.test-util.ts';
import { cacheKey, type TensorCache, type Tensors } from '../../storage/tensor-cache.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import { float32 } from '../../tensor/tensor.ts';
import { CACHE_VERSION } from './cache-entries.ts';
import { encodeCaptions, statesInOrder } from './captions.ts';
import { encodePictures } from './latents.ts';

/** A cache that has one entry for every key. */
const cacheOf = (entry: Tensors): TensorCache => ({
  dir: '',
  get: async () => entry,
  put: async () => {},
  getOrCompute: async () => entry,
  refusal: () => undefined,
});
const around = (entry: Tensors) => ({
  cache: cacheOf(entry),
  weights: new Map(),
  identity: 'base',
  runtime: cpuRuntime(1),
  signal: new AbortController().signal,
});
const picture = {
  path: 'a.png',
  name: 'a.png',
  caption: 'a',
  repeats: 1,
  width: 8,
  height: 8,
  hash: 'a',
  bucket: [8, 8],
  resized: [8, 8],
  crop: [0, 0, 8, 8],
} as const;

async function result<T>(events: AsyncGenerator<unknown, T>): Promise<T> {
  for (let next = await events.next(); ; next = await events.next())
    if (next.done === true) return next.value;
}

test('latents without a mean or a variance were trained as pictures of no size', async () => {
  const tensors = { mean: float32([1, 1, 1], [2]), logvar: float32([1, 1, 1], [0]) };
  const encoded = (entry: Tensors) =>
    result(encodePictures([picture], { ...around(entry), vae: smallConfig.vae }));
  const [{ shape, deviation }] = await encoded(new Map(Object.entries(tensors)));
  assert.deepEqual([shape, [...deviation]], [[1, 1, 1], [1]]);
  for (const [name, tensor] of Object.entries(tensors))
    await assert.rejects(
      encoded(new Map([[name, tensor]])),
      (error) => error instanceof InternalError && /no tensor of the latents/.test(error.message),
    );
});

test('latents of an older version, of other bytes, sizes or autoencoders are not taken from the cache', async () => {
  const entry = new Map(['mean', 'logvar'].map((name) => [name, float32([1, 1, 1], [0])] as const));
  const keyOf = async (change: object, other: object = {}) => {
    const keys: string[] = [];
    const getOrCompute = async (key: string) => (keys.push(key), entry);
    const options = { ...around(entry), vae: smallConfig.vae, ...other };
    const cache = { ...cacheOf(entry), getOrCompute };
    await result(encodePictures([{ ...picture, ...change }], { ...options, cache }));
    return keys.join();
  };
  const vae = JSON.stringify(smallConfig.vae);
  const key = await keyOf({});
  assert.equal(key, cacheKey('latents', CACHE_VERSION, 'base', vae, 'a', 8, 8, 0, 0, 8, 8));
  const others = [
    await keyOf({ hash: 'b' }),
    await keyOf({ resized: [8, 16] }),
    await keyOf({ resized: [16, 8] }),
    await keyOf({ crop: [4, 0, 8, 8], resized: [16, 8] }),
    await keyOf({ crop: [0, 4, 8, 8], resized: [8, 16] }),
    await keyOf({}, { identity: 'another' }),
    await keyOf({}, { vae: { ...smallConfig.vae, scaling_factor: 1 } }),
  ];
  assert.equal(new Set([key, ...others]).size, 1 + others.length);
  assert.equal(await keyOf({ path: 'elsewhere.png', caption: 'b' }), key);
});

test('a caption without text states, or with another tensor in their place, is an error', async () => {
  const ids = [Int32Array.of(1, 2), Int32Array.of(3, 4), Int32Array.of(1, 2)];
  const captions = ids.map((row) => ({ name: 'a caption', ids: row }));
  const options = { textEncoder: smallConfig.textEncoder, clipSkip: 1 };
  const states = (entry: Tensors) =>
    result(encodeCaptions(captions, { ...options, ...around(entry) }));
  const found = await states(new Map([['text_states', float32([1, 2], [5, 6])]]));
  assert.deepEqual(
    statesInOrder(ids, found).map((row) => [...row]),
    [
      [5, 6],
      [5, 6],
      [5, 6],
    ],
  );
  assert.throws(
    () => statesInOrder([...ids, Int32Array.of(3, 5)], found),
    (error) => error instanceof InternalError && /no states of the caption 3 5/.test(error.message),
  );
  await assert.rejects(
    states(new Map([['mean', float32([1, 2], [5, 6])]])),
    (error) => error instanceof InternalError && /no tensor of the caption/.test(error.message),
  );
});
