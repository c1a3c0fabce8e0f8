import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadLanguageModel } from '../../checkpoints/hf-folder.ts';
import { parseConfig } from '../../config/load.ts';
import type { FloatDType } from '../../tensor/half.ts';
import { machineMemory } from '../../runtime/memory.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import { smallLlama, writeSmallLanguageModel } from '../testing/small-language-model.ts';
import { adaptLanguageModel } from './adapted-model.ts';
import { textMemoryPlan } from './memory-plan.ts';

const folder = mkdtempSync(join(tmpdir(), 'memory-plan-'));
after(() => rmSync(folder, { recursive: true }));

function planOf(dtype: FloatDType = 'float32') {
  const path = join(folder, dtype);
  writeSmallLanguageModel(path, { dtype });
  const base = loadLanguageModel(path);
  const { config } = parseConfig({
    task_type: 'text-generation',
    train_data_dir: '.',
    output_dir: 'output',
    base_model: path,
  });
  const shape = { rows: 2, length: 16, trained: 32, packed: false };
  return textMemoryPlan(cpuRuntime(), adaptLanguageModel(base.config, config), base, shape, config);
}

/** Numbers in the matrices: q and o, k and v, the gated layer and its way back, the output head. */
const {
  hidden_size: c,
  intermediate_size: i,
  num_hidden_layers: layers,
  vocab_size: v,
} = smallLlama as Readonly<Record<string, number>> & typeof smallLlama;
const matrices = layers * (2 * c * c + 2 * c * (c / 2) + 3 * c * i) + v * c;

const many = { runs: 1000, spare: Infinity };

test('many runs have the matrices packed, which takes them once more', () =>
  assert.equal(planOf().spentOn(many), 4 * matrices));
test('matrices of half precision are not packed', () =>
  assert.equal(planOf('bfloat16').spentOn(many), 0));

test('a long run packs its weights where the machine has twice the memory', () => {
  const plan = planOf();
  const spare = 4 * matrices;
  assert.equal(plan.spentOn({ runs: 32, spare }), spare);
  assert.equal(plan.spentOn({ runs: 31, spare }), 0);
  assert.equal(plan.spentOn({ runs: 32, spare: spare - 1 }), 0);
  assert.equal(plan.spare, Math.max(0, machineMemory() / 2 - plan.bytes));
});
