import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { stableDiffusion15 } from '../models/stable-diffusion-config.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, type ExternalTensor, type Shape } from '../tensor/tensor.ts';
import { checkWeights } from './check-weights.ts';
import { emaKey } from './ldm-keys.ts';
import { openSafetensors, readFloat32, readTensor } from './safetensors-file.ts';
import { nameWeights, readConfig } from './single-file.ts';
import {
  sd15Rows,
  singleFileTensors,
  smallConfigs,
  smallRows,
  values,
  withFolder,
  write,
  writeFolder,
} from './small-model.test-util.ts';
import { loadStableDiffusion } from './stable-diffusion.ts';

const external = (shape: Shape): ExternalTensor => ({
  dtype: 'float16',
  shape,
  path: '/m',
  offset: 0,
  length: 0,
});
const small = new Map(smallRows.map(({ name, shape }) => [name, shape]));

function rejects(action: () => unknown, ...messages: readonly RegExp[]): void {
  assert.throws(action, (error: unknown) => {
    assert.ok(error instanceof CheckpointError, String(error));
    for (const message of messages) assert.match(error.message, message);
    return true;
  });
}

test('all 1130 tensors of Stable Diffusion 1.5 get their names and shapes', () => {
  assert.equal(sd15Rows.length, 1130);
  const { weights } = nameWeights(
    new Map(sd15Rows.map(({ ldm, ldmShape }) => [ldm, external(ldmShape)])),
  );
  const expected = new Map(sd15Rows.map(({ name, shape }) => [name, shape]));
  assert.deepEqual(new Map(Array.from(weights, ([name, { shape }]) => [name, shape])), expected);
  checkWeights(expected, weights, '/m');
  assert.deepEqual(readConfig(weights, '/m'), stableDiffusion15);
});

test('names of a small model with other levels and layers equal diffusers', () => {
  const { weights } = nameWeights(
    new Map(smallRows.map(({ ldm, ldmShape }) => [ldm, external(ldmShape)])),
  );
  assert.deepEqual(new Map(Array.from(weights, ([name, { shape }]) => [name, shape])), small);
});

test('the single file and the folder give the same weights, whatever the dtype', () => {
  withFolder((folder) => {
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
      write(join(folder, 'model.safetensors'), serialize(singleFileTensors(dtype)));
      writeFolder(join(folder, 'model'), dtype);
      const single = loadStableDiffusion(join(folder, 'model.safetensors'));
      const parts = loadStableDiffusion(join(folder, 'model'));
      assert.equal(single.layout, 'single-file');
      assert.equal(parts.layout, 'diffusers');
      checkWeights(small, single.weights, single.path);
      checkWeights(small, parts.weights, parts.path);
      for (const [name, tensor] of single.weights) {
        const other = parts.weights.get(name);
        assert.ok(other);
        assert.equal(tensor.dtype, dtype);
        assert.deepEqual(readTensor(tensor), readTensor(other));
        assert.deepEqual(readFloat32(tensor).data, values(name, tensor.shape).data);
      }
    }
  });
});

test('sizes are read off the shapes, and off config.json', () => {
  withFolder((folder) => {
    write(join(folder, 'model.safetensors'), serialize(singleFileTensors()));
    writeFolder(join(folder, 'model'));
    const single = loadStableDiffusion(join(folder, 'model.safetensors')).config;
    const parts = loadStableDiffusion(join(folder, 'model')).config;
    assert.deepEqual({ ...single.unet, sample_size: 8 }, parts.unet);
    assert.deepEqual({ ...single.vae, scaling_factor: 0.5 }, parts.vae);
    assert.deepEqual({ ...single.textEncoder, num_attention_heads: 2 }, parts.textEncoder);
    assert.deepEqual(single.scheduler, parts.scheduler);
    assert.equal(single.unet.norm_num_groups, 32);
    assert.equal(single.textEncoder.num_attention_heads, 1);
  });
});

