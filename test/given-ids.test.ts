// Ids in batches that the caller gives: none, masked or not, reaches the model beyond its
// embeddings. ONNX Runtime itself takes -1 for the last row, without a word.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DataError, UserError } from '../src/errors.ts';
import { openStableDiffusion } from '../src/generate/stable-diffusion.ts';
import { float32, int32 } from '../src/tensor/tensor.ts';
import { trainWithBatches } from '../src/train/image/given-batches.ts';
import { trainTextWithBatches, type GivenTextBatch } from '../src/train/text/given-batches.ts';
import { writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';

const root = mkdtempSync(join(tmpdir(), 'given-ids-'));
after(() => rmSync(root, { recursive: true, force: true }));
writeSmallLanguageModel(root);
const common = { max_train_steps: 1, lora_rank: 2, num_threads: 1, learning_rate: 1e-3 };

async function textLoss(batch: GivenTextBatch): Promise<number> {
  const settings = { ...common, base_model: root };
  const steps = trainTextWithBatches(settings, { batchesAt: () => batch }).steps();
  const { value } = await steps.next();
  assert.ok(value);
  return value.loss;
}

const textBatch = (
  ids: readonly number[],
  labels: readonly number[],
  mask?: readonly number[],
) => ({
  input_ids: int32([1, ids.length], ids),
  labels: int32([1, ids.length], labels),
  ...(mask !== undefined && { attention_mask: int32([1, ids.length], mask) }),
});

const named = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof DataError, String(error));
  assert.match(error.message, pattern);
  return true;
};

test('texts: ids and labels beyond the embeddings are named with batch, step, row and column', async () => {
  for (const id of [64, 5000, -1, -64])
    await assert.rejects(
      textLoss(textBatch([5, 6, id], [5, 6, 7])),
      named(
        new RegExp(`batch 0 of step 0, input_ids: has the id ${id} in row 0, column 2; .* 0 to 63`),
      ),
    );
  await assert.rejects(textLoss(textBatch([5, 6, 7], [5, 6, -1])), named(/labels: has the id -1/));
});

test('texts: ids under an attention_mask of 0 may be anything, and change no loss', async () => {
  const [labels, mask] = [
    [-100, 6, 7, -100, -100],
    [1, 1, 1, 0, 0],
  ];
  const expected = await textLoss(textBatch([5, 6, 7, 0, 0], labels, mask));
  for (const pad of [64, -1, -100])
    assert.equal(await textLoss(textBatch([5, 6, 7, pad, pad], labels, mask)), expected);
});

test('pictures: ids and timesteps that the model lacks are named', async () => {
  const shape = [1, 4, 8, 8];
  const batch = (id: number, timestep: number) => ({
    latents: float32(shape, new Float32Array(256)),
    noise: float32(shape, new Float32Array(256).fill(1)),
    timesteps: [timestep],
    input_ids: int32([1, 77], new Int32Array(77).fill(49407).fill(id, 3, 4)),
  });
  const first = (id: number, timestep: number) =>
    trainWithBatches(
      { ...common, base_model: 'models/tiny-sd' },
      { batchesAt: () => batch(id, timestep) },
    )
      .steps()
      .next();
  for (const id of [49408, -1])
    await assert.rejects(
      first(id, 5),
      named(new RegExp(`input_ids: has the id ${id} in row 0, column 3`)),
    );
  for (const timestep of [1000, -1, 0.5])
    await assert.rejects(
      first(7, timestep),
      named(new RegExp(`timesteps: has ${timestep}, not a whole`)),
    );
});

test('text states of ids that the text encoder lacks are refused', async () => {
  const model = openStableDiffusion('models/tiny-sd');
  await assert.rejects(
    model.textStates(int32([1, 2], [1, 49408])),
    (error) =>
      error instanceof UserError && /has the id 49408 in row 0, column 1/.test(error.message),
  );
  await model.release();
});
