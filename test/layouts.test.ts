// The same model as a single file and as a folder: the same losses and the same adapter, bit for
// bit, at each element type.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeBothLayouts } from '../src/checkpoints/both-layouts.test-util.ts';
import { dataOffset } from '../src/tensor/safetensors.ts';
import { parseConfig, train } from '../src/index.ts';
import { writePictures } from '../src/train/testing/small-base.ts';

const root = mkdtempSync(join(tmpdir(), '模型 layouts '));
after(() => rmSync(root, { recursive: true, force: true }));
process.env.LORA_SCRIPTS_CACHE = join(root, 'cache');
await writePictures(join(root, 'data'), [
  [64, 64],
  [64, 64],
]);

async function run(name: string, base: string) {
  process.env.LORA_SCRIPTS_CACHE = join(root, `cache ${name}`); // each computes its own latents
  const job = parseConfig({
    base_model: base,
    train_data_dir: join(root, 'data'),
    output_dir: join(root, name),
    output_name: 'lora',
    resolution: 64,
    max_train_steps: 3,
    lora_rank: 2,
    learning_rate: 1e-3,
    batch_size: 2,
    num_threads: 1,
    tensorboard: false,
    save_precision: 'float32',
  });
  const losses: number[] = [];
  for await (const event of train(job, { signal: new AbortController().signal }))
    if (event.type === 'step') losses.push(event.loss);
  const bytes = readFileSync(join(root, name, 'lora.safetensors'));
  return { losses, weights: bytes.subarray(dataOffset(bytes)).toString('base64') };
}

let exact: readonly number[] = [];
for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
  test(`${dtype}: the single file and the folder train alike`, async () => {
    const stem = join(root, `基础 ${dtype}`);
    writeBothLayouts(stem, dtype);
    mkdirSync(join(root, 'links'), { recursive: true });
    const link = join(root, 'links', `${dtype}.safetensors`); // as a model manager lays it out
    symlinkSync(`${stem}.safetensors`, link);
    const [single, folder] = [
      await run(`single ${dtype}`, link),
      await run(`folder ${dtype}`, stem),
    ];
    assert.deepEqual(single.losses, folder.losses);
    assert.equal(single.weights, folder.weights);
    assert.equal(single.losses.length, 3);
    if (dtype === 'float32') exact = single.losses;
    // rounded weights are another model, near the exact one: 2^-11 and 2^-8 of each weight
    const tolerance = dtype === 'bfloat16' ? 0.02 : 0.002;
    single.losses.forEach((loss, i) =>
      assert.ok(Math.abs(loss / exact[i] - 1) < tolerance, `${loss} against ${exact[i]}`),
    );
  });
}
