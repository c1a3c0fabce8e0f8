// A NaN in a part of a model, an adapter, a batch or the cache: found where it arises, with stage,
// tensor and sample named, and nothing of it kept.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { report } from '../src/cli/report.ts';
import { adaptableLayers } from '../src/adapters/layers.ts';
import { loadStableDiffusion } from '../src/checkpoints/stable-diffusion.ts';
import { parseConfig } from '../src/config/load.ts';
import { createImageGenerator } from '../src/generate/text-to-image.ts';
import { unetGraph } from '../src/models/graphs.ts';
import { float32, int32 } from '../src/tensor/tensor.ts';
import { countUnsound } from '../src/tensor/finite.ts';
import { deserialize, serialize } from '../src/tensor/safetensors.ts';
import { trainWithBatches, type GivenBatch } from '../src/train/image/given-batches.ts';
import { train } from '../src/train/run.ts';
import { requireSoundParameters } from '../src/train/unsound-step.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

const root = mkdtempSync(join(tmpdir(), 'not-a-number-'));
after(() => rmSync(root, { recursive: true, force: true }));
await writePictures(join(root, 'pictures'), [
  [64, 64],
  [64, 64],
]);

/** Changes one tensor of a safetensors file. */
function damage(file: string, name: string, value = NaN): void {
  const { metadata, tensors } = deserialize(readFileSync(file), file);
  const tensor = tensors.get(name);
  assert.ok(tensor?.data instanceof Float32Array, `${file} has no float32 tensor ${name}`);
  tensor.data[tensor.data.length >> 1] = value;
  writeFileSync(file, serialize(tensors, metadata));
}

const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();

let count = 0;

/** A run of one step in a cache and a folder of its own; what it throws, as the user reads it. */
async function failure(base: string, settings: object = {}, cache = join(root, `cache${++count}`)) {
  process.env.LORA_SCRIPTS_CACHE = cache;
  const output = join(root, `run${++count}`);
  const job = parseConfig({
    base_model: base,
    train_data_dir: join(root, 'pictures'),
    output_dir: output,
    output_name: 'mine',
    lora_rank: 2,
    num_threads: 1,
    max_train_steps: 1,
    train_text_encoder: false,
    ...settings,
  });
  const { signal } = new AbortController();
  try {
    for await (const event of train(job, { signal })) void event;
  } catch (error) {
    return { ...report(error), output, cache };
  }
  return assert.fail('nothing was thrown');
}

function damagedBase(name: string, file: string, tensor: string, value?: number): string {
  const base = join(root, name);
  writeSmallBase(base);
  damage(join(base, file), tensor, value);
  return base;
}

const vae = 'vae/diffusion_pytorch_model.safetensors';
const unet = 'unet/diffusion_pytorch_model.safetensors';
const text = 'text_encoder/model.safetensors';
const drawn = { sample_prompts: ['a cat', 'a hat'], sample_steps: 2 };

