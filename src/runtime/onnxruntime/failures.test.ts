// What ONNX Runtime fails at is told in words, never with a stack.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointError, InternalError, SystemError } from '../../errors.ts';
import { Builder } from '../../graph/builder.ts';
import { float32 } from '../../tensor/tensor.ts';
import { cpuRuntime } from '../runtime.ts';
import { testedBackends } from '../testing/backends.ts';
import { isLost, namingCard, namingOpening } from './failures.ts';

const card = 'Radeon RX 7600';
const failing = (message: string) => () => Promise.reject(new Error(message));

const said = {
  'Failed to get a WebGPU adapter: No supported adapters': /no graphics card .*lora doctor/s,
  'webgpu_context.cc: WebGPU device lost (1): VK_ERROR_DEVICE_LOST': /was lost.*saved is intact/s,
  '[Device] is lost.': /was lost/,
  'D3D12 device removed with DXGI_ERROR_DEVICE_HUNG': /was lost/,
  'Buffer size (1153433600) exceeds the max buffer size limit (1073741824)': /too little memory/,
  'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY': /too little memory.*batch_size/s,
  'E_OUTOFMEMORY: OOM': /too little memory/,
  'Non-zero status code returned while running Add node. Status Message: std::bad_alloc':
    /the machine has too little memory/,
};

for (const [message, expected] of Object.entries(said))
  test(`"${message}" is a message for people`, async () => {
    await assert.rejects(namingCard(card, failing(message)), (error) => {
      assert.ok(error instanceof SystemError, 'a fault of the system');
      assert.match(error.message, expected);
      assert.equal(error.problems[0].where, card);
      return true;
    });
  });

const others = {
  'a kernel that fails': new Error('Non-zero status code returned while running Add node'),
  'a folder called bedroom was out of memory': new Error('ENOENT: /home/ada/bedroom/zoom.bin'),
  "a fault of the user's": new CheckpointError([{ where: '/OOM/a', what: 'is truncated' }]),
  'a fault of ours': new InternalError('no OOM here'),
};

for (const [name, failure] of Object.entries(others))
  test(`${name} stays what it is`, async () => {
    const rejecting = () => Promise.reject(failure);
    await assert.rejects(namingCard(card, rejecting), (error) => error === failure);
  });

test('whatever a card fails at when it is opened is a message, and auto takes the processor', async () => {
  await assert.rejects(namingOpening(card, failing('0x887A0004\nat d3d.cc:7')), (error) => {
    assert.ok(error instanceof SystemError, 'a fault of the system');
    assert.match(error.message, /cannot be opened: 0x887A0004.*lora doctor.*device: cpu/s);
    return true;
  });
  const bug = new InternalError('a bug');
  await assert.rejects(
    namingOpening(card, () => Promise.reject(bug)),
    (error) => error === bug,
  );
});

test('a lost card is told from one that is full', () => {
  assert.equal(isLost(new Error('[Device "ORT"] is lost.')), true);
  assert.equal(isLost(new Error('Allocation size too large')), false);
});

/** A tensor of so many numbers, of which one is taken. */
function large(count: number) {
  const g = new Builder('large');
  const many = g.expand(g.mul(g.input('x', 'float32', []), 2), [count]);
  g.output('y', g.slice(many, 0, 0, 1));
  return g.finish();
}

const tooSmall = (what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof SystemError, `a fault of the system, not ${String(error)}`);
  assert.match(error.message, what);
  return true;
};

for (const keepsMemory of [false, true])
  test(`on the processor a tensor of 128 TiB ended with a stack, memory kept: ${keepsMemory}`, async () => {
    const program = await cpuRuntime(1).compile(large(2 ** 45), {
      weights: new Map(),
      keepsMemory,
    });
    await assert.rejects(
      program.run({ x: float32([], [1]) }),
      tooSmall(/the machine has too little memory/),
    );
    await program.release();
  });

const [, webgpu] = await testedBackends();

for (const gibibytes of [4.5, 16, 2 ** 17])
  test(
    `on a card a tensor of ${gibibytes} GiB ended with a stack`,
    { skip: webgpu.skip || (webgpu.backend.limits.memory ?? 0) > gibibytes * 2 ** 30 },
    async () => {
      const { runtime } = webgpu;
      const program = await runtime.compile(large(gibibytes * 2 ** 28), { weights: new Map() });
      await assert.rejects(
        program.run({ x: float32([], [1]) }),
        tooSmall(/graphics card has too little memory/),
      );
      await program.release();
      const small = await runtime.compile(large(8), { weights: new Map() });
      assert.deepEqual((await small.run({ x: float32([], [1]) })).y.data, Float32Array.of(2));
      await small.release();
    },
  );
