// What goes into the cache comes out of it, and nothing else does.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { SystemError } from '../errors.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, int32, type Tensor } from '../tensor/tensor.ts';
import { cacheKey, openCache, type TensorCache } from './tensor-cache.ts';

let dir = '';
let cache: TensorCache;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), '缓存-'));
  cache = await openCache(join(dir, 'deep', 'cache'));
});
after(() => rm(dir, { recursive: true }));

const tensors = new Map<string, Tensor>([
  ['latents', float32([2, 3], [1, 2, 3, 4, 5, -0])],
  ['ids', int32([2], [7, -8])],
]);
const fileOf = (key: string): string => join(cache.dir, key.slice(0, 2), `${key}.safetensors`);

test('keys tell their parts apart', () => {
  assert.match(cacheKey('a', 1), /^[0-9a-f]{64}$/);
  assert.equal(cacheKey('a', 1), cacheKey('a', 1));
  assert.notEqual(cacheKey('ab', 'c'), cacheKey('a', 'bc'));
  assert.notEqual(cacheKey(1), cacheKey('1'));
});

test('what was put is got', async () => {
  const key = cacheKey('put');
  assert.equal(await cache.get(key), undefined);
  await cache.put(key, tensors);
  const found = await cache.get(key);
  assert.deepEqual(found?.get('latents'), tensors.get('latents'));
  assert.deepEqual(found?.get('ids'), tensors.get('ids'));
  assert.deepEqual(
    await readdir(dirname(fileOf(key))),
    [`${key}.safetensors`],
    'no temporary file is left',
  );
});

test('computed once', async () => {
  let calls = 0;
  const compute = () => (calls++, tensors);
  for (let i = 0; i < 3; i++)
    assert.deepEqual(
      (await cache.getOrCompute(cacheKey('once'), compute)).get('ids'),
      tensors.get('ids'),
    );
  assert.equal(calls, 1);
});

test('damaged, cut off, foreign and swapped files are computed again', async () => {
  const key = cacheKey('damage');
  await cache.put(key, tensors);
  const whole = await readFile(fileOf(key));
  const flipped = Uint8Array.from(whole, (value, i) =>
    i === whole.length - 2 ? value ^ 1 : value,
  );
  const foreign = serialize(tensors, { key });
  const other = cacheKey('other');
  await cache.put(other, tensors);
  const bad = {
    flipped,
    foreign,
    cut: whole.subarray(0, 50),
    empty: new Uint8Array(),
    text: Buffer.from('hello, this is no tensor file'),
    swapped: await readFile(fileOf(other)),
  };
  for (const [name, bytes] of Object.entries(bad)) {
    await writeFile(fileOf(key), bytes);
    assert.equal(await cache.get(key), undefined, name);
    let computed = false;
    await cache.getOrCompute(key, () => ((computed = true), tensors));
    assert.ok(computed, name);
    assert.notEqual(await cache.get(key), undefined, name);
  }
});

test('a folder that cannot be made is reported to the user', async () => {
  await writeFile(join(dir, 'file'), '');
  await assert.rejects(openCache(join(dir, 'file', 'cache')), SystemError);
  const key = cacheKey('blocked');
  await mkdir(fileOf(key), { recursive: true });
  assert.equal(await cache.get(key), undefined);
  await assert.rejects(cache.put(key, tensors), SystemError);
});

/** An entry as an earlier version wrote it: its checksum is right, its numbers are not finite. */
async function writeUnsound(key: string, bad: Tensor): Promise<void> {
  const hash = createHash('sha256').update(JSON.stringify(['latents', bad.dtype, bad.shape]));
  const { buffer, byteOffset, byteLength } = bad.data;
  const checksum = hash.update(new Uint8Array(buffer, byteOffset, byteLength)).digest('hex');
  await mkdir(dirname(fileOf(key)), { recursive: true });
  await writeFile(fileOf(key), serialize(new Map([['latents', bad]]), { key, checksum }));
}

const unsound: Record<string, Tensor> = {
  NaN: float32([2], [1, NaN]),
  Infinity: float32([2], [-Infinity, 1]),
  'float16 NaN': { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0x7e00) },
  'bfloat16 infinity': { dtype: 'bfloat16', shape: [2], data: Uint16Array.of(0xff80, 0x3f80) },
};

for (const [name, bad] of Object.entries(unsound)) {
  test(`an entry with ${name} of an earlier version is removed and computed again, once`, async () => {
    const key = cacheKey('old', name);
    await writeUnsound(key, bad);
    assert.equal(await cache.get(key), undefined);
    await assert.rejects(readFile(fileOf(key)));
    await writeUnsound(key, bad);
    assert.equal(await cache.getOrCompute(key, () => tensors), tensors);
    assert.deepEqual((await cache.get(key))?.get('latents'), tensors.get('latents'));
  });

  test(`what is computed as ${name} is returned and not kept`, async () => {
    const key = cacheKey('new', name);
    const entry = new Map([['latents', bad]]);
    assert.equal(await cache.getOrCompute(key, () => entry), entry);
    await assert.rejects(readFile(fileOf(key)));
    await assert.rejects(cache.put(key, entry), /internal/);
  });
}

test('a cache disk that fills midway ended the run: what it computes is returned, and why no more is kept', async () => {
  const filling = await openCache(join(dir, 'filling'));
  const [kept, refused, later] = ['kept', 'refused', 'later'].map((name) => cacheKey(name));
  const pathOf = (key: string) => join(filling.dir, key.slice(0, 2), `${key}.safetensors`);
  await filling.getOrCompute(kept, () => tensors);
  assert.equal(filling.refusal(), undefined);
  await mkdir(pathOf(refused), { recursive: true });
  for (const key of [refused, later])
    assert.equal(await filling.getOrCompute(key, () => tensors), tensors);
  assert.ok(filling.refusal() instanceof SystemError);
  assert.match(String(filling.refusal()), /the cache cannot be written/);
  assert.equal(await filling.get(later), undefined, 'nothing is tried after the first refusal');
  assert.notEqual(await filling.get(kept), undefined);
});