/** Where a NaN or an infinity is, and what the message must say. */
const stages: Record<string, { file: string; tensor: string; settings?: object; says: RegExp[] }> =
  {
    encoder: {
      file: vae,
      tensor: 'encoder.conv_in.weight',
      says: [/autoencoder's encoder gives mean/, /p0\.png/, /vae\.encoder\.conv_in\.weight/],
    },
    'variance of the encoder': {
      file: vae,
      tensor: 'quant_conv.weight', // the number in the middle is of logvar
      says: [/autoencoder's encoder gives/, /p0\.png/, /vae\.quant_conv\.weight/],
    },
    'text encoder': {
      file: text,
      tensor: 'text_model.final_layer_norm.weight',
      says: [/text encoder gives text_states/, /caption of .*p0\.png/, /final_layer_norm\.weight/],
    },
    'trained text encoder': {
      file: text,
      tensor: 'text_model.final_layer_norm.weight',
      settings: { train_text_encoder: true },
      says: [
        /step 1/,
        /p\d\.png/,
        /text encoder of the base model are at fault/,
        /final_layer_norm\.weight/,
      ],
    },
    UNet: {
      file: unet,
      tensor: 'conv_in.weight',
      says: [/step 1/, /p\d\.png/, /UNet of the base model are at fault/, /unet\.conv_in\.weight/],
    },
  };

for (const [name, { file, tensor, settings, says }] of Object.entries(stages))
  for (const value of [NaN, Infinity])
    test(`${value} in the ${name} is named there, and neither cached nor saved`, async () => {
      const base = damagedBase(`${name}${value}`, file, tensor, value);
      const { text, exitCode, output, cache } = await failure(base, settings);
      assert.equal(exitCode, 1);
      for (const pattern of says) assert.match(text, pattern);
      assert.ok(text.includes(join(base, file)), text);
      assert.doesNotMatch(text, /learning_rate/);
      assert.deepEqual(
        filesUnder(output).filter(
          (file) => /safetensors|png/.test(file) && !/^step-0+\./.test(file),
        ),
        [],
      );
      for (const entry of readdirSync(cache, { recursive: true, encoding: 'utf8' })) {
        if (!entry.endsWith('.safetensors')) continue;
        const { tensors } = deserialize(readFileSync(join(cache, entry)), entry);
        for (const tensor of tensors.values()) assert.equal(countUnsound(tensor), 0);
      }
    });

test('a NaN in the decoder draws no black sheet: the prompt is named, the adapter is kept', async () => {
  const base = damagedBase('decoder', vae, 'decoder.conv_in.weight');
  const { text, exitCode, output } = await failure(base, drawn);
  assert.equal(exitCode, 1);
  assert.match(text, /autoencoder's decoder gives pixels for the prompt "a cat"/);
  assert.match(text, /vae\.decoder\.conv_in\.weight/);
  assert.match(text, /The last adapter that was saved: .*mine\.safetensors/);
  const files = filesUnder(output);
  assert.ok(files.includes('mine.safetensors'));
  assert.ok(!files.some((file) => file.endsWith('.png')));
});

for (const value of [NaN, -Infinity])
  test(`an adapter with ${value} is never saved, and learning_rate is named`, () => {
    const parameters = new Map([
      ['unet.a.lora_up.weight', float32([2], [1, value])],
      ['unet.b.lora_up.weight', float32([1], [1])],
    ]);
    assert.throws(
      () =>
        requireSoundParameters(parameters, {
          step: 7,
          learningRate: 9,
          place: 'brand.yaml:3 learning_rate',
          kept: 'The last adapter that was saved: six.safetensors',
        }),
      /brand\.yaml:3 learning_rate: after step 7, 1 of the adapter's 2 tensors.*unet\.a\.lora_up[^]*six/,
    );
  });

for (const name of ['latents', 'noise'] as const)
  test(`given ${name} with a NaN are named by batch and step`, async () => {
    const base = join(root, 'given');
    writeSmallBase(base);
    const batchAt = (step: number): GivenBatch => {
      const batch = {
        latents: float32([1, 4, 8, 8], Array(256).fill(0.1)),
        noise: float32([1, 4, 8, 8], Array(256).fill(0.2)),
        timesteps: [3],
        input_ids: int32([1, 8], Array(8).fill(1)),
      };
      if (step === 1) batch[name].data[7] = NaN;
      return batch;
    };
    const training = trainWithBatches(
      { base_model: base, max_train_steps: 3, lora_rank: 2, num_threads: 1 },
      { batchesAt: (step) => [batchAt(0), batchAt(step)] },
    );
    const losses: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { loss } of training.steps()) losses.push(loss);
      },
      new RegExp(`batch 1 of step 1, ${name}: 1 of its 256 numbers`),
    );
    assert.equal(losses.length, 1);
  });

/** The letters of a prompt are not read: the text is told by what is named. */
const tokenizer = { bos: 1, eos: 1, pad: 1, textIds: () => Array<number>(75).fill(1) };

async function drawing(
  base: string,
  request: object = {},
  options: Partial<Parameters<typeof createImageGenerator>[0]> = {},
): Promise<void> {
  const checkpoint = loadStableDiffusion(base);
  const generator = createImageGenerator({
    checkpoint,
    tokenizer,
    runtime: cpuRuntime(1),
    ...options,
  });
  try {
    const requests = [{ prompt: 'a cat', negativePrompt: 'fog', steps: 2, ...request }];
    for await (const event of generator.generate(requests)) assert.notEqual(event.type, 'image');
  } finally {
    await generator.release();
  }
}

const drawings: Record<string, { file: string; tensor: string; says: RegExp }> = {
  'text encoder': {
    file: text,
    tensor: 'text_model.final_layer_norm.bias',
    says: /text encoder gives text_states for the prompt "fog"[^]*final_layer_norm\.bias/,
  },
  UNet: {
    file: unet,
    tensor: 'conv_out.bias',
    says: /UNet gives prediction for the negative prompt "fog" beside the prompt "a cat"[^]*unet\.conv_out\.bias/,
  },
  decoder: {
    file: vae,
    tensor: 'post_quant_conv.weight',
    says: /decoder gives pixels for the prompt "a cat"[^]*vae\.post_quant_conv\.weight/,
  },
};

for (const [name, { file, tensor, says }] of Object.entries(drawings))
  test(`no picture comes out of a ${name} with a NaN`, async () => {
    await assert.rejects(drawing(damagedBase(`drawn ${name}`, file, tensor), {}), says);
  });

test('noise with a NaN is refused, and an adapter with one is named', async () => {
  const base = join(root, 'drawn');
  writeSmallBase(base);
  const { unet: config } = loadStableDiffusion(base).config;
  const [layer] = adaptableLayers(
    unetGraph(config, [1, config.in_channels, 8, 8], [1, 8, config.cross_attention_dim]),
  ).filter(({ weightShape }) => weightShape.length === 2);
  const noise = new Float32Array(256).fill(Infinity, 9, 11);
  await assert.rejects(drawing(base, { noise }), /picture 1 noise: 2 of its 256 numbers/);
  const [out, width] = layer.weightShape;
  const module = {
    ...{ path: layer.path, alpha: 1 },
    down: float32([1, width], Array(width).fill(NaN)),
    up: float32([out, 1], Array(out).fill(1)),
  };
  const mix = [{ adapter: { name: 'damaged', modules: [module] }, strength: 1 }];
  await assert.rejects(
    drawing(base, {}, { mix }),
    /adapter's weights are at fault: .*lora_down\.weight/,
  );
});
