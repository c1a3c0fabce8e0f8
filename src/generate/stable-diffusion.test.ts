import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openSafetensors, readFloat32 } from '../checkpoints/safetensors-file.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import { writeSmallBase } from '../train/testing/small-base.ts';
import { errorOf, tokenIds, uniform } from '../../test/stable-diffusion-support.ts';
import { openStableDiffusion } from './stable-diffusion.ts';
import { cpuRuntime } from '../runtime/runtime.ts';

const folder = mkdtempSync(join(tmpdir(), 'functions-'));
after(() => rmSync(folder, { recursive: true, force: true }));
writeSmallBase(folder, { tokens: 77 });

/** Made by reference/stable_diffusion.py. */
const golden = openSafetensors('reference/golden/stable_diffusion_small.safetensors').tensors;
function expected(name: string): Tensor {
  const found = golden.get(`small.${name}`);
  assert.ok(found !== undefined, name);
  return readFloat32(found);
}

test("a folder's functions give PyTorch's numbers", async () => {
  const model = openStableDiffusion(folder, { runtime: cpuRuntime(1) });
  const { scaling_factor } = model.config.vae;
  const ids = tokenIds([2, 77], 100);
  const z = uniform('z', [2, 4, 8, 6], 1.7);
  const moments = await model.encode(uniform('pixels', [2, 3, 32, 24]));
  const found = {
    'text.77': await model.textStates(ids as Tensor<'int32'>),
    'unet.16x16': await model.predictNoise(
      uniform('latents', [2, 4, 16, 16], 1.7),
      float32([2], [981, 37]),
      uniform('context', [2, 7, 32], 1.7),
    ),
    'vae.mean': moments.mean,
    'vae.logvar': moments.logvar,
    'vae.decoded': await model.decode(
      float32(
        z.shape,
        z.data.map((value) => value * scaling_factor),
      ),
    ),
  };
  await model.release();
  const errors = Object.entries(found).map(
    ([name, tensor]) => [name, errorOf(tensor, expected(name))] as const,
  );
  if (process.env.SHOW_ERRORS) console.log(errors);
  // float32 against float64: see the measured errors in test/stable-diffusion.test.ts
  for (const [name, error] of errors) assert.ok(error < 1e-5, `${name}: ${error}`);
});
