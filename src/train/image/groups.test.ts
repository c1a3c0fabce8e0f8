import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InternalError } from '../../errors.ts';
import { float32 } from '../../tensor/tensor.ts';
import { groupsOf } from './groups.ts';

const weights = (...names: readonly string[]) =>
  new Map(names.map((name) => [name, float32([1], [1])] as const));
const rates = { unet_lr: 1e-4, text_encoder_lr: 1e-5 };

test('each weight is trained at the rate of its component', () => {
  const groups = groupsOf(weights('unet.a', 'text_encoder.b', 'unet.c'), rates);
  assert.deepEqual(
    groups.map(({ name, learningRate, parameters }) => [
      name,
      learningRate,
      [...parameters.keys()],
    ]),
    [
      ['unet', 1e-4, ['unet.a', 'unet.c']],
      ['text_encoder', 1e-5, ['text_encoder.b']],
    ],
  );
});

test('a weight of neither UNet nor text encoder landed in no group and stayed untrained', () => {
  for (const name of ['vae.a', 'text_encoder_2.a', 'transformer.a', 'unetx', 'lora_down.weight'])
    assert.throws(
      () => groupsOf(weights('unet.a', name), rates),
      (error) => error instanceof InternalError && error.message.includes(`${name} is in no group`),
      name,
    );
});
