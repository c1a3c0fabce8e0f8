// Small runs of both tasks with everything that a run can have: validation, previews, checkpoints,
// copies, and states that are saved often.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePictures, writeSmallBase } from '../../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../../src/train/testing/small-language-model.ts';

export type Task = 'text-generation' | 'image';

/** A run that is always the same. */
export interface SmallRun {
  readonly task: Task;
  readonly root: string;
  readonly steps: number;
  /** Steps after which there is a look: validation, previews. */
  readonly looksAt: readonly number[];
  /** Of a folder of this name: its run's folder, and the arguments that train there. */
  at(name: string): string;
  args(name: string, more?: Readonly<Record<string, unknown>>): string[];
}

const common = { lora_rank: 2, save_minutes: 0.005, learning_rate: 1e-3, num_threads: 1 };

function texts(root: string): Readonly<Record<string, unknown>> {
  writeSmallLanguageModel(join(root, 'base'));
  const data = join(root, 'texts.jsonl');
  const answer = (n: number) => ({ prompt: `hat ${n}?`, completion: `hat ${n} is here.` });
  writeFileSync(data, Array.from({ length: 40 }, (_, n) => JSON.stringify(answer(n))).join('\n'));
  return {
    task_type: 'text-generation',
    train_data_dir: data,
    ...{ max_train_steps: 80, save_steps: 20, lora_dropout: 0.1, max_seq_length: 96 },
    ...{ validation_split: 0.1, validation_steps: 20, sample_prompts: ['hat 3?'] },
    ...{ sample_every: 20, sample_max_tokens: 4 },
  };
}

async function pictures(root: string): Promise<Readonly<Record<string, unknown>>> {
  writeSmallBase(join(root, 'base'));
  await writePictures(join(root, 'pictures'), [
    [64, 64],
    [64, 64],
    [32, 128],
  ]);
  return {
    task_type: 'image',
    train_data_dir: join(root, 'pictures'),
    ...{ max_train_steps: 32, save_steps: 8, bucket_reso_steps: 32, validation_split: 0.3 },
    ...{ sample_prompts: ['a cat'], sample_every: 8, sample_steps: 2 },
  };
}

/** With its base model and its data in `root`. */
export async function smallRun(root: string, task: Task): Promise<SmallRun> {
  mkdirSync(root, { recursive: true });
  const own = task === 'image' ? await pictures(root) : texts(root);
  const settings = { ...own, base_model: join(root, 'base'), ...common };
  const [steps, every] = [Number(own['max_train_steps']), Number(own['sample_every'])];
  const at = (name: string) => join(root, name, 'neon');
  return {
    ...{ task, root, steps, at },
    looksAt: Array.from({ length: steps / every }, (_, i) => (i + 1) * every),
    args: (name, more = {}) => {
      const config = join(root, `${name}.yaml`);
      const place = { output_dir: at(name), backup_dir: join(root, name, 'backup') };
      mkdirSync(join(root, name), { recursive: true });
      const given = Object.entries({ ...settings, ...place, ...more }).filter(
        ([, value]) => value !== undefined,
      );
      writeFileSync(
        config,
        given.map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`).join(''),
      );
      return ['train', '--config', config];
    },
  };
}
