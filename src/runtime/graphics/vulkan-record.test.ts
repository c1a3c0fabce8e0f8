import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GraphicsAdapter } from './adapter.ts';
import { adapterOf, eachOnce, inOrder, lacks } from './vulkan-record.ts';
import {
  amd,
  geforce,
  iris,
  lavapipe,
  radeonApu,
  swiftShader,
  virtio,
} from './records.test-util.ts';

const GiB = 2 ** 30;
const names = (adapters: readonly GraphicsAdapter[]): string[] => adapters.map(({ name }) => name);

describe('what Vulkan says becomes an adapter', () => {
  test('an NVIDIA card has half precision, which ONNX Runtime asks for, and tensors below 2 GiB', () => {
    assert.deepEqual(adapterOf(geforce, 'Vulkan'), {
      name: 'NVIDIA GeForce RTX 4090',
      maker: 'NVIDIA',
      type: 'discrete',
      api: 'Vulkan',
      driver: 'NVIDIA 570.86.16',
      memory: 24 * GiB, // not with the 256 MiB that the processor sees
      freeMemory: 22 * GiB,
      halfPrecision: true,
      largestBuffer: 2 * GiB - 4,
    });
  });

  test('the same card through Direct3D 12: half precision is unknown, tensors of 2 GiB', () => {
    const { halfPrecision, largestBuffer } = adapterOf(geforce, 'Direct3D 12');
    assert.deepEqual([halfPrecision, largestBuffer], [undefined, 2 * GiB]);
  });

  test('an AMD card has half precision; an allocation is smaller than a binding', () => {
    const { maker, type, halfPrecision, largestBuffer, memory } = adapterOf(amd, 'Vulkan');
    assert.deepEqual([maker, type, halfPrecision], ['AMD', 'discrete', true]);
    assert.deepEqual([largestBuffer, memory], [2 * GiB, 16 * GiB]);
  });

  test('without maintenance4 the largest allocation counts', () => {
    const { largestBuffer } = adapterOf({ ...amd, maxBufferSize: 0 }, 'Vulkan');
    assert.equal(largestBuffer, 2 * GiB - 1);
  });

  for (const lost of ['shaderFloat16', 'storageBuffer16BitAccess'] as const) {
    test(`no half precision without ${lost}`, () => {
      assert.equal(adapterOf({ ...amd, [lost]: false }, 'Vulkan').halfPrecision, false);
    });
  }

  test("an Intel processor's graphics are integrated and share the memory", () => {
    const { maker, type, memory } = adapterOf(iris, 'Vulkan');
    assert.deepEqual([maker, type, memory], ['Intel', 'integrated', 15 * GiB]);
  });

  test('Vulkan in software is called so', () => {
    const types = [swiftShader, lavapipe].map((record) => adapterOf(record, 'Vulkan').type);
    assert.deepEqual(types, ['software', 'software']);
  });

  test('an unknown maker is named by its number', () => {
    assert.equal(adapterOf({ ...amd, vendorID: 0xdead }, 'Vulkan').maker, 'vendor 0xdead');
  });
});

describe('the order is that of Dawn', () => {
  const adapters = (api: 'Vulkan' | 'Direct3D 12', ...records: (typeof amd)[]) =>
    names(inOrder(records.map((record) => adapterOf(record, api))));

  test("in a laptop the card comes before the processor's graphics, however they are listed", () => {
    assert.deepEqual(adapters('Vulkan', lavapipe, iris, geforce), [
      geforce.deviceName,
      iris.deviceName,
      lavapipe.deviceName,
    ]);
  });

  test('two cards of one kind keep the order of the loader', () => {
    const second = { ...geforce, deviceName: 'second' };
    assert.deepEqual(adapters('Vulkan', radeonApu, second, geforce).slice(0, 2), [
      'second',
      geforce.deviceName,
    ]);
  });

  test('software comes before a virtual card on Vulkan, and last on Direct3D', () => {
    assert.equal(adapters('Vulkan', virtio, swiftShader)[0], swiftShader.deviceName);
    assert.equal(adapters('Direct3D 12', swiftShader, virtio)[0], virtio.deviceName);
  });

  test('a card that Mesa translates to Direct3D is listed once', () => {
    const translated = { ...geforce, deviceName: 'Microsoft Direct3D12 (RTX 4090)', driverID: 23 };
    assert.deepEqual(eachOnce([translated, geforce]), [geforce]);
    assert.deepEqual(eachOnce([translated]), [translated]);
  });
});

describe('what Dawn refuses', () => {
  test('a device that has everything', () => {
    assert.deepEqual([geforce, amd, iris, swiftShader].flatMap(lacks), []);
  });

  test("Mesa 22's lavapipe, for the indices of images that it does not have", () => {
    assert.deepEqual(lacks(lavapipe), [
      'shaderSampledImageArrayDynamicIndexing',
      'shaderStorageImageArrayDynamicIndexing',
    ]);
  });

  test('Vulkan 1.0, small buffers, no compression of textures', () => {
    const old = {
      ...amd,
      apiVersion: 1 << 22,
      maxStorageBufferRange: 2 ** 26,
      features: new Set([...amd.features].filter((name) => !name.startsWith('texture'))),
    };
    assert.deepEqual(lacks(old), ['Vulkan 1.1', 'textureCompressionBC', 'buffers of 128 MiB']);
  });

  test("a telephone's compression of textures will do", () => {
    const features = new Set([...amd.features].filter((name) => name !== 'textureCompressionBC'));
    features.add('textureCompressionETC2').add('textureCompressionASTC_LDR');
    assert.deepEqual(lacks({ ...amd, features }), []);
  });
});
