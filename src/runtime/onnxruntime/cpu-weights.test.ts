// How the processor keeps a language model's weights.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepGraph } from '../../generate/text/step-graph.ts';
import { tinyModel } from '../../generate/text/tiny-models.test-util.ts';
import { fromFloat32 } from '../../tensor/half.ts';
import type { Weights } from '../../tensor/weights.ts';
import type { Workload } from '../backend.ts';
import { bind } from '../lowering.ts';
import { cpu } from './cpu.ts';

const { config, weights } = tinyModel('qwen2');
const halves: Weights = new Map(
  [...weights].map(([key, tensor]) => [key, fromFloat32(tensor, 'bfloat16')]),
);

function planned(of: Weights, workload?: Workload) {
  const plan = cpu.plan(bind(stepGraph(config, { tokens: 1, capacity: 1 }), of, cpu), workload);
  const q = plan.get('model.layers.0.self_attn.q_proj.weight');
  const norm = plan.get('model.norm.weight');
  return [q?.how, q?.dtype, norm?.how];
}

test('weights stay in their files where nothing else is asked for', () => {
  assert.deepEqual(planned(weights), ['mapped', 'float32', 'mapped']);
  assert.deepEqual(planned(halves), ['mapped', 'bfloat16', 'mapped']);
});

const mapped = (dtype: string) => ['mapped', dtype, 'mapped'];

test('for short runs matrices of half precision are copied where all copies fit, not others', () => {
  const short = (spare: number) => ({ runs: 'short', spare }) as const;
  assert.deepEqual(planned(halves, short(2 ** 30)), ['copied', 'float32', 'mapped']);
  assert.deepEqual(planned(halves, short(100)), mapped('bfloat16'));
  assert.deepEqual(planned(weights, short(2 ** 30)), mapped('float32'));
});

test('for many runs matrices in float32 are packed where all fit, those of half precision are not', () => {
  const spare = 2 ** 30;
  assert.deepEqual(planned(weights, { runs: 32, spare }), ['packed', 'float32', 'mapped']);
  assert.deepEqual(planned(weights, { runs: 31, spare }), mapped('float32'));
  assert.deepEqual(planned(weights, { runs: 32, spare: 100 }), mapped('float32'));
  assert.deepEqual(planned(halves, { runs: 32, spare }), mapped('bfloat16'));
});
