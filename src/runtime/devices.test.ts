// What `device` takes on a machine.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../errors.ts';
import { chooseDevice, deviceNamed } from './devices.ts';
import type { GraphicsAdapter } from './graphics/adapter.ts';

const card: GraphicsAdapter = { name: 'Arc B580', maker: 'Intel', type: 'discrete', api: 'Vulkan' };
const inSoftware: GraphicsAdapter = { ...card, name: 'llvmpipe', type: 'software' };
const missing = {
  why: 'no-loader',
  found: "Vulkan's loader cannot be opened",
  fixes: ['Install libvulkan1'],
} as const;

test('auto takes a graphics card, and says that it does', () => {
  const choice = chooseDevice('auto', { adapters: [card, inSoftware] });
  assert.equal(choice.card, card);
  assert.match(choice.reason ?? '', /Arc B580 is there; .* no room .* processor/);
});

test('auto takes the processor where the card is one in software, or there is none', () => {
  const found = 'the only one is llvmpipe, in software';
  const software = chooseDevice('auto', { adapters: [inSoftware], missing: { ...missing, found } });
  assert.deepEqual(software, { reason: found });
  const none = chooseDevice('auto', { adapters: [], missing });
  assert.equal(none.card, undefined);
  assert.equal(none.reason, missing.found);
});

test('webgpu takes one in software, and without any says what to install', () => {
  assert.equal(chooseDevice('webgpu', { adapters: [inSoftware] }).card, inSoftware);
  assert.throws(
    () => chooseDevice('webgpu', { adapters: [], missing }),
    (error) => {
      assert.ok(error instanceof SystemError, 'a fault of the system');
      const [{ where, what, fix = '' }] = error.problems;
      assert.equal(where, 'device');
      assert.match(what, /loader cannot be opened/);
      assert.match(fix, /Install libvulkan1; device: cpu/);
      return true;
    },
  );
});

test('cpu asks for nothing', () => {
  assert.deepEqual(chooseDevice('cpu', { adapters: [card] }), {});
});

test('a device by another name is told what there is', () => {
  assert.equal(deviceNamed('webgpu', '--device'), 'webgpu');
  for (const name of ['cuda', 'GPU', '', 'toString'])
    assert.throws(
      () => deviceNamed(name, '--device'),
      /--device: expected one of auto, cpu, webgpu; found ".*graphics card is webgpu/s,
      name,
    );
});
