// A model that others made: SmolLM2-135M-Instruct against transformers and PEFT
// (reference/smollm2.py, which also says how to make its folder). Without the folder, named by
// LORA_SMOLLM2, everything here is skipped.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadLanguageModel } from '../src/checkpoints/hf-folder.ts';
import { textTensors } from '../src/dataset/text/batches.ts';
import { prepareTextData } from '../src/dataset/text/prepare.ts';
import type { Sequence } from '../src/dataset/text/sequences.ts';
import { CachedModel } from '../src/generate/text/cached-model.ts';
import { likeliest } from '../src/generate/text/sampling.ts';
import { createTextGenerator } from '../src/generate/text/text-generator.ts';
import { hashedUniforms } from '../src/models/hashed-weights.test-util.ts';
import { float32, int32, sizeOf, type Tensor } from '../src/tensor/tensor.ts';
import { chatTemplate } from '../src/tokenizer/chat.ts';
import { readTextTokenizer } from '../src/tokenizer/text.ts';
import { trainTextWithBatches, type GivenTextBatch } from '../src/train/text/given-batches.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

interface Golden {
  readonly every: number;
  readonly answers: readonly {
    readonly question: string;
    readonly ids: readonly number[];
    /** Log-probabilities of all tokens of the prompt but the first. */
    readonly scores: readonly number[];
    /** Every `every`th after the prompt, and the largest magnitude of all. */
    readonly logits: readonly number[];
    readonly largest: number;
    readonly tokens: readonly number[];
  }[];
  readonly training: {
    readonly steps: number;
    readonly rows: number;
    readonly warmup: number;
    readonly rate: number;
    readonly rank: number;
    readonly ids: string;
    readonly labels: string;
    readonly losses: readonly number[];
  };
}

const golden: Golden = JSON.parse(readFileSync('reference/golden/smollm2.json', 'utf8'));
const { training } = golden;
const folder = process.env.LORA_SMOLLM2 ?? '';
const skip =
  folder === '' &&
  'LORA_SMOLLM2 names no folder of SmolLM2-135M-Instruct: reference/smollm2.py makes one';

const worst = (found: ArrayLike<number>, wanted: readonly number[]) => {
  assert.equal(found.length, wanted.length);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(found[i] - value)), 0);
};

test(
  'prompts, likelihoods and logits are those of transformers, and so are 24 greedy tokens',
  { skip },
  async (t) => {
    const { config, weights } = loadLanguageModel(folder);
    const tokenizer = readTextTokenizer(folder);
    const template = chatTemplate(tokenizer);
    const generator = createTextGenerator({ model: { config, weights }, tokenizer });
    const model = new CachedModel(config, { runtime: cpuRuntime(), weights });
    for (const { question, ids, scores, logits, largest, tokens } of golden.answers) {
      const prompt = tokenizer.encode(
        template?.render([{ role: 'user', content: question }], true) ?? '',
        { special: false },
      );
      assert.deepEqual([...prompt], ids, question);
      const likelihoods = await generator.scoreTokens({ ids, from: 1 });
      model.reset();
      let next = await model.feed(ids);
      const errors = [
        worst(likelihoods.tokens, scores),
        worst(
          next.filter((_, i) => i % golden.every === 0),
          logits,
        ) / largest,
      ];
      t.diagnostic(`${question}: ${errors.map((error) => error.toExponential(1)).join(', ')}`);
      assert.ok(Math.max(...errors) < 1e-4, `${errors}`);
      const written: number[] = [];
      while (written.length < tokens.length) {
        written.push(likeliest(next));
        next = await model.feed(written.slice(-1));
      }
      assert.deepEqual(written, tokens, question);
    }
    await model.release();
    await generator.release();
  },
);

/** Two samples a step in the order of the file, each batch as long as its longest. */
async function exampleBatches(): Promise<GivenTextBatch[]> {
  const tokenizer = readTextTokenizer(folder);
  const { train } = await prepareTextData({
    sources: [{ path: 'data/customer_service/train.jsonl' }],
    seed: 1,
    tokenizer,
    template: chatTemplate(tokenizer),
    maxSeqLength: 512,
  });
  return Array.from({ length: training.steps }, (_, step) => {
    const rows = Array.from(
      { length: training.rows },
      (_, row) => (step * training.rows + row) % train.length,
    );
    return givenBatch(train, rows);
  });
}

function givenBatch(sequences: readonly Sequence[], rows: readonly number[]): GivenTextBatch {
  const length = Math.max(...rows.map((row) => sequences[row].ids.length));
  const { ids, targets } = textTensors(sequences, {
    epoch: 0,
    rows: rows.map((row) => [row]),
    length,
  });
  const shape = [rows.length, length];
  return {
    input_ids: int32(shape, ids),
    labels: int32(
      shape,
      targets.map((_, i) => (i % length === 0 ? -100 : targets[i - 1])),
    ),
  };
}

/** A by hash, B zero. */
function hashedAdapters(settings: Parameters<typeof trainTextWithBatches>[0]): Map<string, Tensor> {
  const lora = trainTextWithBatches(settings, { batchesAt: () => [] }).lora();
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

const digest = (tensors: readonly Tensor<'int32'>[]) =>
  tensors
    .reduce(
      (hash, { data }) =>
        hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      createHash('sha256'),
    )
    .digest('hex');

test(
  'fifty steps on the example data have the losses of PEFT, from batches that this project makes of the file',
  { skip },
  async (t) => {
    const batches = await exampleBatches();
    assert.equal(digest(batches.map(({ input_ids }) => input_ids)), training.ids);
    assert.equal(digest(batches.map(({ labels }) => labels)), training.labels);
    const settings = {
      base_model: folder,
      max_train_steps: training.steps,
      lora_rank: training.rank,
      learning_rate: training.rate,
      lr_scheduler: 'cosine',
      lr_warmup_steps: training.warmup,
    } as const;
    const losses: number[] = [];
    for await (const { loss } of trainTextWithBatches(settings, {
      batchesAt: (step) => batches[step],
      initial: hashedAdapters(settings),
    }).steps())
      losses.push(loss);
    const error = worst(losses, training.losses);
    t.diagnostic(
      `loss ${losses[0].toFixed(4)} to ${losses[losses.length - 1].toFixed(4)}; ${error.toExponential(1)} apart at most`,
    );
    assert.ok(error < 1e-4, `${error}`);
  },
);
