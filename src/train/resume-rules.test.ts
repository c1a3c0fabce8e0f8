// Which settings may change, and in which words a refusal is said.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/load.ts';
import { configKeys } from '../config/schema.ts';
import { changedSettings, recordedSettings, resumeRules } from './resume-rules.ts';

const job = (settings: object) =>
  parseConfig({ base_model: 'models', train_data_dir: 'data', output_dir: 'o', ...settings });

test('every key has a rule; what makes the weights, the data and the loss is fixed', () => {
  assert.deepEqual(Object.keys(resumeRules).sort(), [...configKeys].sort());
  const free = configKeys.filter((key) => resumeRules[key] === 'free');
  for (const key of free) assert.doesNotMatch(key, /rank|alpha|target|^seed|batch|^train_/, key);
});

test('paths may be written otherwise: what lies there is compared elsewhere', () => {
  const before = recordedSettings(job({}).published);
  const moved = { base_model: './models', train_data_dir: './data/brand_style', output_dir: './o' };
  assert.deepEqual(changedSettings(before, job({ ...moved, output_name: 'o' })), []);
});

test('all that differs is refused in one error, free settings aside', () => {
  const before = recordedSettings(job({ lora_rank: 8 }).published);
  assert.throws(
    () => changedSettings(before, job({ lora_rank: 4, lora_alpha: 8, seed: 1, epochs: 3 })),
    ({ problems }: { problems: { where: string }[] }) => {
      assert.deepEqual(
        problems.map(({ where }) => where),
        ['seed', 'lora_rank'],
      );
      return true;
    },
  );
});
