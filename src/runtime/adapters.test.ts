import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { graphicsAdapters } from './adapters.ts';
import { amd, geforce, iris, lavapipe, swiftShader, virtio } from './graphics/records.test-util.ts';
import {
  controllersOf,
  distributionsOf,
  thisSystem,
  type GraphicsSystem,
} from './graphics/system.ts';

const linux: GraphicsSystem = {
  platform: 'linux-x64',
  hasWebGpu: true,
  isWsl: false,
  isContainer: false,
  distributions: ['ubuntu', 'debian'],
  cards: ['NVIDIA'],
  processor: 'AMD EPYC 9354',
  memory: 2 ** 35,
  vulkan: () => ({ records: [] }),
  controllers: () => Promise.reject(new Error('only Windows has these')),
};
const noLoader: Partial<GraphicsSystem> = {
  vulkan: () => ({ failed: 'no-loader', reason: 'no such file' }),
};

/** What is missing where there is no adapter. */
async function missing(change: Partial<GraphicsSystem>) {
  const { adapters, missing: value } = await graphicsAdapters({ ...linux, ...change });
  assert.deepEqual(adapters, []);
  assert.ok(value);
  return value;
}

const names = async (change: Partial<GraphicsSystem>): Promise<string[]> =>
  (await graphicsAdapters({ ...linux, ...change })).adapters.map(({ name }) => name);

describe('the adapters of a machine', () => {
  test('those that Dawn refuses are left out, the others stand in its order', async () => {
    const records = [lavapipe, swiftShader, iris, geforce];
    const expected = [geforce, iris, swiftShader].map(({ deviceName }) => deviceName);
    assert.deepEqual(await names({ vulkan: () => ({ records }) }), expected);
  });

  test('Apple silicon has one, with half precision and the memory of the machine', async () => {
    const mac = { ...linux, platform: 'darwin-arm64', processor: 'Apple M2', memory: 2 ** 34 };
    const { adapters } = await graphicsAdapters(mac);
    assert.deepEqual(adapters, [
      {
        name: 'Apple M2',
        maker: 'Apple',
        type: 'integrated',
        api: 'Metal',
        memory: 2 ** 34,
        halfPrecision: true,
      },
    ]);
  });

  test('on Windows Vulkan tells of the cards that Direct3D takes', async () => {
    const windows = { platform: 'win32-x64', vulkan: () => ({ records: [iris, amd] }) };
    const { adapters } = await graphicsAdapters({ ...linux, ...windows });
    assert.deepEqual(
      adapters.map(({ name, api }) => [name, api]),
      [
        [amd.deviceName, 'Direct3D 12'],
        [iris.deviceName, 'Direct3D 12'],
      ],
    );
  });

  test('on Windows without a loader the system itself is asked', async () => {
    const json =
      '[{"Name":"Microsoft Basic Display Adapter","AdapterCompatibility":"(Standard display types)",' +
      '"DriverVersion":"10.0.1"},{"Name":"Qualcomm Adreno","AdapterCompatibility":"Qualcomm","DriverVersion":"31.0"}]';
    const controllers = () => Promise.resolve(controllersOf(json));
    const { adapters } = await graphicsAdapters({
      ...linux,
      ...noLoader,
      platform: 'win32-arm64',
      controllers,
    });
    assert.deepEqual(
      adapters.map(({ name, type, driver }) => [name, type, driver]),
      [
        ['Qualcomm Adreno', 'unknown', '31.0'],
        ['Microsoft Basic Display Adapter', 'software', '10.0.1'],
      ],
    );
  });

  test('one card of Windows is no list in its answer', () => {
    const one = controllersOf('{"Name":"Arc A770","AdapterCompatibility":"Intel"}');
    assert.deepEqual(one, [{ name: 'Arc A770', maker: 'Intel', driver: '' }]);
    assert.deepEqual(controllersOf(''), []);
  });

  test('this machine is asked without an error', async () => {
    const { adapters, missing: none } = await graphicsAdapters(thisSystem());
    const [first] = adapters;
    assert.equal(first === undefined || first.type === 'software', none !== undefined);
  });
});

