import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { withFolder } from '../checkpoints/small-model.test-util.ts';
import { CheckpointError, InternalError } from '../errors.ts';
import { deserialize, serialize } from '../tensor/safetensors.ts';
import { float32, sizeOf, zeros, type Shape, type Tensor } from '../tensor/tensor.ts';
import { readDiffusersLora, writeDiffusersLora } from './diffusers.ts';
import { legacyHashOfFile, sha256OfFile } from './hashes.ts';
import { kohyaName, modulePaths, readKohyaLora, writeKohyaLora } from './kohya.ts';
import type { LoraWeights } from './lora.ts';
import { modelspecMetadata, trainingMetadata } from '../export/metadata.ts';
import { pythonFloat, pythonJson } from './python-json.ts';

/**
 * The 350 modules of Stable Diffusion 1.5 that kohya's networks.lora can adapt; 264 of them by
 * default.
 */
const sd15Modules = gunzipSync(readFileSync('test/data/sd15-lora-modules.tsv.gz'))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [name, path, type, isDefault, outputs, inputs] = line.split('\t');
    return {
      name,
      path,
      type,
      isDefault: isDefault === '1',
      outputs: Number(outputs),
      inputs: Number(inputs),
    };
  });

interface Golden {
  readonly cases: readonly {
    readonly width: number;
    readonly sshs_model_hash: string;
    readonly sshs_legacy_hash: string;
  }[];
  readonly floats: readonly string[];
  readonly json: string;
}
const golden = JSON.parse(readFileSync('reference/golden/lora_hashes.json', 'utf8')) as Golden;

const rank = 2;

function shapesOf({ type, outputs, inputs }: (typeof sd15Modules)[number]): {
  down: Shape;
  up: Shape;
} {
  const kernel = { linear: [], conv1x1: [1, 1], conv3x3: [3, 3] }[type] ?? [];
  return { down: [rank, inputs, ...kernel], up: [outputs, rank, ...kernel.map(() => 1)] };
}

const loraOf = (modules: typeof sd15Modules): LoraWeights[] =>
  modules.map((module) => ({
    path: module.path,
    down: zeros('float32', shapesOf(module).down),
    up: zeros('float32', shapesOf(module).up),
    alpha: 1,
  }));

test('Stable Diffusion 1.5: 264 modules, 792 tensors, the names and shapes of kohya', () => {
  const modules = sd15Modules.filter(({ isDefault }) => isDefault);
  assert.equal(modules.length, 264);
  const { tensors } = deserialize(
    writeKohyaLora({ modules: loraOf(modules), metadata: {}, dtype: 'float16' }),
  );
  assert.equal(tensors.size, 792);
  const expected = new Map<string, Shape>(
    modules.flatMap((module) => [
      [`${module.name}.lora_down.weight`, shapesOf(module).down],
      [`${module.name}.lora_up.weight`, shapesOf(module).up],
      [`${module.name}.alpha`, []],
    ]),
  );
  for (const [name, { shape, dtype }] of tensors) {
    assert.deepEqual(shape, expected.get(name), name);
    assert.equal(dtype, 'float16');
  }
});

test('all 350 names lead back to their module paths', () => {
  const back = modulePaths(sd15Modules.map(({ path }) => path));
  for (const { name, path } of sd15Modules) {
    assert.equal(kohyaName(path), name);
    assert.equal(back.get(name), path);
  }
  assert.equal(
    back.get('lora_te1_text_model_encoder_layers_0_mlp_fc1'),
    'text_encoder.text_model.encoder.layers.0.mlp.fc1',
  );
});

function example(width: number): LoraWeights {
  const values = Float32Array.from({ length: 4 * width }, (_, i) => (i % 64) / 64);
  const up = new Float32Array(4 * width);
  for (let i = 0; i < up.length; i++) up[i] = values[(i % 4) * width + Math.floor(i / 4)];
  return {
    path: 'unet.mid_block.attentions.0.transformer_blocks.0.ff.net.2',
    down: float32([4, width], values),
    up: float32([width, 4], up),
    alpha: 2,
  };
}

for (const { width, sshs_model_hash, sshs_legacy_hash } of golden.cases) {
  test(`hashes of a file of ${width * 16} bytes equal Python's`, () => {
    const bytes = writeKohyaLora({
      modules: [example(width)],
      metadata: { ss_network_module: 'networks.lora', 'modelspec.title': 'not hashed' },
      dtype: 'float16',
    });
    const { metadata } = deserialize(bytes);
    assert.deepEqual(metadata, {
      ss_network_module: 'networks.lora',
      'modelspec.title': 'not hashed',
      sshs_model_hash,
      sshs_legacy_hash,
    });
  });
}

