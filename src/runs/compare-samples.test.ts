// The samples of a comparison are those that a generator of one's own gives.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { writeKohyaLora } from '../adapter-files/kohya.ts';
import { writeTinyModel } from '../export/language-model.test-util.ts';
import { smallConfig } from '../models/small-configs.test-util.ts';
import { float32 } from '../tensor/tensor.ts';
import { writeSmallBase } from '../train/testing/small-base.ts';
import { compareSamples, type ComparedSamples, type SampleOptions } from './compare-samples.ts';
import { compareRuns, type Comparison } from './compare.ts';
import { makeRun, testFolder } from './made-run.test-util.ts';
import { namedRun } from './run-names.ts';

async function samplesOf(comparison: Comparison, options: SampleOptions): Promise<ComparedSamples> {
  const events = compareSamples(comparison, { device: 'cpu', threads: 1, ...options });
  let last = 0;
  for (;;) {
    const next = await events.next();
    if (next.done === true) return next.value;
    assert.ok(next.value.total === 0 || next.value.done >= last);
    last = next.value.done;
  }
}

/** Numbers that are not all alike. */
const numbers = (shape: readonly number[], scale: number) => {
  const count = shape.reduce((product, one) => product * one, 1);
  return float32(
    shape,
    Float32Array.from({ length: count }, (_, i) => scale * Math.sin(i * 12.9898)),
  );
};

test('the same prompts and seeds are drawn without an adapter, with the first and with the second', async (t) => {
  const dir = testFolder(t);
  writeSmallBase(join(dir, 'base'));
  const settings = {
    sample_steps: 2,
    sample_cfg: 2,
    sample_seed: 5,
    sample_prompts: ['a lamp', 'a cup'],
  };
  const path = 'text_encoder.text_model.encoder.layers.0.self_attn.q_proj';
  const made = (name: string, strength: number) => {
    const run = makeRun(join(dir, name), { name, result: 400, settings, facts: { base: 'base' } });
    const size = smallConfig.textEncoder.hidden_size;
    const bytes = writeKohyaLora({
      modules: [{ path, down: numbers([2, size], 1), up: numbers([size, 2], strength), alpha: 2 }],
      metadata: {},
      dtype: 'float32',
    });
    writeFileSync(join(run, `${name}.safetensors`), bytes);
    return namedRun(run);
  };
  const comparison = compareRuns(made('weak', 0), made('strong', 9));
  const { columns, rows } = await samplesOf(comparison, {}); // the base lies above the runs
  assert.deepEqual(columns, ['without an adapter', 'weak', 'strong']);
  assert.deepEqual(
    rows.map(({ prompt, seed }) => [prompt, seed]),
    [
      ['a lamp', 5],
      ['a lamp', 6],
      ['a cup', 5],
      ['a cup', 6],
    ],
  );
  for (const { cells } of rows) {
    const [without, weak, strong] = cells.map((cell) => cell.kind === 'picture' && cell.png);
    assert.deepEqual(weak, without); // its strength is 0
    assert.notDeepEqual(strong, without);
  }
  const [own] = (await samplesOf(comparison, { prompts: ['a cup'] })).rows;
  assert.deepEqual(own, rows[2]);
});

test('the same prompts are answered without an adapter, with the first and with the second', async (t) => {
  const dir = testFolder(t);
  writeTinyModel(join(dir, 'base'), 'llama');
  const settings = { sample_max_tokens: 6 };
  const made = (name: string, strength: number) => {
    const run = makeRun(join(dir, name), {
      name,
      task: 'text-generation',
      steps: [7],
      settings,
      facts: { base: 'base' },
    });
    mkdirSync(join(run, 'checkpoint-7'), { recursive: true });
    writePeftFolder(join(run, 'checkpoint-7'), {
      modules: [
        {
          path: 'model.layers.0.self_attn.q_proj',
          down: numbers([4, 64], 1),
          up: numbers([64, 4], strength),
          alpha: 4,
        },
      ],
      rslora: false,
      dtype: 'float32',
      baseModel: join(dir, 'base'),
    });
    return namedRun(`${run}@7`);
  };
  const { rows } = await samplesOf(compareRuns(made('weak', 0), made('strong', 50)), {
    prompts: ['hello', 'a cup'],
  });
  assert.equal(rows.length, 2);
  for (const { cells, seed } of rows) {
    const [without, weak] = cells.map((cell) => cell.kind === 'answer' && cell.text);
    assert.equal(seed, undefined);
    assert.equal(weak, without);
  }
  assert.ok(
    rows.some(
      ({ cells: [without, , strong] }) => JSON.stringify(without) !== JSON.stringify(strong),
    ),
  );
});
