import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadLanguageModel } from '../../checkpoints/hf-folder.ts';
import { parseConfig } from '../../config/load.ts';
import type { FloatDType } from '../../tensor/half.ts';
import { smallLlama, writeSmallLanguageModel } from '../testing/small-language-model.ts';
import { adaptLanguageModel } from './adapted-model.ts';
import { textMemoryPlan, type MemoryPlanOptions } from './memory-plan.ts';

const folder = mkdtempSync(join(tmpdir(), 'memory-plan-'));
after(() => rmSync(folder, { recursive: true }));

const GIB = 2 ** 30;

function planOf(options: Partial<MemoryPlanOptions>, dtype: FloatDType = 'float32') {
  const path = join(folder, dtype);
  writeSmallLanguageModel(path, { dtype });
  const base = loadLanguageModel(path);
  const { config } = parseConfig({ task_type: 'text-generation', train_data_dir: '.', output_dir: 'output', base_model: path });
  const shape = { rows: 2, length: 16, trained: 32, packed: false };
  return textMemoryPlan(adaptLanguageModel(base.config, config), base, shape, config, { alone: true, runs: 100, machine: 8 * GIB, ...options });
}

/** Numbers in the matrices: q and o, k and v, the gated layer and its way back, the output head. */
const { hidden_size: c, intermediate_size: i, num_hidden_layers: layers, vocab_size: v } = smallLlama as Readonly<Record<string, number>> & typeof smallLlama;
const matrices = layers * (2 * c * c + 2 * c * (c / 2) + 3 * c * i) + v * c;

test('a long run of one shape packs its weights, and the estimate holds the copies', () => {
  const packed = planOf({});
  assert.equal(packed.packWeights, true);
  assert.equal(packed.bytes - planOf({ runs: 10 }).bytes, 4 * matrices);
});

for (const [why, options] of Object.entries<Partial<MemoryPlanOptions>>({
  'the run is short': { runs: 10 },
  'several programs share the memory': { alone: false },
  'the machine is small': { machine: 0.4 * GIB },
})) test(`weights stay in their file where ${why}`, () => assert.equal(planOf(options).packWeights, false));

test('weights of half precision stay in their file', () => assert.equal(planOf({}, 'bfloat16').packWeights, false));
