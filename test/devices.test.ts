// Short runs of both tasks on every device: losses, adapters and answers are those of the
// processor, whatever the precision of the base.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openSafetensors, readFloat32 } from '../src/checkpoints/safetensors-file.ts';
import { parseConfig, train, type TrainEvent } from '../src/index.ts';
import { testedBackends } from '../src/runtime/testing/backends.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'lora-devices-'));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
const embedded = (name: string) => fileURLToPath(new URL(`../models/${name}`, import.meta.url));

writeSmallBase(join(root, 'sd-bfloat16'), { dtype: 'bfloat16' });
for (const dtype of ['float32', 'bfloat16'] as const)
  writeSmallLanguageModel(join(root, `llm-${dtype}`), { dtype });
await writePictures(join(root, 'pictures'), [[64, 64]]);
const turn = (role: string, content: string) => ({ role, content });
const text = [turn('user', 'where is my hat?'), turn('assistant', 'your hat is on the way, dear.')];
writeFileSync(join(root, 'texts.jsonl'), `${JSON.stringify({ messages: text })}\n`);

const STEPS = 2;
const common = {
  max_train_steps: STEPS,
  save_steps: 1,
  lora_rank: 4,
  num_threads: 1,
  seed: 5,
  tensorboard: false,
};
const pictures = {
  ...common,
  train_data_dir: join(root, 'pictures'),
  resolution: 64,
  bucket_reso_steps: 32,
  learning_rate: 1e-4,
};
const texts = {
  ...common,
  task_type: 'text-generation',
  train_data_dir: join(root, 'texts.jsonl'),
  max_seq_length: 96,
  learning_rate: 1e-3,
  sample_prompts: ['where is my box?'],
  sample_max_tokens: 8,
  sample_temperature: 0,
};

interface Outcome {
  readonly device: string;
  readonly losses: readonly number[];
  /** By file and key. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** With the adapter and without. */
  readonly answers: readonly (string | undefined)[];
}

async function outcome(settings: object, name: string, device: string): Promise<Outcome> {
  const output_dir = join(root, `${name}-${device}`);
  const events: TrainEvent[] = [];
  for await (const event of train(parseConfig({ ...settings, output_dir, device })))
    events.push(event);
  const saved = events.flatMap((event) => (event.type === 'saved' ? event.files : []));
  return {
    device: JSON.parse(readFileSync(join(output_dir, 'run.json'), 'utf8')).device,
    losses: events.flatMap((event) => (event.type === 'step' ? [event.loss] : [])),
    tensors: new Map(
      saved
        .filter((file) => file.endsWith('.safetensors'))
        .flatMap((file, i) => tensorsOf(file, i)),
    ),
    answers: events.flatMap((event) =>
      event.type === 'sample' ? [event.answer, event.baseAnswer] : [],
    ),
  };
}

const tensorsOf = (path: string, i: number) =>
  [...openSafetensors(path).tensors].map(
    ([key, tensor]) => [`${i} ${key}`, readFloat32(tensor).data] as const,
  );

/** |x − y| / |y|, of all tensors together. */
function difference(found: Outcome, expected: Outcome): number {
  let [apart, all] = [0, 0];
  assert.deepEqual([...found.tensors.keys()], [...expected.tensors.keys()]);
  for (const [key, wanted] of expected.tensors) {
    const values = found.tensors.get(key) ?? assert.fail(key);
    wanted.forEach((value, i) => {
      apart += (values[i] - value) ** 2;
      all += value ** 2;
    });
  }
  return Math.sqrt(apart / all);
}

/**
 * Of a loss as a part of itself, of an adapter as a part of its norm. Measured on SwiftShader: 1e-6
 * and 4e-6; where a gradient is near 0, the optimiser makes a step of either sign of it.
 */
const TOLERANCES = { loss: 1e-5, adapter: 1e-3 };

interface Case {
  readonly name: string;
  readonly settings: object;
}

/** The embedded bases are in float16; each precision of weights: src/runtime/backends.test.ts. */
const cases: readonly Case[] = [
  { name: 'tiny-sd', settings: { ...pictures, base_model: embedded('tiny-sd') } },
  { name: 'tiny-llm', settings: { ...texts, base_model: embedded('tiny-llm') } },
  { name: 'sd-bfloat16', settings: { ...pictures, base_model: join(root, 'sd-bfloat16') } },
  { name: 'llm-float32', settings: { ...texts, base_model: join(root, 'llm-float32') } },
  { name: 'llm-bfloat16', settings: { ...texts, base_model: join(root, 'llm-bfloat16') } },
];

// held for all runs, so that its shaders are
const [cpu, card] = await testedBackends();

for (const { name, settings } of cases)
  test(
    `${name} on ${card.name} has the losses, adapter and answers of ${cpu.name}`,
    { skip: card.skip },
    async (t) => {
      const expected = await outcome(settings, name, cpu.name);
      const found = await outcome(settings, name, card.name);
      assert.equal(found.device, card.name);
      assert.equal(found.losses.length, STEPS);
      const losses = found.losses.map((loss, i) => Math.abs(loss / expected.losses[i] - 1));
      const adapter = difference(found, expected);
      t.diagnostic(
        `losses ${losses.map((x) => x.toExponential(1)).join(' ')}, adapter ${adapter.toExponential(1)}`,
      );
      assert.ok(Math.max(...losses) <= TOLERANCES.loss, `${losses}`);
      assert.ok(adapter <= TOLERANCES.adapter, `${adapter}`);
      assert.deepEqual(found.answers, expected.answers);
    },
  );
