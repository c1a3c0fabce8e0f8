import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError } from '../errors.ts';
import { serialize } from '../tensor/safetensors.ts';
import { float32, type Shape, type Tensor } from '../tensor/tensor.ts';
import { kinds, type KindName } from './kinds.ts';
import { singleFileTensors, values, withFolder, write } from './small-model.test-util.ts';
import { loadStableDiffusion } from './stable-diffusion.ts';

type File = ReadonlyMap<string, Tensor>;

const one = float32([1], [0]);
const bytes = (length: number): Tensor<'uint8'> => ({
  dtype: 'uint8',
  shape: [length],
  data: new Uint8Array(length),
});
const shaped = (shape: Shape) => values('w', shape);
const named = (...names: readonly string[]): File => new Map(names.map((name) => [name, one]));
const whole = (...extra: readonly (readonly [string, Tensor])[]): File =>
  new Map([...singleFileTensors(), ...extra]);
const only = (keep: (key: string) => boolean, ...extra: readonly (readonly [string, Tensor])[]) =>
  new Map([...Array.from(singleFileTensors()).filter(([key]) => keep(key)), ...extra]);
const under = (prefix: string) =>
  new Map(Array.from(singleFileTensors(), ([key, tensor]) => [`${prefix}${key}`, tensor]));
const renamed = (from: string, to: string) =>
  new Map(Array.from(singleFileTensors(), ([key, tensor]) => [key.replace(from, to), tensor]));
const isUnet = (key: string) => key.startsWith('model.');
const isVae = (key: string) => key.startsWith('first_stage_model.');
const isText = (key: string) => key.startsWith('cond_stage_model.');
const convIn = (channels: number) =>
  whole(['model.diffusion_model.input_blocks.0.0.weight', shaped([32, channels, 3, 3])]);