test("a real Vulkan's answer is taken apart at the right places", async (t) => {
  const answer = thisSystem().vulkan();
  if ('failed' in answer) return t.skip(answer.reason);
  if (answer.records.length === 0) return t.skip('Vulkan has no device here');
  for (const record of answer.records) {
    assert.match(record.deviceName, /^[\w (]/);
    assert.ok(record.deviceType <= 4 && record.apiVersion >>> 22 === 1);
    assert.ok(record.features.has('robustBufferAccess'));
    assert.ok(record.maxStorageBufferRange >= 2 ** 27 && record.maxMemoryAllocationSize >= 2 ** 27);
    assert.ok(record.heaps.some(({ bytes, deviceLocal }) => deviceLocal && bytes > 2 ** 27));
  }
});

describe('why there is no adapter, and what to install', () => {
  test('a platform whose ONNX Runtime has no WebGPU: nothing helps', async () => {
    const none = await missing({ platform: 'linux-arm64', hasWebGpu: false });
    assert.deepEqual(none, {
      why: 'no-provider',
      found: 'ONNX Runtime for Node has no WebGPU on linux-arm64',
      fixes: [],
    });
  });

  test('no loader: how to install it and the driver', async () => {
    const { why, found, fixes } = await missing(noLoader);
    assert.equal(why, 'no-loader');
    assert.equal(found, "Vulkan's loader cannot be opened (no such file)");
    assert.match(fixes.join('\n'), /sudo apt install libvulkan1\n.*NVIDIA's driver/);
  });

  for (const [id, command] of [
    ['ID=fedora', 'sudo dnf install vulkan-loader'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'sudo dnf install vulkan-loader'],
    ['ID=manjaro\nID_LIKE=arch', 'sudo pacman -S vulkan-icd-loader'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'sudo zypper install libvulkan1'],
    ['NAME=x\nID=nixos', "with this system's package manager"],
  ]) {
    test(`no loader on ${id.split('\n')[0]}`, async () => {
      const { fixes } = await missing({ ...noLoader, distributions: distributionsOf(id) });
      assert.ok(fixes[0].includes(command), fixes[0]);
    });
  }

  test('no driver: that of the card on the bus', async () => {
    const intel = await missing({ cards: ['Intel', 'AMD', 'vendor 0x1a03'] });
    assert.equal(intel.why, 'no-driver');
    assert.deepEqual(intel.fixes, [
      "Install Mesa's Vulkan drivers: sudo apt install mesa-vulkan-drivers",
    ]);
  });

  test('no driver where the bus cannot be seen: for each maker', async () => {
    const { fixes } = await missing({ cards: undefined });
    assert.deepEqual(
      fixes.map((fix) => fix.split(':')[0]),
      ['NVIDIA', 'AMD, Intel'],
    );
  });

  test("a server's console is no graphics card: no driver is advised", async () => {
    const { found, fixes } = await missing({ cards: ['vendor 0x1a03'] });
    assert.match(found, /this machine has no graphics card$/);
    assert.deepEqual(fixes, []);
  });

  test('a container without the graphics part of an NVIDIA card', async () => {
    const { fixes } = await missing({ isContainer: true });
    assert.match(fixes.join(), /NVIDIA_DRIVER_CAPABILITIES=all/);
  });

  test('WSL hands no card on to Vulkan', async () => {
    const { fixes } = await missing({ isWsl: true, cards: [] });
    assert.match(fixes.join(), /install Node on Windows itself/);
  });

  test("only a Vulkan in software that is too old: the card's driver is missing", async () => {
    const none = await missing({ vulkan: () => ({ records: [lavapipe] }) });
    assert.equal(none.why, 'unsuitable');
    assert.match(none.found, /^llvmpipe.* lacks what WebGPU needs: shaderSampledImage/);
    assert.match(none.fixes.join(), /Install NVIDIA's driver/);
  });

  test("only Vulkan in software: the card's driver is missing, or there is no card", async () => {
    const software = { vulkan: () => ({ records: [swiftShader] }) };
    const { adapters, missing: none } = await graphicsAdapters({ ...linux, ...software });
    assert.equal(adapters.length, 1);
    assert.equal(none?.why, 'software-only');
    assert.match(none.fixes.join(), /Install NVIDIA's driver/);
    const { missing: cardless } = await graphicsAdapters({ ...linux, ...software, cards: [] });
    assert.match(
      cardless?.found ?? '',
      /SwiftShader.* computes on the processor, and this machine/,
    );
    assert.deepEqual(cardless?.fixes, []);
  });

  test('a virtual card, which WebGPU takes only after Vulkan in software', async () => {
    const { adapters, missing: none } = await graphicsAdapters({
      ...linux,
      vulkan: () => ({ records: [virtio, swiftShader] }),
    });
    assert.deepEqual(
      adapters.map(({ type }) => type),
      ['software', 'virtual'],
    );
    assert.equal(none?.why, 'software-first');
    assert.match(none.found, /takes SwiftShader.*before Virtio-GPU/);
    assert.match(none.fixes.join(), /VK_DRIVER_FILES/);
  });

  test('a card that is too old', async () => {
    const none = await missing({ vulkan: () => ({ records: [{ ...amd, features: new Set() }] }) });
    assert.deepEqual(none.fixes, ['Install the current driver of the graphics card']);
  });

  test('an installation without optional packages is told', async () => {
    const none = await missing({ vulkan: () => ({ failed: 'no-package', reason: 'MODULE' }) });
    assert.equal(none.why, 'cannot-tell');
    assert.match(none.found, /@koromix\/koffi-linux-x64/);
    assert.match(none.fixes.join(), /without --omit=optional/);
  });

  test('a driver that fails when it is asked', async () => {
    const reason = 'vkCreateInstance answered -1';
    const none = await missing({ vulkan: () => ({ failed: 'failed', reason }) });
    assert.equal(none.why, 'cannot-tell');
    assert.match(none.found, /vkCreateInstance answered -1/);
  });

  test('a Windows without a card', async () => {
    const none = await missing({
      ...noLoader,
      platform: 'win32-x64',
      controllers: () => Promise.resolve([]),
    });
    assert.equal(none.found, 'Windows lists no graphics card');
  });

  test('a Windows that does not answer', async () => {
    const controllers = () => Promise.reject(new Error('spawn powershell.exe ENOENT'));
    const none = await missing({ ...noLoader, platform: 'win32-x64', controllers });
    assert.match(none.found, /could not be asked .*ENOENT/);
  });
});
