import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { serialize } from '../tensor/safetensors.ts';
import {
  singleFileTensors,
  smallConfigs,
  withFolder,
  write,
  writeFolder,
} from './small-model.test-util.ts';
import { loadStableDiffusion } from './stable-diffusion.ts';

const refused = (path: string, message: RegExp) =>
  assert.throws(
    () => loadStableDiffusion(path),
    (error) => error instanceof CheckpointError && message.test(error.message),
  );

const parts: readonly (readonly ['unet' | 'vae' | 'text_encoder', object, RegExp])[] = [
  ['unet', { time_cond_proj_dim: 256 }, /latent consistency model \(LCM\)/],
  ['unet', { in_channels: 9 }, /an inpainting model: its UNet takes 9 channels/],
  ['unet', { in_channels: 8 }, /InstructPix2Pix/],
  ['unet', { in_channels: 5 }, /depth-to-image/],
  ['unet', { _class_name: 'UNetMotionModel' }, /class UNetMotionModel[^]*made for videos/],
  ['unet', { class_embed_type: 'projection' }, /class_embed_type/],
  ['vae', { _class_name: 'AutoencoderTiny' }, /a tiny one \(TAESD\)[^]*AutoencoderKL\) into vae\//],
  ['vae', { _class_name: 'ConsistencyDecoderVAE' }, /decodes by a consistency model/],
  [
    'vae',
    { _class_name: 'AutoencoderDC' },
    /its autoencoder is of class AutoencoderDC, not AutoencoderKL/,
  ],
  ['text_encoder', { architectures: ['CLIPModel'] }, /a whole CLIP/],
  ['text_encoder', { architectures: ['T5EncoderModel'] }, /it is a T5/],
];

for (const [part, change, message] of parts)
  test(`a folder whose ${part} has ${JSON.stringify(change)} is refused for that`, () => {
    withFolder((folder) => {
      writeFolder(folder);
      const config = { ...smallConfigs[part], ...change };
      write(join(folder, part, 'config.json'), JSON.stringify(config));
      refused(folder, message);
    });
  });

test('folders of something else, each by its own name', () => {
  const folders: readonly (readonly [string, string, RegExp])[] = [
    ['adapter_config.json', '{}', /is an adapter \(PEFT\)/],
    ['pytorch_lora_weights.safetensors', '', /is a LoRA/],
    ['tokenizer.json', '{}', /a language model[^]*task_type: text-generation/],
    ['model_index.json', '{"_class_name":"LatentConsistencyModelPipeline"}', /latent consistency/],
    ['model_index.json', '{"_class_name":"FluxPipeline"}', /this is a FluxPipeline/],
  ];
  for (const [file, content, message] of folders)
    withFolder((folder) => {
      write(join(folder, file), content);
      refused(folder, message);
    });
});

test('a text encoder with a projection, an image encoder and a safety checker do not matter', () => {
  withFolder((folder) => {
    writeFolder(folder, 'float32', undefined, { text_encoder: ['text_projection.weight'] });
    const config = { ...smallConfigs.text_encoder, architectures: ['CLIPTextModelWithProjection'] };
    write(join(folder, 'text_encoder', 'config.json'), JSON.stringify(config));
    write(join(folder, 'safety_checker', 'config.json'), '{}');
    write(join(folder, 'image_encoder', 'config.json'), '{}');
    assert.match(loadStableDiffusion(folder).warnings[0].what, /text_encoder\.text_projection/);
  });
});

test('files of a folder by variants: .fp16 alone, .non_ema alone, and beside the plain file', () => {
  withFolder((folder) => {
    writeFolder(folder);
    const plain = join(folder, 'unet', 'diffusion_pytorch_model.safetensors');
    for (const variant of ['fp16', 'non_ema']) {
      const other = plain.replace('.safetensors', `.${variant}.safetensors`);
      renameSync(plain, other);
      const path = () => loadStableDiffusion(folder).weights.get('unet.conv_in.bias')?.path ?? '';
      assert.match(path(), new RegExp(`\\.${variant}\\.safetensors$`));
      write(plain, readFileSync(other));
      assert.match(path(), /model\.safetensors$/);
      rmSync(other);
    }
  });
});

test('what a file is, its content says and not its ending', () => {
  withFolder((folder) => {
    for (const name of ['model.ckpt', 'model.pt', 'model.bin', 'model']) {
      write(join(folder, name), serialize(singleFileTensors('float16')));
      assert.equal(loadStableDiffusion(join(folder, name)).layout, 'single-file');
    }
    const contents: readonly (readonly [string, RegExp])[] = [
      ['\x80\x02}q\x00', /pickle/i],
      ['PK\x03\x04\x14\0\0\0\0\0archive/data.pkl', /PyTorch|pickle/],
      ['GGUF\x03\0\0\0\0\0\0\0', /GGUF/],
    ];
    for (const [content, message] of contents)
      for (const ending of ['safetensors', 'ckpt', 'gguf', 'bin']) {
        const path = join(folder, `other.${ending}`);
        write(path, Buffer.from(content, 'latin1'));
        refused(path, message);
      }
  });
});

test('a part whose file is called .bin and is safetensors', () => {
  withFolder((folder) => {
    writeFolder(folder);
    const plain = join(folder, 'vae', 'diffusion_pytorch_model.safetensors');
    renameSync(plain, plain.replace('.safetensors', '.bin'));
    assert.ok(loadStableDiffusion(folder).weights.size > 0);
  });
});