test('small files have the legacy hash of nothing', () => {
  assert.equal(golden.cases[0].sshs_legacy_hash, 'e3b0c442');
  assert.notEqual(golden.cases[1].sshs_legacy_hash, 'e3b0c442');
});

test('hashes of files on disk', () => {
  withFolder((folder) => {
    const path = join(folder, 'x');
    writeFileSync(
      path,
      new Uint8Array(3 << 20).map((_, i) => i % 251),
    );
    // sha256sum, and the same of `tail -c +1048577 | head -c 65536`
    assert.equal(
      sha256OfFile(path),
      'a1feacf0d812ba4d0b0e463ed45bbd583cea1de55c54693116754b30b5794745',
    );
    assert.equal(legacyHashOfFile(path), '15ffd73b');
  });
});

test('reads its own files back', () => {
  withFolder((folder) => {
    const path = join(folder, 'a.safetensors');
    const modules = [
      example(8),
      {
        path: 'text_encoder.text_model.encoder.layers.0.mlp.fc1',
        down: float32([1, 2], [1, 2]),
        up: float32([3, 1], [4, 5, 6]),
        alpha: 0.5,
      },
    ];
    const conv = {
      path: 'unet.conv_in',
      down: zeros('float32', [2, 4, 3, 3]),
      up: zeros('float32', [5, 2, 1, 1]),
      alpha: 2,
    };
    writeFileSync(
      path,
      writeKohyaLora({
        modules: [...modules, conv],
        metadata: { ss_output_name: '名' },
        dtype: 'float32',
      }),
    );
    const read = readKohyaLora(path, [
      'unet.other',
      ...modules.map((module) => module.path),
      conv.path,
    ]);
    assert.deepEqual(
      new Map(read.modules.map((module) => [module.path, module])),
      new Map([...modules, conv].map((module) => [module.path, module])),
    );
    assert.equal(read.metadata.ss_output_name, '名');
  });
});

