import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { optimiserNames } from '../optim/optimisers.ts';
import { Optimiser, type OptimiserOptions } from './optimiser.ts';

const options: OptimiserOptions = {
  optimizer: 'adamw',
  betas: [0.9, 0.99],
  eps: 1e-8,
  weight_decay: 0.1,
  momentum: 0.9,
  max_grad_norm: 1,
  lr_scheduler: 'cosine',
  lr_warmup_steps: 2,
  lr_num_cycles: 1,
  lr_power: 1,
  totalSteps: 8,
};

const made = (changes: Partial<OptimiserOptions> = {}) =>
  new Optimiser(
    [
      { name: 'a', learningRate: 0.1, parameters: new Map([['a.w', float32([2], [1, 2])]]) },
      { name: 'b', learningRate: 0.01, parameters: new Map([['b.w', float32([1, 2], [3, 4])]]) },
    ],
    { ...options, ...changes },
  );

const gradients = (step: number) =>
  new Map([
    ['a.w', Float32Array.of(0.5 + step, -0.2)],
    ['b.w', Float32Array.of(0.1, 0.3 * step)],
  ]);

/** Weights and state, copied. */
const stateOf = (optimiser: Optimiser): Map<string, Tensor> =>
  new Map(
    [...optimiser.tensors].map(([name, tensor]) => [
      name,
      { ...tensor, data: tensor.data.slice() },
    ]),
  );

for (const optimizer of optimiserNames) {
  test(`${optimizer}: a run that is restored goes on as if it had never stopped`, () => {
    const whole = made({ optimizer });
    for (let step = 0; step < 4; step++) whole.update(gradients(step));
    const saved = stateOf(whole);
    const other = made({ optimizer });
    other.restore(JSON.parse(JSON.stringify(whole.save())), saved);
    for (const step of [4, 5])
      assert.deepEqual(other.update(gradients(step)), whole.update(gradients(step)));
    assert.deepEqual(stateOf(other), stateOf(whole));
  });
}

test('a restore that finds a weight or a moment missing, unknown, or of another kind throws and changes nothing', () => {
  const whole = made();
  whole.update(gradients(0));
  const saved = stateOf(whole);
  const without = (name: string) => new Map([...saved].filter(([one]) => one !== name));
  const cases: readonly (readonly [Map<string, Tensor>, RegExp])[] = [
    [without('v:a.w'), /v:a\.w is missing/],
    [without('b.w'), /cannot restore: b\.w is missing/],
    [new Map([...saved, ['m:c.w', float32([1], [0])]]), /m:c\.w is not part of this run/],
    [
      new Map([...saved, ['m:a.w', float32([3], [0, 0, 0])]]),
      /m:a\.w is float32 \[3\], not float32 \[2\]/,
    ],
    [
      new Map<string, Tensor>([
        ...saved,
        ['b.w', { dtype: 'float16', shape: [1, 2], data: new Uint16Array(2) }],
      ]),
      /b\.w is float16 \[1,2\], not float32 \[1,2\]/,
    ],
    [stateOf(made({ optimizer: 'sgd' })), /m:a\.w is missing.*; and/],
  ];
  for (const [tensors, message] of cases) {
    const target = made();
    const before = stateOf(target);
    assert.throws(() => target.restore(whole.save(), tensors), message);
    assert.deepEqual([target.step, stateOf(target)], [0, before]);
  }
  for (const step of [NaN, -1, 0.5, undefined])
    assert.throws(() => made().restore({ ...whole.save(), step }, saved), /step/);
  assert.throws(() => made().restore({ ...whole.save(), more: 1 }, saved), /more/);
});

test('a weight without a gradient is an error, not a weight that stays untrained', () => {
  const part = new Map([...gradients(1)].slice(0, 1));
  assert.throws(() => made().update(part), /no gradient of the weight b\.w/);
});
