// A run that is killed at random moments, beside the same run left alone: kills survived, what
// differs at the end, steps that were computed again.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killedRun, remains, type Settings } from '../src/train/testing/killed-runs.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    task: { type: 'string', default: 'text-generation' },
    'save-minutes': { type: 'string', default: '0.005' },
  },
});
const [kills, seed, save_minutes] = [values.kills, values.seed, values['save-minutes']].map(Number);
const root = mkdtempSync(join(tmpdir(), 'survival-'));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const common = { lora_rank: 2, save_minutes, learning_rate: 1e-3, num_threads: 1 };

function texts(): Settings {
  writeSmallLanguageModel(join(root, 'base'));
  const data = join(root, 'texts.jsonl');
  const answer = (n: number) => ({ prompt: `hat ${n}?`, completion: `hat ${n} is here.` });
  writeFileSync(data, Array.from({ length: 40 }, (_, n) => JSON.stringify(answer(n))).join('\n'));
  return {
    task_type: 'text-generation',
    base_model: join(root, 'base'),
    train_data_dir: data,
    ...{ max_train_steps: 400, save_steps: 50, lora_dropout: 0.1, max_seq_length: 96 },
    ...{ validation_split: 0.1, validation_steps: 20, sample_prompts: ['hat 3?'] },
    ...{ sample_every: 60, sample_max_tokens: 4, ...common },
  };
}

async function pictures(): Promise<Settings> {
  writeSmallBase(join(root, 'base'));
  await writePictures(join(root, 'pictures'), [
    [64, 64],
    [64, 64],
    [32, 128],
  ]);
  return {
    base_model: join(root, 'base'),
    train_data_dir: join(root, 'pictures'),
    ...{ max_train_steps: 60, save_steps: 10, bucket_reso_steps: 32, validation_split: 0.3 },
    ...{ sample_prompts: ['a cat'], sample_every: 15, sample_steps: 2, ...common },
  };
}

const settings = values.task === 'image' ? await pictures() : texts();
const at = (name: string) => join(root, name, 'neon');
const of = (name: string) => ({ ...settings, output_dir: at(name) });
try {
  const whole = await killedRun({ settings: of('whole'), kills: 0, within: 0, seed });
  const perStart = (1000 * whole.seconds) / 6;
  const killed = await killedRun({ settings: of('killed'), kills, within: perStart, seed });
  const [before, after] = [remains(at('whole')), remains(at('killed'))];
  const differing = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => before[name] !== after[name],
  );
  console.table({
    'kills survived': killed.killed,
    'failure at the end': killed.failure ?? 'none',
    'files compared': Object.keys(before).length,
    'files that differ': differing.join(', ') || 0,
    'steps of the run': whole.computed,
    'steps computed again': killed.computed - whole.computed,
    'seconds without kills': whole.seconds.toFixed(1),
    'seconds with them': killed.seconds.toFixed(1),
  });
  process.exitCode = differing.length > 0 || killed.failure !== undefined ? 1 : 0;
} finally {
  rmSync(root, { recursive: true, force: true });
}
