// What a graphics card fails at is told in words, never with a stack.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../errors.ts';
import { naming } from './device-errors.ts';

const said = {
  'Failed to get a WebGPU adapter: No supported adapters': /no graphics card .*lora doctor/s,
  'webgpu_context.cc: WebGPU device lost (1): VK_ERROR_DEVICE_LOST': /was lost.*saved is intact/s,
  'D3D12 device removed with DXGI_ERROR_DEVICE_HUNG': /was lost/,
  'Buffer size (1153433600) exceeds the max buffer size limit (1073741824)': /too little memory/,
  'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY': /too little memory.*batch_size/s,
};

for (const [message, expected] of Object.entries(said))
  test(`"${message}" is a message for people`, async () => {
    await assert.rejects(
      naming('Radeon RX 7600', () => Promise.reject(new Error(message))),
      (error) => {
        assert.ok(error instanceof SystemError, 'a fault of the system');
        assert.match(error.message, expected);
        assert.equal(error.problems[0].where, 'Radeon RX 7600');
        return true;
      },
    );
  });

test('any other failure stays what it is', async () => {
  const bug = new Error('Non-zero status code returned while running Add node');
  await assert.rejects(
    naming('card', () => Promise.reject(bug)),
    (error) => error === bug,
  );
});
