// Writes a small Stable Diffusion to disk in both layouts, for tests. The names come from
// reference/ldm_names.py.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fromFloat32, type FloatDType } from '../tensor/half.ts';
import { serialize } from '../tensor/safetensors.ts';
import { sizeOf, type Shape, type Tensor } from '../tensor/tensor.ts';

/** One tensor's name and shape in both layouts; `name` begins with the component. */
export interface NameRow {
  readonly ldm: string;
  readonly ldmShape: Shape;
  readonly name: string;
  readonly shape: Shape;
}

const shapeOf = (text: string) => (text === '' ? [] : text.split('x').map(Number));

export const smallRows: readonly NameRow[] = readFileSync(
  'reference/golden/ldm_names_small.tsv',
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [ldm, ldmShape, name, shape] = line.split('\t');
    return { ldm, ldmShape: shapeOf(ldmShape), name, shape: shapeOf(shape) };
  });

/** The 1130 tensors of Stable Diffusion 1.5. */
export const sd15Rows: readonly NameRow[] = gunzipSync(
  readFileSync('test/data/sd15-tensors.tsv.gz'),
)
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [component, ldm, ldmShape, name, shape] = line.split('\t');
    return {
      ldm,
      ldmShape: shapeOf(ldmShape),
      name: `${component === 'clip' ? 'text_encoder' : component}.${name}`,
      shape: shapeOf(shape),
    };
  });

/** Numbers that differ from tensor to tensor and survive float16. */
export function values(name: string, shape: Shape, dtype: FloatDType = 'float32'): Tensor {
  const seed = Array.from(name).reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 7);
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = ((seed + i) % 64) / 64;
  return fromFloat32({ dtype: 'float32', shape, data }, dtype);
}

export function singleFileTensors(dtype: FloatDType = 'float32'): Map<string, Tensor> {
  return new Map(smallRows.map(({ ldm, ldmShape, name }) => [ldm, values(name, ldmShape, dtype)]));
}

export const smallConfigs = {
  unet: {
    _class_name: 'UNet2DConditionModel',
    act_fn: 'silu',
    attention_head_dim: 8,
    block_out_channels: [32, 32, 64],
    cross_attention_dim: 24,
    layers_per_block: 1,
    norm_num_groups: 32,
    sample_size: 8,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
    in_channels: 4,
    out_channels: 4,
  },
  vae: {
    _class_name: 'AutoencoderKL',
    down_block_types: Array<string>(3).fill('DownEncoderBlock2D'),
    up_block_types: Array<string>(3).fill('UpDecoderBlock2D'),
    block_out_channels: [32, 32, 64],
    layers_per_block: 1,
    norm_num_groups: 32,
    latent_channels: 4,
    scaling_factor: 0.5,
  },
  text_encoder: {
    architectures: ['CLIPTextModel'],
    hidden_size: 24,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    vocab_size: 100,
    hidden_act: 'quick_gelu',
  },
};

/**
 * Writes the model as a diffusers folder; `rename` changes tensor names, to make old files; `extra`
 * names tensors that lie in the files beside the model.
 */
export function writeFolder(
  folder: string,
  dtype: FloatDType = 'float32',
  rename: (name: string) => string = (name) => name,
  extra: Readonly<Record<string, readonly string[]>> = {},
): void {
  for (const part of ['unet', 'vae', 'text_encoder'] as const) {
    const rows = smallRows.filter(({ name }) => name.startsWith(`${part}.`));
    const tensors = new Map([
      ...rows.map(
        ({ name, shape }) =>
          [rename(name.slice(part.length + 1)), values(name, shape, dtype)] as const,
      ),
      ...(extra[part] ?? []).map((name) => [name, values(name, [1], dtype)] as const),
    ]);
    write(
      join(
        folder,
        part,
        part === 'text_encoder' ? 'model.safetensors' : 'diffusion_pytorch_model.safetensors',
      ),
      serialize(tensors, { format: 'pt' }),
    );
    write(join(folder, part, 'config.json'), JSON.stringify(smallConfigs[part]));
  }
  write(
    join(folder, 'scheduler', 'scheduler_config.json'),
    JSON.stringify({
      beta_start: 0.00085,
      beta_end: 0.012,
      beta_schedule: 'scaled_linear',
      trained_betas: null,
    }),
  );
}

export function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Runs `use` with an empty folder that is gone afterwards. */
export function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'checkpoints-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