test('very old text-encoder names, schedule buffers and position_ids', () => {
  withFolder((folder) => {
    const tensors = new Map(
      Array.from(singleFileTensors(), ([key, tensor]) => [
        key.replace('transformer.text_model.', 'transformer.'),
        tensor,
      ]),
    );
    for (const name of [
      'betas',
      'alphas_cumprod',
      'alphas_cumprod_prev',
      'posterior_mean_coef1',
      'logvar',
      'model_ema.decay',
      'first_stage_model.loss.logvar',
      'cond_stage_model.transformer.embeddings.position_ids',
      'cond_stage_model.transformer.text_model.embeddings.position_ids',
    ]) {
      tensors.set(name, float32([1], [0]));
    }
    const path = join(folder, 'old.safetensors');
    write(path, serialize(tensors));
    checkWeights(small, loadStableDiffusion(path).weights, path);
  });
});

test('use_ema takes the averaged UNet, and only that', () => {
  withFolder((folder) => {
    const tensors = singleFileTensors();
    const path = join(folder, 'ema.safetensors');
    write(path, serialize(tensors));
    rejects(() => loadStableDiffusion(path, { useEma: true }), /the file has none/);
    const isUNet = (key: string) => key.startsWith('model.');
    for (const [key, tensor] of singleFileTensors())
      if (isUNet(key)) tensors.set(emaKey(key), values(`averaged ${key}`, tensor.shape));
    assert.ok(tensors.has('model_ema.diffusion_modelinput_blocks00weight'));
    write(path, serialize(tensors));
    const plain = loadStableDiffusion(path);
    const ema = loadStableDiffusion(path, { useEma: true });
    checkWeights(small, plain.weights, path);
    checkWeights(small, ema.weights, path);
    const read = (model: typeof ema, name: string) =>
      readTensor(model.weights.get(name) ?? external([])).data;
    assert.notDeepEqual(read(plain, 'unet.conv_in.weight'), read(ema, 'unet.conv_in.weight'));
    assert.deepEqual(
      read(ema, 'unet.conv_in.weight'),
      values('averaged model.diffusion_model.input_blocks.0.0.weight', [32, 4, 3, 3]).data,
    );
    assert.deepEqual(read(plain, 'vae.quant_conv.weight'), read(ema, 'vae.quant_conv.weight'));
    tensors.delete('model_ema.diffusion_modelinput_blocks00weight');
    write(path, serialize(tensors));
    rejects(() => loadStableDiffusion(path, { useEma: true }), /1 of \d+ are missing/);
  });
});

test('folders: old autoencoder names, .fp16 files, shards, no scheduler', () => {
  withFolder((folder) => {
    const old = (name: string) =>
      name.replace(
        /attentions\.0\.(to_q|to_k|to_v|to_out\.0)\.(?=weight|bias)/,
        (all, layer: string) =>
          all.length > 0 && /^(encoder|decoder)\.mid/.test(name)
            ? `attentions.0.${{ to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' }[layer] ?? layer}.`
            : all,
      );
    writeFolder(folder, 'float16', old);
    const names = openSafetensors(
      join(folder, 'vae', 'diffusion_pytorch_model.safetensors'),
    ).tensors;
    assert.ok(names.has('encoder.mid_block.attentions.0.proj_attn.weight'));
    renameSync(
      join(folder, 'unet', 'diffusion_pytorch_model.safetensors'),
      join(folder, 'unet', 'diffusion_pytorch_model.fp16.safetensors'),
    );
    const whole = join(folder, 'text_encoder', 'model.safetensors');
    const shards = [...openSafetensors(whole).tensors].map(
      ([name, tensor], i) =>
        [name, tensor, `model-0000${(i % 2) + 1}-of-00002.safetensors`] as const,
    );
    for (const shard of new Set(shards.map(([, , file]) => file))) {
      write(
        join(folder, 'text_encoder', shard),
        serialize(
          new Map(
            shards
              .filter(([, , file]) => file === shard)
              .map(([name, tensor]) => [name, readTensor(tensor)]),
          ),
        ),
      );
    }
    write(
      join(folder, 'text_encoder', 'model.safetensors.index.json'),
      JSON.stringify({
        weight_map: Object.fromEntries(shards.map(([name, , file]) => [name, file])),
      }),
    );
    rmSync(whole);
    rmSync(join(folder, 'scheduler'), { recursive: true });
    const { weights, config } = loadStableDiffusion(folder);
    checkWeights(small, weights, folder);
    assert.deepEqual(config.scheduler, stableDiffusion15.scheduler);
  });
});

