import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { serialize } from '../tensor/safetensors.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { emaKey } from './ldm-keys.ts';
import { readTensor } from './safetensors-file.ts';
import {
  singleFileTensors,
  smallRows,
  values,
  withFolder,
  write,
  writeFolder,
} from './small-model.test-util.ts';
import { loadStableDiffusion, type StableDiffusionWeights } from './stable-diffusion.ts';

const one = float32([1], [0]);
const empty = float32([0], []);
const names = smallRows.map(({ name }) => name).sort();

function opened(
  extra: readonly (readonly [string, Tensor])[],
  metadata: Readonly<Record<string, string>> = {},
): StableDiffusionWeights {
  return withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    write(path, serialize(new Map([...singleFileTensors(), ...extra]), metadata));
    return loadStableDiffusion(path);
  });
}

/** What a checkpoint was found with beside all of its own tensors. */
const leftovers: Readonly<Record<string, readonly string[]>> = {
  'a LoRA that was not merged': [
    'lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight',
    'lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight',
  ],
  'a LoRA inside the UNet': [
    'model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.lora_A.weight',
    'model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.alpha',
  ],
  'a LoHa': ['lora_unet_mid_block_attentions_0_proj_in.hada_w1_a'],
  'a ControlNet': ['control_model.zero_convs.0.0.weight', 'control_model.input_hint_block.0.bias'],
  'an IP-Adapter': ['ip_adapter.1.to_k_ip.weight', 'image_proj.proj.weight'],
  'an embedding manager': [
    'embedding_manager.embedder.weight',
    'embedding_manager.string_to_param_dict.x',
  ],
  'an embedding': ['emb_params', 'string_to_param.*'],
  'averages of the autoencoder': ['vae_ema.decay', 'first_stage_model_ema.encoderconv_inweight'],
  'the temperature and projection of CLIP, as ComfyUI saves them': [
    'cond_stage_model.logit_scale',
    'cond_stage_model.transformer.text_projection.weight',
  ],
  'the pictures half of CLIP': [
    'cond_stage_model.transformer.vision_model.embeddings.class_embedding',
  ],
  'a safety checker': ['safety_checker.concept_embeds'],
  'a trainer': [
    'global_step',
    'epoch',
    'optimizer.state.0.exp_avg',
    'lr_scheduler.last_epoch',
    'loss.ema',
    'state_dict',
  ],
  'the text encoder of SDXL': ['conditioner.embedders.1.model.ln_final.bias'],
  'the text encoder of SD 2': ['cond_stage_model.model.transformer.resblocks.0.ln_1.weight'],
  'a motion module': ['motion_modules.0.norm.weight'],
  'a language model': ['model.layers.0.self_attn.q_proj.weight'],
  'something nobody knows': ['odd', 'model.diffusion_model.extra.weight'],
};

for (const [title, extra] of Object.entries(leftovers))
  test(`a whole checkpoint with ${title} in it is that checkpoint, and the rest is named once`, () => {
    const { weights, warnings } = opened(extra.map((name) => [name, one]));
    assert.deepEqual([...weights.keys()].sort(), names);
    assert.equal(warnings.length, 1);
    const { what } = warnings[0];
    assert.match(what, extra.length === 1 ? /^a tensor / : new RegExp(`^${extra.length} tensors `));
    const shown = [...extra].sort().slice(0, 3);
    assert.ok(
      shown.some((name) => what.includes(name)),
      what,
    );
    if (extra.length > 3) assert.match(what, new RegExp(`and ${extra.length - 3} more$`));
  });

test('buffers of the noise schedule, averages and position ids are no news', () => {
  const known = [
    'betas',
    'alphas_cumprod',
    'model_ema.decay',
    'cond_stage_model.transformer.text_model.embeddings.position_ids',
  ];
  assert.deepEqual(opened(known.map((name) => [name, one])).warnings, []);
});

test('a checkpoint that lacks tensors is damaged, whatever else lies in it', () => {
  withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    const tensors = singleFileTensors().set('lora_unet_x.lora_up.weight', one);
    tensors.delete('model.diffusion_model.out.2.weight');
    write(path, serialize(tensors));
    assert.throws(() => loadStableDiffusion(path), /unet\.conv_out\.weight is missing/);
    tensors.set('model.diffusion_model.out.2.weight', values('w', [4, 32, 3, 3]));
    tensors.delete('model.diffusion_model.out.2.bias');
    write(path, serialize(tensors));
    assert.throws(
      () => loadStableDiffusion(path),
      /1 of 512 tensors missing:\n {4}unet\.conv_out\.bias[^]*1 unexpected:\n {4}lora_unet_x/,
    );
  });
});

test('a bias for a layer that has none is not ignored: the model computes with it', () => {
  const bias = 'model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.bias';
  assert.throws(
    () => opened([[bias, one]]),
    /layers of the model have tensors that are not supported here: unet\..*to_q\.bias/,
  );
});

