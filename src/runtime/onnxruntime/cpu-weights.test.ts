// How the processor keeps a language model's weights.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepGraph } from '../../generate/text/step-graph.ts';
import { tinyModel } from '../../generate/text/tiny-models.test-util.ts';
import { fromFloat32 } from '../../tensor/half.ts';
import type { Weights } from '../../tensor/weights.ts';
import type { WeightOptions } from '../backend.ts';
import { place } from '../lowering.ts';
import { cpu } from './cpu.ts';

const { config, weights } = tinyModel('qwen2');
const halves: Weights = new Map(
  [...weights].map(([key, tensor]) => [key, fromFloat32(tensor, 'bfloat16')]),
);

function planned(of: Weights, options: WeightOptions) {
  const plan = cpu.plan(place(stepGraph(config, { tokens: 1, capacity: 1 }), of, cpu), options);
  const q = plan.get('model.layers.0.self_attn.q_proj.weight');
  const norm = plan.get('model.norm.weight');
  return [q?.how, q?.dtype, norm?.how];
}

test('weights stay in their files where nothing else is asked for', () => {
  assert.deepEqual(planned(weights, {}), ['mapped', 'float32', 'mapped']);
  assert.deepEqual(planned(halves, {}), ['mapped', 'bfloat16', 'mapped']);
});

test('matrices of half precision are copied where all copies fit, not others', () => {
  const float32Copies = 2 ** 30;
  assert.deepEqual(planned(halves, { float32Copies }), ['float32', 'float32', 'mapped']);
  assert.deepEqual(planned(halves, { float32Copies: 100 }), ['mapped', 'bfloat16', 'mapped']);
  assert.deepEqual(planned(weights, { float32Copies }), ['mapped', 'float32', 'mapped']);
});

test('matrices in float32 are packed, those of half precision are not', () => {
  assert.deepEqual(planned(weights, { packWeights: true }), ['packed', 'float32', 'mapped']);
  assert.deepEqual(planned(halves, { packWeights: true }), ['mapped', 'bfloat16', 'mapped']);
});