/** Files of each kind, and what is said of them. */
const samples: Readonly<Record<KindName, readonly (readonly [string, File, RegExp])[]>> = {
  latentConsistency: [
    [
      'a whole LCM',
      whole(['model.diffusion_model.time_embed.cond_proj.weight', one]),
      /latent consistency model \(LCM\)[^]*distilled from/,
    ],
    [
      'the UNet of an LCM folder',
      named('conv_in.weight', 'time_embedding.cond_proj.weight'),
      /latent consistency model/,
    ],
  ],
  classConditional: [
    [
      'a UNet with labels',
      whole(['model.diffusion_model.label_emb.0.0.weight', one]),
      /takes labels besides texts/,
    ],
  ],
  deeperTransformers: [
    [
      'a UNet with two transformer blocks in a place',
      whole(['model.diffusion_model.input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight', one]),
      /more than one transformer block/,
    ],
  ],
  elucidated: [
    ['an EDM v-prediction', whole(['edm_vpred.sigma_max', one]), /noise of EDM/],
    ['Playground', named('edm_mean', 'edm_std'), /noise of EDM/],
  ],
  wrapped: [
    [
      'state_dict. before all names',
      under('state_dict.'),
      /its tensor names begin with state_dict\./,
    ],
    ['model.module. before all names', under('model.module.'), /begin with model\.module\./],
  ],
  unclip: [['unCLIP', new Map([...only(isUnet), ['embedder.model.visual.proj', one]]), /unCLIP/]],
  stableDiffusionXl: [
    [
      'a whole SDXL',
      only(
        (key) => !isText(key),
        ['conditioner.embedders.0.transformer.text_model.final_layer_norm.bias', one],
        ['conditioner.embedders.1.model.ln_final.bias', one],
        ['model.diffusion_model.label_emb.0.0.weight', one],
      ),
      /Stable Diffusion XL model/,
    ],
    [
      'the UNet of an SDXL folder',
      new Map([
        ['add_embedding.linear_1.weight', one],
        ['down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight', shaped([1, 2048])],
      ]),
      /Stable Diffusion XL model/,
    ],
  ],
  stableDiffusionXlRefiner: [
    [
      'the refiner',
      only((key) => !isText(key), ['conditioner.embedders.0.model.ln_final.bias', one]),
      /refiner of Stable Diffusion XL/,
    ],
  ],
  video: [
    [
      'Stable Video Diffusion',
      named('model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight'),
      /videos/,
    ],
    [
      'Wan',
      new Map([
        ['patch_embedding.weight', shaped([1, 1, 1, 1, 1])],
        ['blocks.0.self_attn.q.weight', one],
      ]),
      /videos/,
    ],
    ['LTX', named('model.diffusion_model.patchify_proj.weight'), /videos/],
  ],
  stableDiffusion2: [
    [
      'SD 2',
      only(
        (key) => !isText(key),
        ['cond_stage_model.model.transformer.resblocks.0.ln_1.weight', one],
      ),
      /Stable Diffusion 2/,
    ],
    [
      'SD 2 with linear projections',
      whole(['model.diffusion_model.input_blocks.3.1.proj_in.weight', shaped([32, 32])]),
      /Stable Diffusion 2/,
    ],
    [
      'the UNet of an SD 2 folder',
      new Map([
        ['down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight', shaped([1, 1024])],
      ]),
      /Stable Diffusion 2/,
    ],
  ],
  moreChannels: [
    ['inpainting', convIn(9), /an inpainting model: its UNet takes 9 channels/],
    ['InstructPix2Pix', convIn(8), /InstructPix2Pix[^]*takes 8 channels/],
    ['depth', convIn(5), /depth-to-image model[^]*takes 5 channels/],
    ['a latent upscaler', convIn(7), /an upscaling model/],
    ['a UNet of another use', convIn(6), /a model of another kind: its UNet takes 6 channels/],
  ],
  stableDiffusion3: [
    [
      'SD 3',
      named('model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight'),
      /Stable Diffusion 3/,
    ],
    ['SD 3 of a folder', named('pos_embed.pos_embed'), /Stable Diffusion 3/],
  ],
  flux: [
    ['FLUX', named('double_blocks.0.img_attn.qkv.weight'), /FLUX/],
    [
      'FLUX with a VAE and a text encoder of ours',
      only(
        (key) => !isUnet(key),
        ['model.diffusion_model.double_blocks.0.img_attn.qkv.weight', one],
      ),
      /FLUX/,
    ],
  ],
  diffusionTransformer: [
    [
      'PixArt',
      named('adaln_single.linear.weight', 'transformer_blocks.0.attn1.to_q.weight'),
      /PixArt/,
    ],
    ['Qwen-Image', named('transformer_blocks.0.img_mod.1.weight'), /Qwen-Image/],
    ['Lumina', named('model.diffusion_model.cap_embedder.0.weight'), /Lumina/],
  ],
  cascade: [['Stable Cascade', named('down_blocks.0.0.channelwise.0.weight'), /Stable Cascade/]],
  tinyInside: [
    [
      'a checkpoint with TAESD in place of its autoencoder',
      only((key) => !isVae(key), ['first_stage_model.taesd_decoder.1.weight', one]),
      /its autoencoder is a tiny one \(TAESD\)/,
    ],
  ],
  halfAutoencoder: [
    [
      'a file without what encodes pictures',
      only((key) => !key.startsWith('first_stage_model.encoder.')),
      /its autoencoder lacks the encoder, as in a file pruned/,
    ],
    [
      'a file without what decodes them',
      only((key) => !key.startsWith('first_stage_model.decoder.')),
      /its autoencoder lacks the decoder/,
    ],
  ],
  float8: [], // the writer has no such type: see below
  quantized: [
    [
      'a UNet in 4 bits of bitsandbytes',
      whole(
        ['model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.weight', bytes(8)],
        [
          'model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.weight.absmax',
          one,
        ],
      ),
      /quantized \(bitsandbytes/,
    ],
    [
      'GPTQ',
      only(
        (key) => !key.endsWith('attn1.to_q.weight'),
        ['model.diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q.qweight', one],
      ),
      /quantized/,
    ],
    [
      'int8',
      whole(['model.diffusion_model.out.2.weight', { ...bytes(8), shape: [8, 1] }]),
      /quantized/,
    ],
  ],
  averagedOnly: [
    [
      'averaged weights alone',
      new Map(
        Array.from(singleFileTensors(), ([key, tensor]) => [
          isUnet(key) ? `model_ema.${key.slice(6).replaceAll('.', '')}` : key,
          tensor,
        ]),
      ),
      /only as the averaged copy \(EMA[^]*"emaonly" file/,
    ],
  ],
  ipAdapter: [
    [
      'an IP-Adapter',
      named('image_proj.proj.weight', 'ip_adapter.1.to_k_ip.weight'),
      /an IP-Adapter/,
    ],
    [
      'an IP-Adapter with a LoRA',
      named('image_proj.proj.weight', 'ip_adapter.0.to_q_lora.down.weight'),
      /an IP-Adapter/,
    ],
  ],
  loha: [
    [
      'a LoHa',
      named('lora_unet_conv_in.hada_w1_a', 'lora_unet_conv_in.alpha'),
      /LyCORIS adapter \(LoHa\)/,
    ],
  ],
  lokr: [
    [
      'a LoKr',
      named('lora_unet_conv_in.lokr_w1', 'lora_unet_conv_in.alpha'),
      /LyCORIS adapter \(LoKr\)/,
    ],
  ],
  otherLycoris: [
    ['an OFT', named('oft_unet_mid_block.oft_blocks', 'oft_unet_mid_block.alpha'), /OFT/],
    ['an (IA)³', named('lora_unet_mid.weight', 'lora_unet_mid.on_input'), /\(IA\)³/],
    ['a full difference', named('lora_unet_conv_in.diff'), /full-weight difference/],
  ],
  lora: [
    [
      'a kohya LoRA',
      named('lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight'),
      /this is a LoRA/,
    ],
    [
      'a PEFT LoRA',
      named('unet.down_blocks.0.attentions.0.proj_in.lora_A.weight'),
      /this is a LoRA/,
    ],
    [
      'a LoRA with an embedding inside',
      named(
        'lora_te_text_model_x.alpha',
        'lora_te_text_model_x.lora_up.weight',
        'bundle_emb.a.string_to_param.*',
      ),
      /this is a LoRA/,
    ],
    [
      'a DoRA',
      named('unet.mid_block.x.lora_A.weight', 'unet.mid_block.x.lora_magnitude_vector'),
      /this is a LoRA/,
    ],
  ],
  controlLora: [
    ['a Control-LoRA', named('lora_controlnet', 'input_blocks.0.0.up'), /Control-LoRA/],
    ['LLLite', named('lllite_unet_x.down.0.weight'), /LLLite/],
  ],
  controlNet: [
    ['a ControlNet', named('control_model.zero_convs.0.0.weight'), /a ControlNet/],
    [
      'the ControlNet of a folder',
      named(
        'conv_in.weight',
        'controlnet_cond_embedding.conv_in.weight',
        'down_blocks.0.resnets.0.norm1.weight',
      ),
      /a ControlNet/,
    ],
  ],
  motionModule: [
    ['AnimateDiff', named('down_blocks.0.motion_modules.0.norm.weight'), /motion module/],
  ],
  t2iAdapter: [['a T2I-Adapter', named('adapter.body.0.resnets.0.block1.weight'), /T2I-Adapter/]],
  upscaler: [
    ['ESRGAN', named('model.0.weight', 'model.1.sub.0.RDB1.conv1.0.weight'), /an upscaler/],
    ['RealESRGAN', named('conv_first.weight', 'body.0.rdb1.conv1.weight'), /an upscaler/],
    ['SwinIR', named('params.layers.0.residual_group.blocks.0.norm1.weight'), /an upscaler/],
  ],
  hypernetwork: [
    ['a hypernetwork', named('768.0.linear.0.weight', '320.0.linear.0.weight'), /a hypernetwork/],
  ],
  embedding: [
    ['an embedding', named('emb_params'), /textual inversion/],
    ['an embedding of diffusers', named('<brand>'), /textual inversion/],
    ['an embedding of SDXL', named('clip_l', 'clip_g'), /textual inversion/],
  ],
  t5: [
    [
      'T5',
      named('shared.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight'),
      /T5 text encoder/,
    ],
  ],
  tinyAutoencoder: [
    [
      'TAESD of a folder',
      named('encoder.layers.0.weight', 'decoder.layers.1.weight'),
      /tiny autoencoder \(TAESD\)/,
    ],
    ['TAESD', named('1.weight', '3.conv.0.weight', '3.conv.0.bias'), /tiny autoencoder \(TAESD\)/],
  ],
  consistencyDecoder: [
    ['the consistency decoder', named('decoder_unet.conv_in.weight'), /consistency decoder/],
  ],
  safetyChecker: [
    [
      'the safety checker',
      named('concept_embeds', 'vision_model.vision_model.pre_layrnorm.bias'),
      /safety checker/,
    ],
  ],
  clipVision: [
    [
      'an image encoder',
      named('vision_model.embeddings.class_embedding', 'visual_projection.weight'),
      /encoder of pictures/,
    ],
  ],
  textEncoder: [
    [
      'a text encoder',
      named('text_model.embeddings.token_embedding.weight'),
      /a text encoder alone/,
    ],
    ['a text encoder with its prefix', only(isText), /a text encoder alone/],
    [
      'a text encoder with a projection',
      named('text_model.encoder.layers.0.mlp.fc1.weight', 'text_projection.weight'),
      /a text encoder alone/,
    ],
    [
      'a text encoder of OpenCLIP',
      named('token_embedding.weight', 'transformer.resblocks.0.ln_1.bias'),
      /a text encoder alone/,
    ],
  ],
  autoencoder: [
    ['a VAE with its prefix', only(isVae), /autoencoder \(VAE\) alone/],
    ['a VAE', named('encoder.down.0.block.0.norm1.weight'), /autoencoder \(VAE\) alone/],
    [
      'a VAE of a folder',
      named('decoder.up_blocks.0.resnets.0.norm1.weight'),
      /autoencoder \(VAE\) alone/,
    ],
    [
      'a VAE with averages and a LoRA tensor',
      only(isVae, ['vae_ema.decay', one], ['lora_unet_x.lora_up.weight', one]),
      /autoencoder \(VAE\) alone/,
    ],
  ],
  languageModel: [
    [
      'Llama',
      named('model.layers.0.self_attn.q_proj.weight'),
      /a language model[^]*task_type: text-generation/,
    ],
    ['Llama in GPTQ', named('model.layers.0.self_attn.q_proj.qweight'), /a language model/],
    ['GPT-2', named('transformer.h.0.attn.c_attn.weight'), /a language model/],
    ['GPT-NeoX', named('gpt_neox.embed_in.weight'), /a language model/],
  ],
  diffusersNames: [
    [
      'one file with the names of a folder',
      named('unet.conv_in.weight', 'vae.quant_conv.bias'),
      /names of a diffusers folder/,
    ],
  ],
  diffusersUnet: [
    ['the UNet of a folder', named('down_blocks.0.resnets.0.norm1.weight'), /the UNet alone/],
  ],
  unet: [
    ['a UNet without the rest', only(isUnet), /a UNet alone/],
    ['a UNet without the rest and its prefix', renamedOnly(isUnet), /a UNet alone/],
  ],
  someParts: [
    ['a file without autoencoder', only((key) => !isVae(key)), /the autoencoder is missing/],
    ['a file without text encoder', only((key) => !isText(key)), /the text encoder is missing/],
    [
      'a file without UNet, with a LoRA tensor',
      only((key) => !isUnet(key), ['lora_te_x.lora_up.weight', one]),
      /the UNet is missing/,
    ],
  ],
  unknown: [
    ['something else', named('x'), /none of its tensor names are known, for instance x/],
    ['nothing', new Map(), /no tensors/],
  ],
};

function renamedOnly(keep: (key: string) => boolean): File {
  return new Map(
    [...renamed('', '')].flatMap(([key, tensor]) =>
      keep(key) ? [[key.replace('model.diffusion_model.', ''), tensor] as const] : [],
    ),
  );
}

const refused = (path: string, message: RegExp) =>
  assert.throws(
    () => loadStableDiffusion(path),
    (error) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.match(error.message, message);
      assert.ok(error.problems.every(({ fix }) => fix !== undefined));
      return true;
    },
  );

for (const [name, files] of Object.entries(samples))
  for (const [title, tensors, message] of files)
    test(`${title} given as base is refused as ${name}`, () => {
      withFolder((folder) => {
        const path = join(folder, 'model.safetensors');
        write(path, serialize(tensors));
        refused(path, message);
      });
    });

test('a checkpoint pruned to float8 is called that, not damaged', () => {
  withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    write(
      path,
      withType(
        serialize(singleFileTensors('float16')),
        'model.diffusion_model.out.2.weight',
        'F8_E4M3',
      ),
    );
    refused(
      path,
      /fewer than 16 bits: tensors of type F8_E4M3 \(1 in all\)[^]*float16 or bfloat16 file of the same model/,
    );
  });
});

test('a tensor of an element type that we do not know is ignored where it is not needed', () => {
  withFolder((folder) => {
    const path = join(folder, 'model.safetensors');
    const tensors = whole(['scaled_fp8', bytes(2)]);
    write(path, withType(serialize(tensors), 'scaled_fp8', 'F8_E4M3'));
    assert.match(loadStableDiffusion(path).warnings[0].what, /ignored: scaled_fp8$/);
  });
});

/** The file, one of whose tensors says that it is of another type: the same bytes. */
function withType(file: Uint8Array, name: string, type: string): Uint8Array {
  const bytes = Buffer.from(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, object>;
  header[name] = { ...header[name], dtype: type };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, bytes.subarray(8 + length)]);
}

test('each kind says what to do', () => {
  for (const { fix } of Object.values(kinds)) assert.match(fix, /base_model|file/);
});