test('what cannot be read as a plain LoRA of this model is refused', () => {
  withFolder((folder) => {
    const refused = (tensors: Record<string, Tensor>, message: RegExp) => {
      const path = join(folder, 'x.safetensors');
      writeFileSync(path, serialize(new Map(Object.entries(tensors))));
      assert.throws(
        () => readKohyaLora(path, ['unet.a.b']),
        (error: unknown) => error instanceof CheckpointError && message.test(error.message),
      );
    };
    const t = (...shape: number[]) => float32(shape, new Array<number>(sizeOf(shape)).fill(0));
    refused({ 'lora_unet_a_b.hada_w1_a': t(1) }, /LoHa/);
    refused({ 'model.weight': t(1) }, /not a LoRA with kohya's keys/);
    refused(
      { 'lora_unet_a_b.lora_down.weight': t(1, 2) },
      /lora_unet_a_b: incomplete: lora_up\.weight is missing/,
    );
    refused(
      { 'lora_unet_a_c.lora_down.weight': t(1, 2), 'lora_unet_a_d.lora_down.weight': t(1, 2) },
      /lora_unet_a_c, \S+ lora_unet_a_d: the base model has no such module/,
    );
    refused(
      { 'lora_unet_a_b.lora_down.weight': t(1, 2), 'lora_unet_a_b.lora_up.weight': t(3, 2) },
      /do not fit together/,
    );
  });
  assert.throws(
    () =>
      writeKohyaLora({
        modules: [{ ...example(8), up: float32([1], [0]) }],
        metadata: {},
        dtype: 'float32',
      }),
    InternalError,
  );
});

test('the diffusers form carries alpha inside B', () => {
  withFolder((folder) => {
    const path = join(folder, 'a.safetensors');
    const module = {
      path: 'unet.a',
      down: float32([2, 2], [1, 2, 3, 4]),
      up: float32([1, 2], [8, 16]),
      alpha: 1,
    };
    writeFileSync(path, writeDiffusersLora({ modules: [module], dtype: 'float16' }));
    const [read] = readDiffusersLora(path);
    assert.equal(read.path, 'unet.a');
    assert.equal(read.alpha, 2);
    assert.deepEqual(
      read.up,
      deserialize(
        writeDiffusersLora({
          modules: [{ ...module, up: float32([1, 2], [4, 8]), alpha: 2 }],
          dtype: 'float16',
        }),
      ).tensors.get('unet.a.lora_B.weight'),
    );
  });
});

const facts = {
  session_id: 7,
  training_started_at: 1690000000.25,
  output_name: 'brand_lora',
  learning_rate: 1e-4,
  num_train_images: 40,
  num_batches_per_epoch: 10,
  num_epochs: 3,
  max_train_steps: 30,
  network_dim: 12,
  network_alpha: 12,
  optimizer: 'torch.optim.adamw.AdamW',
  batch_size_per_device: 4,
  total_batch_size: 4,
  resolution: '512,512',
  dataset_dirs: { '1_brand': { n_repeats: 1, img_count: 40 } },
};

test('metadata is spelled as Python spells it', () => {
  const metadata = trainingMetadata({
    ...facts,
    text_encoder_lr: 1e-5,
    cache_latents: true,
    steps: 30,
    seed: 42,
  });
  assert.equal(metadata.ss_learning_rate, '0.0001');
  assert.equal(metadata.ss_text_encoder_lr, '1e-05');
  assert.equal(metadata.ss_unet_lr, 'None');
  assert.equal(metadata.ss_network_dim, '12');
  assert.equal(metadata.ss_cache_latents, 'True');
  assert.equal(metadata.ss_lowram, 'False');
  assert.equal(metadata.ss_training_started_at, '1690000000.25');
  assert.equal(metadata.ss_dataset_dirs, '{"1_brand": {"n_repeats": 1, "img_count": 40}}');
  assert.equal(metadata.ss_network_module, 'networks.lora');
  assert.equal(metadata.ss_base_model_version, 'sd_v1');
  assert.equal(metadata.ss_steps, '30');
  assert.ok(!('ss_vae_hash' in metadata));
  assert.ok(Object.values(metadata).every((value) => typeof value === 'string'));
});

test('floats are spelled as Python spells them', () => {
  const values = [
    1e-4, 1e-5, 1, 0.00012345, 5e-324, 1e16, 1e15, 123456.789, 0.1, 2.5e-7, 1e22, 0, -3,
    1690000000.25,
  ];
  assert.deepEqual(values.map(pythonFloat), golden.floats);
});

test('JSON is spelled as json.dumps spells it', () => {
  assert.equal(pythonJson({ 赛: [1, 0.5, 1e-5, null, true], a: { 'q"\n': '😀é' } }), golden.json);
  assert.equal(trainingMetadata(facts).ss_bucket_info, 'null');
});

test('modelspec', () => {
  const spec = modelspecMetadata({
    title: 'brand_lora',
    resolution: [512, 512],
    date: new Date(Date.UTC(2025, 0, 2, 3, 4, 5, 678)),
    implementationVersion: 'lora-scripts/0.1.0',
  });
  assert.equal(spec['modelspec.architecture'], 'stable-diffusion-v1/lora');
  assert.equal(spec['modelspec.date'], '2025-01-02T03:04:05');
  assert.equal(spec['modelspec.resolution'], '512x512');
  assert.ok(!('modelspec.author' in spec));
});

test('a module of a part that kohya has no name for is an error, not a name that is made up', () => {
  for (const path of ['vae.decoder.conv_in', 'text_encoder_2.layers.0.fc1', 'conv_in', ''])
    assert.throws(() => kohyaName(path), /no name in kohya's files for/);
});

test('a LoRA with tensors of a trainer and an embedding in it is that LoRA, and they are named', () => {
  withFolder((folder) => {
    const path = join(folder, 'x.safetensors');
    const one = float32([1], [0]);
    const tensors = new Map<string, Tensor>([
      ['lora_unet_a_b.lora_down.weight', zeros('float32', [1, 2])],
      ['lora_unet_a_b.lora_up.weight', zeros('float32', [2, 1])],
      ...['global_step', 'emb_params', 'bundle_emb.x.clip_l'].map((name) => [name, one] as const),
    ]);
    writeFileSync(path, serialize(tensors));
    const { modules, leftovers } = readKohyaLora(path, ['unet.a.b']);
    assert.equal(modules.length, 1);
    assert.deepEqual([...leftovers].sort(), ['bundle_emb.x.clip_l', 'emb_params', 'global_step']);
  });
});
