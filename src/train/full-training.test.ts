import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { InternalError } from '../errors.ts';
import { cpuRuntime } from '../runtime/runtime.ts';
import { float32 } from '../tensor/tensor.ts';
import { fullTraining } from './full-training.ts';

function graph() {
  const g = new Builder('line');
  const y = g.linear(g.input('x', 'float32', [1, 2]), g.parameter('a.weight', [1, 2]));
  g.output('loss', g.reshape(y, [1]));
  return g.finish();
}

const begun = (initial: ReadonlyMap<string, ReturnType<typeof float32>>) =>
  fullTraining({
    runtime: cpuRuntime(1),
    graph: graph(),
    seed: 1,
    learningRate: 1,
    optimiser: {
      optimizer: 'adamw',
      betas: [0.9, 0.99],
      eps: 1e-8,
      weight_decay: 0,
      momentum: 0,
      max_grad_norm: 0,
      lr_scheduler: 'constant',
      lr_warmup_steps: 0,
      lr_num_cycles: 1,
      lr_power: 1,
      totalSteps: 1,
    },
    batchAt: () => ({}),
    emaDecay: 0.9,
    stateFile: 'no-such-file',
    saveEvery: 1,
    initial,
  });

test('first weights of a name or a shape that the graph does not have were ignored', async () => {
  const { weights, average } = await begun(new Map([['a.weight', float32([1, 2], [3, 4])]]));
  for (const held of [weights, average])
    assert.deepEqual([...(held.get('a.weight')?.data ?? [])], [3, 4]);
  for (const [name, tensor] of [
    ['a.wieght', float32([1, 2], [3, 4])],
    ['a.weight', float32([2, 1], [3, 4])],
    ['a.weight', float32([1, 3], [3, 4, 5])],
  ] as const)
    await assert.rejects(begun(new Map([[name, tensor]])), InternalError, name);
});
