// A small Stable Diffusion 1.x with everything that a single file cannot say as in SD 1.5, in both
// layouts, for tests.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { hashedWeight } from '../models/hashed-weights.test-util.ts';
import { stableDiffusionParameters } from '../models/parameters.ts';
import {
  stableDiffusion15,
  type StableDiffusionConfig,
} from '../models/stable-diffusion-config.ts';
import { fromFloat32, type FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import type { Shape, Tensor } from '../tensor/tensor.ts';
import { sd15Rows } from './small-model.test-util.ts';

/**
 * 32 groups, 8 heads, factor 8, two blocks a level, text heads of width 64, the whole vocabulary.
 */
export const narrowConfig: StableDiffusionConfig = {
  ...stableDiffusion15,
  unet: {
    ...stableDiffusion15.unet,
    block_out_channels: [32, 64, 64, 64],
    cross_attention_dim: 64,
  },
  vae: { ...stableDiffusion15.vae, block_out_channels: [32, 32, 64, 64] },
  textEncoder: {
    ...stableDiffusion15.textEncoder,
    hidden_size: 64,
    intermediate_size: 64,
    num_hidden_layers: 1,
    num_attention_heads: 1,
  },
};

/** One tensor: its key and shape in a single file, its name in ours, its numbers. */
interface Row {
  readonly ldm: string;
  readonly ldmShape: Shape;
  readonly name: string;
  readonly tensor: Tensor;
}

function rows(dtype: FloatDType): Row[] {
  const known = new Map(sd15Rows.map((row) => [row.name, row]));
  return Array.from(stableDiffusionParameters(narrowConfig), ([name, shape]) => {
    const row = known.get(name);
    if (row === undefined) throw new Error(`SD 1.5 has no ${name}`);
    // the autoencoder's attention is stored as 1x1 convolutions
    const ones = row.ldmShape.slice(row.shape.length);
    return {
      ldm: row.ldm,
      ldmShape: [...shape, ...ones],
      name,
      tensor: fromFloat32({ dtype: 'float32', shape, data: hashedWeight(name, shape) }, dtype),
    };
  });
}

/** The tensors of the single file, by key. */
export const narrowSingleFile = (dtype: FloatDType): Map<string, Tensor> =>
  new Map(rows(dtype).map(({ ldm, ldmShape, tensor }) => [ldm, { ...tensor, shape: ldmShape }]));

/** Writes `<stem>.safetensors` and the folder `<stem>`. */
export function writeBothLayouts(stem: string, dtype: FloatDType): void {
  write(`${stem}.safetensors`, serialize(narrowSingleFile(dtype)));
  const configs = {
    unet: narrowConfig.unet,
    vae: narrowConfig.vae,
    text_encoder: narrowConfig.textEncoder,
  };
  for (const [part, config] of Object.entries(configs)) {
    const mine = rows(dtype).filter(({ name }) => name.startsWith(`${part}.`));
    const file =
      part === 'text_encoder' ? 'model.safetensors' : 'diffusion_pytorch_model.safetensors';
    write(
      join(stem, part, file),
      serialize(new Map(mine.map(({ name, tensor }) => [name.slice(part.length + 1), tensor])), {
        format: 'pt',
      }),
    );
    write(join(stem, part, 'config.json'), JSON.stringify(config));
  }
}

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
