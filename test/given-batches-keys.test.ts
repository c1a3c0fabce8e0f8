// Every key of the configuration where the caller gives the batches: it changes what is trained, or
// it is refused; none is ignored in silence.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { configJsonSchema, configKeys, type ConfigKey } from '../src/config/schema.ts';
import { ConfigError } from '../src/errors.ts';
import type { LoraWeights } from '../src/adapter-files/lora.ts';
import { hashedUniforms } from '../src/models/hashed-weights.test-util.ts';
import { float32, int32 } from '../src/tensor/tensor.ts';
import { refusedForBatches } from '../src/train/given-settings.ts';
import { trainWithBatches } from '../src/train/image/given-batches.ts';
import type { StepResult } from '../src/train/loop.ts';
import { trainTextWithBatches } from '../src/train/text/given-batches.ts';
import { writeSmallBase } from '../src/train/testing/small-base.ts';
import { keysOf, type Settings } from './keys.test-util.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'given-keys-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const pictures = join(folder, 'pictures');
writeSmallBase(pictures, { tokens: 77 });
const texts = join(folder, 'texts');
writeSmallLanguageModel(texts);

type Training = {
  steps(): AsyncGenerator<StepResult>;
  lora(): LoraWeights[];
};

const STEPS = 3;
const paths: Readonly<Record<'image' | 'text-generation', (settings: Settings) => Training>> = {
  image: (settings) =>
    trainWithBatches(
      { base_model: pictures, max_train_steps: STEPS, num_threads: 1, lora_rank: 2, ...settings },
      {
        batchesAt: (step) => ({
          latents: float32([1, 4, 8, 8], hashedUniforms(`latents ${step}`, 256)),
          noise: float32([1, 4, 8, 8], hashedUniforms(`noise ${step}`, 256)),
          timesteps: [20],
          input_ids: int32([1, 6], [1, 5, 9, 2, 7, 3]),
        }),
      },
    ),
  'text-generation': (settings) =>
    trainTextWithBatches(
      { base_model: texts, max_train_steps: STEPS, num_threads: 1, lora_rank: 2, ...settings },
      {
        batchesAt: () => ({
          input_ids: int32([1, 6], [1, 5, 9, 2, 7, 3]),
          labels: int32([1, 6], [-100, 5, 9, 2, 7, 3]),
        }),
      },
    ),
};

const keys = keysOf(folder);

/** Keys that change no number, or not here, and why. */
const noNumber: { readonly [K in ConfigKey]?: string } = {
  task_type: 'the functions are for one task each; another is refused (below)',
  base_model: 'where the weights are: without it nothing begins',
  use_ema: 'of a single file with both; src/checkpoints/stable-diffusion.test.ts',
  gradient_checkpointing: 'the same numbers in less memory; src/autodiff/recompute.test.ts',
  device: 'what computes',
  num_threads: 'how many threads compute',
};

/** Everything that a training gives, as text. */
async function resultOf(training: Training): Promise<string> {
  const steps: StepResult[] = [];
  for await (const step of training.steps()) steps.push(step);
  const lora = training
    .lora()
    .map(({ path, alpha, down, up }) => [path, alpha, [...down.data], [...up.data]]);
  return JSON.stringify([steps, lora]);
}

/** A value that the schema takes and that is not the default. */
function otherValue(key: ConfigKey): unknown {
  const { type, enum: words, default: standard, minimum = 0 } = configJsonSchema.properties[key];
  if (words !== undefined) return words.find((word) => word !== standard);
  if (type === 'boolean') return standard !== true;
  if (type === 'integer') return Math.max(minimum, 64);
  if (type === 'number') return 0.5;
  if (type === 'array') return ['x'];
  return { resolution: 64, min_bucket_reso: 64 }[key as string] ?? '.';
}

const isFor = (task: string, key: ConfigKey): boolean =>
  (configJsonSchema.properties[key].task ?? task) === task;

for (const task of ['image', 'text-generation'] as const) {
  const plain = new Map<string, Promise<string>>();
  const plainOf = (beside: Settings = {}) => {
    const name = JSON.stringify(beside);
    const known = plain.get(name) ?? resultOf(paths[task](beside));
    plain.set(name, known);
    return known;
  };

  for (const key of configKeys) {
    const refused = !isFor(task, key) || refusedForBatches[key] !== undefined;
    if (refused)
      test(`${task}: ${key} is refused beside given batches`, () => {
        const value = otherValue(key);
        // a switch that is off by default cannot be told from one that is left out
        const given = value === false ? { [key]: true } : { [key]: value };
        assert.throws(
          () => paths[task](given),
          (error) =>
            error instanceof ConfigError &&
            error.problems.some(({ where }) => where.startsWith(key)),
        );
      });
    else if (noNumber[key] === undefined)
      test(`${task}: ${key} changes what is trained on given batches`, async () => {
        const { value, beside } = keys[key];
        const changed = await resultOf(paths[task]({ ...beside, [key]: value }));
        assert.notEqual(changed, await plainOf(beside));
      });
  }
}

test('batches for one task refuse the other task, and a run of no length', () => {
  for (const [task, other] of [
    ['image', 'text-generation'],
    ['text-generation', 'image'],
  ] as const)
    assert.throws(() => paths[task]({ task_type: other }), /these batches are for task_type: /);
  assert.throws(() => paths.image({ max_train_steps: undefined }), /decides how long the run is/);
});

test('trainWithBatches weighs its loss by min_snr_gamma: at timestep 20 five is less than none', async () => {
  const lossWith = async (min_snr_gamma: number): Promise<number> => {
    for await (const { loss } of paths.image({ min_snr_gamma }).steps()) return loss;
    return assert.fail('no step');
  };
  const [all, weighed] = [await lossWith(0), await lossWith(5)];
  assert.ok(weighed < all / 2, `${weighed} of ${all}`);
});
