import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CheckpointError, SystemError } from '../../errors.ts';
import { writePeftFolder } from '../../adapter-files/peft.ts';
import { hashedUniforms } from '../../models/hashed-weights.test-util.ts';
import { float32, int32, sizeOf, type Tensor } from '../../tensor/tensor.ts';
import { narrowCard } from '../../runtime/testing/narrow-card.ts';
import { writeSmallLanguageModel } from '../testing/small-language-model.ts';
import type { StepResult } from '../loop.ts';
import {
  trainTextWithBatches,
  type GivenTextBatch,
  type GivenTextSettings,
} from './given-batches.ts';

interface Case {
  readonly name: string;
  readonly model: { readonly model_type: string };
  readonly lora: {
    readonly r: number;
    readonly lora_alpha: number;
    readonly target_modules: string | string[];
    readonly use_rslora?: boolean;
    readonly rank_pattern?: Record<string, number>;
    readonly alpha_pattern?: Record<string, number>;
  };
  readonly accumulation: number;
  readonly modules: number;
  readonly losses: readonly number[];
  readonly gradient_norms: readonly number[];
}

interface Golden {
  readonly steps: number;
  readonly warmup: number;
  readonly rate: number;
  readonly rows: number;
  readonly vocabulary: number;
  readonly lengths: readonly number[];
  readonly sizes: Readonly<Record<string, unknown>>;
  readonly cases: readonly Case[];
}

/** Made by reference/train_text_lora.py, which holds the same numbers. */
const golden: Golden = JSON.parse(readFileSync('reference/golden/train_text_lora.json', 'utf8'));

