// Everything that a graphics card is given is computed there, or refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32 } from '../../tensor/tensor.ts';
import { testedBackends } from '../testing/backends.ts';
import type { OnnxGraph } from '../onnx-model.ts';
import { uploadTo } from './session.ts';

const [, { backend, skip }] = await testedBackends();

/** y = an operator of x [1]. */
const graphOf = (type: string): OnnxGraph => ({
  name: type,
  inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
  initializers: [],
  nodes: [{ name: 'y', type, domain: '', inputs: ['x'], outputs: ['y'], attributes: {} }],
});

const open = (type: string) =>
  backend.open(graphOf(type), new Map(), { plan: new Map(), threads: 1 });

test(
  'an operator without a kernel on the card is refused, not computed elsewhere',
  { skip },
  async () => {
    for (const type of ['Sign', 'Round']) await assert.rejects(open(type), /CPU EP/);
    const session = await open('Neg');
    assert.deepEqual(
      (await session.run({ x: float32([1], [2]) }, ['y'])).y.data,
      Float32Array.of(-2),
    );
    await session.release();
  },
);

test('an upload that could not be opened is tried again, and keeps nobody from ending', async () => {
  const upload = uploadTo(['no such provider']);
  const one = float32([1], [1]);
  for (let i = 0; i < 2; i++) await assert.rejects(upload.send(one), /no such provider/);
  await upload.release();
});