test('the text encoder under its old and its present names: one is taken', () => {
  const key = 'cond_stage_model.transformer.text_model.final_layer_norm.bias';
  const { weights, warnings } = opened([[key.replace('text_model.', ''), values('old', [24])]]);
  assert.deepEqual([...weights.keys()].sort(), names);
  assert.equal(warnings.length, 1);
});

/** The same file with this tensor first in its header. */
function withFirst(file: Uint8Array, name: string): Uint8Array {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  const text = new TextDecoder().decode(file.subarray(8, 8 + length));
  const header: Record<string, unknown> = JSON.parse(text);
  const turned = JSON.stringify({ [name]: header[name], ...header }).padEnd(length);
  const out = Uint8Array.from(file);
  out.set(new TextEncoder().encode(turned), 8);
  return out;
}

test('a second transformer in a block of the UNet is not taken for the first', () => {
  const key = 'model.diffusion_model.input_blocks.3.1.norm.weight';
  const ours = smallRows.find(({ ldm }) => ldm === key);
  assert.ok(ours);
  const other = key.replace('3.1', '3.2');
  const tensors = singleFileTensors().set(other, values('over time', ours.shape));
  withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    write(path, withFirst(serialize(tensors), other));
    const { weights, warnings } = loadStableDiffusion(path);
    const norm = weights.get(ours.name);
    assert.ok(norm);
    assert.deepEqual(readTensor(norm), values(ours.name, ours.shape));
    assert.match(warnings[0].what, /is ignored: model\.diffusion_model\.input_blocks\.3\.2\.norm/);
  });
});

test('use_ema in a file with leftovers', () => {
  withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    const tensors = singleFileTensors().set('lora_unet_x.lora_up.weight', one);
    for (const [key, tensor] of singleFileTensors())
      if (key.startsWith('model.'))
        tensors.set(emaKey(key), values(`averaged ${key}`, tensor.shape));
    write(path, serialize(tensors));
    const { weights, warnings } = loadStableDiffusion(path, { useEma: true });
    assert.equal(warnings.length, 1);
    const bias = weights.get('unet.conv_out.bias');
    assert.ok(bias);
    assert.deepEqual(readTensor(bias), values('averaged model.diffusion_model.out.2.bias', [4]));
  });
});

test('tensors of something else in the files of a folder are named, of its three parts together', () => {
  withFolder((folder) => {
    const extra = 'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight';
    writeFolder(folder, 'float32', undefined, {
      unet: [extra],
      text_encoder: ['text_projection.weight', 'logit_scale'],
    });
    const { weights, warnings } = loadStableDiffusion(folder);
    assert.deepEqual([...weights.keys()].sort(), names);
    assert.deepEqual(
      warnings.map(({ what }) => what),
      [
        `3 tensors that are not part of the model are ignored: unet.${extra}, text_encoder.logit_scale, text_encoder.text_projection.weight`,
      ],
    );
  });
});

test('v_pred and ztsnr take effect', () => {
  const schedule = (...args: Parameters<typeof opened>) => {
    const { config, warnings } = opened(...args);
    const { prediction_type: type, rescale_betas_zero_snr: zero } = config.scheduler;
    return [type, zero, warnings.map(({ what }) => what)] as const;
  };
  assert.deepEqual(schedule([]), ['epsilon', false, []]);
  assert.deepEqual(schedule([['v_pred', empty]]), [
    'v_prediction',
    false,
    [
      'the file says about its model: v_pred (it predicts v, not the noise); training and drawing follow it',
    ],
  ]);
  const [type, zero, [told]] = schedule([
    ['v_pred', empty],
    ['ztsnr', empty],
  ]);
  assert.deepEqual([type, zero], ['v_prediction', true]);
  assert.match(String(told), /v_pred .* and ztsnr \(/);
  for (const word of ['v', 'V', 'v_prediction', 'v-prediction', 'vpred'])
    assert.equal(schedule([], { 'modelspec.prediction_type': word })[0], 'v_prediction', word);
  for (const word of ['epsilon', 'EPSILON', ''])
    assert.deepEqual(schedule([], { 'modelspec.prediction_type': word }), ['epsilon', false, []]);
  assert.deepEqual(schedule([], { 'modelspec.prediction_type': 'flow' }), [
    'epsilon',
    false,
    [
      'the file says about its model: modelspec.prediction_type flow, which is not known here; it is taken to predict the noise',
    ],
  ]);
});

test('ztsnr without v_pred, in a file or a folder, is refused by its name', () => {
  assert.throws(
    () => opened([['ztsnr', empty]]),
    /zero terminal SNR \(ztsnr [^]*lacks the empty tensor v_pred/,
  );
  withFolder((folder) => {
    writeFolder(folder);
    const path = join(folder, 'scheduler', 'scheduler_config.json');
    write(path, JSON.stringify({ rescale_betas_zero_snr: true }));
    assert.throws(() => loadStableDiffusion(folder), /scheduler_config\.json: zero terminal SNR/);
    write(path, JSON.stringify({ rescale_betas_zero_snr: true, prediction_type: 'v_prediction' }));
    assert.equal(loadStableDiffusion(folder).config.scheduler.rescale_betas_zero_snr, true);
  });
});