const folder = mkdtempSync(join(tmpdir(), 'given-text-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const below = (name: string, limit: number, count: number) =>
  Int32Array.from(hashedUniforms(name, count), (u) => Math.floor(((u + 1) / 2) * limit));

function batch(index: number): GivenTextBatch {
  const shape = [golden.rows, golden.lengths[Math.floor(index / 3) % golden.lengths.length]];
  const ids = below(`text.ids.${index}`, golden.vocabulary, sizeOf(shape));
  const trained = below(`text.trained.${index}`, 3, sizeOf(shape));
  return {
    input_ids: int32(shape, ids),
    labels: int32(
      shape,
      ids.map((id, i) => (trained[i] > 0 ? id : -100)),
    ),
  };
}

function baseOf(one: Case): string {
  const path = join(folder, one.model.model_type);
  writeSmallLanguageModel(path, { config: { ...golden.sizes, ...one.model } });
  return path;
}

const settingsOf = ({ lora, ...one }: Case, base_model = ''): GivenTextSettings => ({
  base_model: base_model || baseOf({ lora, ...one }),
  max_train_steps: golden.steps,
  num_threads: 1,
  learning_rate: golden.rate,
  lr_scheduler: 'cosine',
  lr_warmup_steps: golden.warmup,
  lora_rank: lora.r,
  lora_alpha: lora.lora_alpha,
  target_modules: lora.target_modules,
  use_rslora: lora.use_rslora ?? false,
  rank_pattern: lora.rank_pattern ?? {},
  alpha_pattern: lora.alpha_pattern ?? {},
});

const batchesOf =
  ({ accumulation }: Case) =>
  (step: number) =>
    Array.from({ length: accumulation }, (_, i) => batch(step * accumulation + i));

/** A by hash, B zero. */
function hashedAdapters(settings: GivenTextSettings): Map<string, Tensor> {
  const lora = trainTextWithBatches(settings, { batchesAt: batch }).lora();
  return new Map(
    lora.map(({ path, down: { shape } }) => {
      const name = `${path}.lora_down.weight`;
      const bound = Math.fround(1 / Math.sqrt(shape[1]));
      return [
        name,
        float32(
          shape,
          hashedUniforms(name, sizeOf(shape)).map((u) => u * bound),
        ),
      ] as const;
    }),
  );
}

async function stepsOf(
  settings: GivenTextSettings,
  batchesAt: (step: number) => readonly GivenTextBatch[] | GivenTextBatch,
): Promise<StepResult[]> {
  const results: StepResult[] = [];
  for await (const result of trainTextWithBatches(settings, {
    batchesAt,
    initial: hashedAdapters(settings),
  }).steps())
    results.push(result);
  return results;
}

const relative = (found: number, wanted: number) => Math.abs(found - wanted) / wanted;

for (const one of golden.cases) {
  test(`fifty steps have the losses of PEFT and transformers: ${one.name}`, async () => {
    const settings = settingsOf(one);
    assert.equal(hashedAdapters(settings).size, one.modules);
    const results = await stepsOf(settings, batchesOf(one));
    const worst = {
      loss: Math.max(...results.map(({ loss }, i) => relative(loss, one.losses[i]))),
      norm: Math.max(
        ...results.map(({ gradNorm }, i) => relative(gradNorm, one.gradient_norms[i])),
      ),
    };
    if (process.env.SHOW_ERRORS) console.log(worst);
    // measured: 1.3e-7 and 1.8e-7 for the losses, 5e-7 and 1.3e-5 for the norms (float32 here,
    // float64 there)
    assert.ok(worst.loss < 3e-6, `worst relative error of a loss: ${worst.loss}`);
    assert.ok(worst.norm < 3e-5, `worst relative error of a gradient's norm: ${worst.norm}`);
  });
}

const [llama] = golden.cases;
const short = (one: Case): GivenTextSettings => ({ ...settingsOf(one), max_train_steps: 3 });

test('four batches of one row accumulated are one batch of four rows', async () => {
  const rows = Array.from({ length: 4 }, (_, i) => row(batch(Math.floor(i / 2)), i % 2));
  const whole = {
    input_ids: stacked(rows.map(({ input_ids }) => input_ids)),
    labels: stacked(rows.map(({ labels }) => labels)),
  };
  const [one, four] = [
    await stepsOf(short(llama), () => whole),
    await stepsOf(short(llama), () => rows),
  ];
  one.forEach(({ loss, gradNorm }, i) => {
    assert.ok(relative(four[i].loss, loss) < 1e-6, `${four[i].loss} and ${loss}`);
    assert.ok(relative(four[i].gradNorm, gradNorm) < 1e-5, `${four[i].gradNorm} and ${gradNorm}`);
  });
});

test('checkpointing of layers changes no bit', async () => {
  const [plain, again] = [
    await stepsOf(short(llama), batchesOf(llama)),
    await stepsOf({ ...short(llama), gradient_checkpointing: true }, batchesOf(llama)),
  ];
  assert.deepEqual(again, plain);
});

test('begins from a PEFT folder, and refuses one of another rank', () => {
  const path = join(folder, 'peft');
  const modules = trainTextWithBatches(
    { ...settingsOf(llama), seed: 5 },
    { batchesAt: batch },
  ).lora();
  writePeftFolder(path, { modules, rslora: false, dtype: 'float32' });
  const again = trainTextWithBatches(settingsOf(llama), { batchesAt: batch, initial: path }).lora();
  assert.deepEqual(
    again.map(({ down }) => down.data),
    modules.map(({ down }) => down.data),
  );
  assert.throws(
    () =>
      trainTextWithBatches(
        { ...settingsOf(llama), lora_rank: 3 },
        { batchesAt: batch, initial: path },
      ),
    (error) => error instanceof CheckpointError && /should be \[3,/.test(error.message),
  );
});

function row({ input_ids, labels }: GivenTextBatch, i: number): GivenTextBatch {
  const of = ({ data, shape: [, length] }: Tensor<'int32'>) =>
    int32([1, length], data.subarray(i * length, (i + 1) * length));
  return { input_ids: of(input_ids), labels: of(labels) };
}

function stacked(rows: readonly Tensor<'int32'>[]): Tensor<'int32'> {
  return int32(
    [rows.length, rows[0].shape[1]],
    rows.flatMap(({ data }) => [...data]),
  );
}

test('given batches of tokens that have no room on the card were begun there all the same', async () => {
  const first = (memory: number, device?: 'auto' | 'webgpu') => {
    const short = {
      ...settingsOf(golden.cases[0]),
      device,
      max_train_steps: 1,
      lr_warmup_steps: 0,
    };
    return trainTextWithBatches(short, { batchesAt: batch, open: narrowCard(memory) })
      .steps()
      .next();
  };
  const roomy = await first(2 ** 34);
  assert.equal(roomy.done, false);
  for (const device of [undefined, 'auto'] as const)
    assert.deepEqual(await first(2 ** 10, device), roomy);
  await assert.rejects(first(2 ** 10, 'webgpu'), (error) => {
    assert.ok(error instanceof SystemError);
    assert.match(error.message, /^device: .*too much for.*Give smaller batches/s);
    return true;
  });
});
