// Stage 3 of the embedded base: the averaged weights as a diffusers folder, in float16.
//
//   npx tsx models/tiny-sd/pack.ts
//
// The latents' deviation is folded into quant_conv and post_quant_conv, so that SD's usual factor
// holds.

import { fileURLToPath } from 'node:url';
import { mkdirSync, readFileSync } from 'node:fs';
import { writeFileAtomically } from '../../src/storage/write-file.ts';
import { fromFloat32 } from '../../src/tensor/half.ts';
import { serialize } from '../../src/tensor/safetensors.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { createClipTokenizer } from '../../src/tokenizer/clip.ts';
import { fullId } from './captions.ts';
import { tinyStableDiffusion as config } from './config.ts';
import { averagedWeights, deviationFile } from './state.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

type Weights = Map<string, Tensor<'float32'>>;

/** `weights` whose names begin with `prefix`, without it. */
function part(weights: ReadonlyMap<string, Tensor>, prefix: string): Weights {
  const own = [...weights].filter(([name]) => name.startsWith(prefix));
  return new Map(
    own.map(([name, tensor]) => [name.slice(prefix.length), tensor as Tensor<'float32'>] as const),
  ); // states are float32
}

/** z' = z · factor: mean and log variance are made by quant_conv, and undone by post_quant_conv. */
function foldScale(vae: Weights, factor: number): Weights {
  const channels = config.vae.latent_channels;
  const change = (name: string, map: (value: number, i: number, size: number) => number) => {
    const tensor = vae.get(name);
    if (tensor !== undefined)
      vae.set(name, {
        ...tensor,
        data: tensor.data.map((value, i) => map(value, i, tensor.data.length)),
      });
  };
  change('quant_conv.weight', (value, i, size) => (i < size / 2 ? value * factor : value));
  change('quant_conv.bias', (value, i) =>
    i < channels ? value * factor : value + 2 * Math.log(factor),
  );
  change('post_quant_conv.weight', (value) => value / factor);
  return vae;
}

/** Rows of pieces that were never trained stay zero. */
async function widenVocabulary(textEncoder: Weights): Promise<Weights> {
  const name = 'text_model.embeddings.token_embedding.weight';
  const small = textEncoder.get(name);
  const tokenizer = await createClipTokenizer();
  const width = config.textEncoder.hidden_size;
  const data = new Float32Array(config.textEncoder.vocab_size * width);
  const rows = (small?.data.length ?? 0) / width;
  for (let row = 0; row < rows; row++)
    data.set(
      small?.data.subarray(row * width, (row + 1) * width) ?? [],
      fullId(row, tokenizer) * width,
    );
  return textEncoder.set(name, {
    dtype: 'float32',
    shape: [config.textEncoder.vocab_size, width],
    data,
  });
}

function write(component: string, file: string, weights: Weights, description: object): void {
  mkdirSync(`${folder}${component}`, { recursive: true });
  const half = new Map(
    [...weights].map(([name, tensor]) => [name, fromFloat32(tensor, 'float16')] as const),
  );
  writeFileAtomically(`${folder}${component}/${file}`, serialize(half, { format: 'pt' }));
  writeJson(`${component}/config.json`, description);
}

const writeJson = (path: string, content: object) =>
  writeFileAtomically(`${folder}${path}`, `${JSON.stringify(content, null, 2)}\n`);

// written by stage 2
const { deviation } = JSON.parse(readFileSync(deviationFile, 'utf8')) as { deviation: number };
const diffusion = averagedWeights('diffusion');
const vae = foldScale(
  part(averagedWeights('autoencoder'), 'vae.'),
  1 / (deviation * config.vae.scaling_factor),
);
write('vae', 'diffusion_pytorch_model.safetensors', vae, {
  _class_name: 'AutoencoderKL',
  down_block_types: config.vae.block_out_channels.map(() => 'DownEncoderBlock2D'),
  up_block_types: config.vae.block_out_channels.map(() => 'UpDecoderBlock2D'),
  sample_size: config.unet.sample_size * 4,
  ...config.vae,
});
write('unet', 'diffusion_pytorch_model.safetensors', part(diffusion, 'unet.'), {
  _class_name: 'UNet2DConditionModel',
  ...config.unet,
});
write(
  'text_encoder',
  'model.safetensors',
  await widenVocabulary(part(diffusion, 'text_encoder.')),
  {
    architectures: ['CLIPTextModel'],
    model_type: 'clip_text_model',
    bos_token_id: 49406,
    eos_token_id: 49407,
    ...config.textEncoder,
  },
);
mkdirSync(`${folder}scheduler`, { recursive: true });
writeJson('scheduler/scheduler_config.json', {
  _class_name: 'DDIMScheduler',
  clip_sample: false,
  set_alpha_to_one: false,
  steps_offset: 1,
  ...config.scheduler,
});
writeJson('model_index.json', {
  _class_name: 'StableDiffusionPipeline',
  scheduler: ['diffusers', 'DDIMScheduler'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  unet: ['diffusers', 'UNet2DConditionModel'],
  vae: ['diffusers', 'AutoencoderKL'],
});
console.log(`packed with the latents' deviation ${deviation}`);