test('missing, unexpected and mis-shaped tensors stand together in one error', () => {
  const weights = new Map(smallRows.map(({ name, shape }) => [name, external(shape)]));
  weights.delete('unet.conv_in.bias');
  weights.set('unet.conv_in.weight', external([32, 5, 3, 3]));
  for (let i = 0; i < 20; i++) weights.set(`stranger.${i}`, external([1]));
  rejects(
    () => checkWeights(small, weights, '/m'),
    /\/m: 1 of 512 tensors missing:\n {4}unet\.conv_in\.bias/,
    /20 unexpected:\n {4}stranger\.0\n[^]*… and 17 more/,
    /1 of the wrong shape:\n {4}unet\.conv_in\.weight is \[32, 5, 3, 3\], should be \[32, 4, 3, 3\]/,
  );
});

test('files and folders that are no model at all', () => {
  withFolder((folder) => {
    rejects(() => loadStableDiffusion(join(folder, 'none')), /no such file or folder/);
    rejects(() => loadStableDiffusion(folder), /this folder is empty/);
    write(join(folder, 'model.ckpt'), 'x');
    rejects(
      () => loadStableDiffusion(join(folder, 'model.ckpt')),
      /Python pickle/,
      /\.safetensors/,
    );
    write(join(folder, 'empty.safetensors'), '');
    rejects(() => loadStableDiffusion(join(folder, 'empty.safetensors')), /empty/);
    rejects(() => openSafetensors(folder), /this is a folder/);
    rejects(() => openSafetensors(join(folder, 'none')), /no such file/);
  });
});

test('a folder with a fault in it', () => {
  withFolder((folder) => {
    const broken = (part: 'unet' | 'vae' | 'text_encoder', change: object, message: RegExp) => {
      writeFolder(folder);
      write(
        join(folder, part, 'config.json'),
        JSON.stringify({ ...smallConfigs[part], ...change }),
      );
      rejects(() => loadStableDiffusion(folder), message);
    };
    broken('unet', { in_channels: 9 }, /inpainting/);
    broken('unet', { use_linear_projection: true }, /Stable Diffusion 2/);
    broken(
      'unet',
      { act_fn: 'mish', resnet_time_scale_shift: 'scale_shift' },
      /act_fn: is "mish"; only "silu" is supported[^]*resnet_time_scale_shift/,
    );
    broken(
      'unet',
      { block_out_channels: [32, 64] },
      /down_block_types has 3 entries, block_out_channels 2/,
    );
    broken(
      'unet',
      { cross_attention_dim: 32 },
      /cross_attention_dim is 32, but the text encoder's hidden_size is 24/,
    );
    broken(
      'vae',
      { latent_channels: 16 },
      /in_channels is 4, but the autoencoder's latent_channels is 16/,
    );
    broken(
      'unet',
      { norm_num_groups: 24, attention_head_dim: 5 },
      /32 channels of the UNet cannot be divided into 5 heads[^]*64 channels of the UNet cannot be divided into 24 groups/,
    );
    broken('unet', { layers_per_block: 2 }, /\d+ of \d+ tensors missing:\n {4}unet/);
    broken('text_encoder', { hidden_act: 'relu' }, /text_encoder\/config\.json hidden_act/);
    writeFolder(folder);
    write(
      join(folder, 'model_index.json'),
      JSON.stringify({ _class_name: 'StableDiffusionXLPipeline' }),
    );
    rejects(() => loadStableDiffusion(folder), /Stable Diffusion XL/);
    rmSync(join(folder, 'model_index.json'));
    write(join(folder, 'vae', 'config.json'), '{');
    rejects(() => loadStableDiffusion(folder), /vae\/config\.json: this file is not JSON/);
    writeFolder(folder);
    rmSync(join(folder, 'unet', 'diffusion_pytorch_model.safetensors'));
    write(join(folder, 'unet', 'diffusion_pytorch_model.bin'), '\x80\x02}q');
    rejects(() => loadStableDiffusion(folder), /PyTorch \.bin files/);
  });
});
