// A small Stable Diffusion with hashed weights as a diffusers folder, and a few pictures, for tests
// of training.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodePng } from '../../dataset/image.ts';
import { hashedUniforms, hashedWeight } from '../../models/hashed-weights.test-util.ts';
import { stableDiffusionParameters } from '../../models/parameters.ts';
import { smallConfig } from '../../models/small-configs.test-util.ts';
import { fromFloat32, type FloatDType } from '../../tensor/half.ts';
import { serialize } from '../../tensor/safetensors.ts';

/** Where the caption's letters are the tokens. */
function tokenizerFiles(): Record<string, string> {
  const letters = [...'abcdefghijklmnopqrstuvwxyz,'];
  const names = [
    ...letters,
    ...letters.map((letter) => `${letter}</w>`),
    '<|startoftext|>',
    '<|endoftext|>',
  ];
  return {
    'vocab.json': JSON.stringify(Object.fromEntries(names.map((name, id) => [name, id]))),
    'merges.txt': '#version: 0.2\n',
  };
}

/** Writes the base of `smallConfig`, its text encoder cut to `tokens` positions. */
export function writeSmallBase(
  folder: string,
  { dtype = 'float32', tokens = 8 }: { dtype?: FloatDType; tokens?: number } = {},
): void {
  const config = {
    ...smallConfig,
    textEncoder: { ...smallConfig.textEncoder, max_position_embeddings: tokens },
  };
  const parameters = [...stableDiffusionParameters(config)];
  const parts = { unet: config.unet, vae: config.vae, text_encoder: config.textEncoder };
  for (const [part, partConfig] of Object.entries(parts)) {
    const mine = parameters.filter(([name]) => name.startsWith(`${part}.`));
    const tensors = new Map(
      mine.map(([name, shape]) => [
        name.slice(part.length + 1),
        fromFloat32({ dtype: 'float32', shape, data: hashedWeight(name, shape) }, dtype),
      ]),
    );
    write(
      join(
        folder,
        part,
        part === 'text_encoder' ? 'model.safetensors' : 'diffusion_pytorch_model.safetensors',
      ),
      serialize(tensors, { format: 'pt' }),
    );
    write(join(folder, part, 'config.json'), JSON.stringify(partConfig));
  }
  write(join(folder, 'scheduler', 'scheduler_config.json'), JSON.stringify(config.scheduler));
  for (const [name, text] of Object.entries(tokenizerFiles()))
    write(join(folder, 'tokenizer', name), text);
}

/** Pictures of the given sizes with a metadata.csv. */
export async function writePictures(
  folder: string,
  sizes: readonly (readonly [number, number])[],
): Promise<void> {
  const rows = sizes.map((_, i) => `p${i}.png,"cat, hat ${'abcdefgh'[i % 8]}"`);
  write(join(folder, 'metadata.csv'), `filename,prompt\n${rows.join('\n')}\n`);
  for (const [i, [width, height]] of sizes.entries()) {
    const rgb = Uint8Array.from(
      hashedUniforms(`picture ${i}`, width * height * 3),
      (u) => 127 + 100 * u,
    );
    write(join(folder, `p${i}.png`), await encodePng(rgb, width, height));
  }
}

function write(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
