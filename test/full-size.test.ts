// Stable Diffusion at its full 1.5 configuration against diffusers and transformers in float32
// (reference/stable_diffusion.py full): 512 elements of each output, its mean and deviation.
// Weights are made here, written to a file and mapped.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Builder } from '../src/graph/builder.ts';
import type { Graph, Value } from '../src/graph/graph.ts';
import { decode, encodeMoments } from '../src/models/autoencoder-kl.ts';
import { clipTextEncoder } from '../src/models/clip-text.ts';
import { hashedWeight } from '../src/models/hashed-weights.test-util.ts';
import { stableDiffusion15 } from '../src/models/stable-diffusion-config.ts';
import { unet } from '../src/models/unet.ts';
import { float32, type ExternalTensor, type Tensor } from '../src/tensor/tensor.ts';
import { program, tokenIds, uniform, type Tensors } from './stable-diffusion-support.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

interface Summary {
  readonly shape: readonly number[];
  readonly mean: number;
  readonly std: number;
  readonly max: number;
  readonly samples: readonly number[];
}
const golden = JSON.parse(
  readFileSync(new URL('../reference/golden/stable_diffusion_full.json', import.meta.url), 'utf8'),
) as Record<string, Summary>;

/**
 * Largest error of a sample, and of mean and deviation, as a part of the largest element. PyTorch
 * ran in float32 too, so both sides round. Measured: text states 5.8e-7, moments 1.6e-6, picture
 * 2.3e-6, noise prediction 1.6e-6.
 */
const tolerance = 1e-5;

const GIB = 2 ** 30;
/**
 * In memory where the system has such a folder: a disk takes half a minute for the UNet's 3.4 GB.
 */
const scratch = ['/dev/shm', tmpdir()].find(
  (folder) => existsSync(folder) && freeBytes(folder) > 5 * GIB,
);
const skip =
  scratch === undefined
    ? 'needs 5 GiB in the temporary folder'
    : totalmem() < 8 * GIB
      ? 'needs 8 GiB of memory'
      : false;

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Writes hashed weights of a graph one after another into a file and says where each lies. */
function writeWeights(graph: Graph, path: string): Map<string, ExternalTensor> {
  const file = openSync(path, 'w');
  let offset = 0;
  const weights = graph.parameters.map(({ name, shape }) => {
    const data = hashedWeight(name, shape);
    writeSync(file, new Uint8Array(data.buffer));
    const tensor: ExternalTensor = {
      dtype: 'float32',
      shape,
      path,
      offset,
      length: data.byteLength,
    };
    offset += data.byteLength;
    return [name, tensor] as const;
  });
  closeSync(file);
  return new Map(weights);
}

/** Runs with the weights in a temporary file, which is gone afterwards. */
async function run(graph: Graph, inputs: Tensors): Promise<Tensors> {
  const folder = realpathSync(mkdtempSync(join(scratch ?? tmpdir(), 'full-size-')));
  try {
    const session = await cpuRuntime().compile(graph, {
      weights: writeWeights(graph, join(folder, 'weights.bin')),
    });
    const results = await session.run(inputs);
    await session.release();
    return results;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function errorOf({ data, shape }: Tensor, expected: Summary): number {
  assert.deepEqual(shape, expected.shape);
  const values = Array.from(data, Number);
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const std = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
  const at = (i: number) => values[Math.floor(i * (values.length / expected.samples.length))];
  const errors = [
    mean - expected.mean,
    std - expected.std,
    ...expected.samples.map((sample, i) => at(i) - sample),
  ];
  return (
    errors.reduce((worst, error) => (Math.abs(error) <= worst ? worst : Math.abs(error)), 0) /
    expected.max
  );
}

function compare(
  name: string,
  build: (g: Builder, feed: (name: string, tensor: Tensor) => Value) => Record<string, Value>,
): void {
  test(name, { skip }, async (t) => {
    const { graph, inputs } = program(build);
    for (const [key, actual] of Object.entries(await run(graph, inputs))) {
      const error = errorOf(actual, golden[key]);
      t.diagnostic(`${key}: ${error.toExponential(1)}`);
      assert.ok(error <= tolerance, `${key}: ${error}`);
    }
  });
}

compare('text states of 77 tokens', (g, feed) => ({
  text: clipTextEncoder(g, stableDiffusion15.textEncoder, feed('ids', tokenIds([1, 77], 49408))),
}));

compare('moments and picture at 256 pixels', (g, feed) => ({
  ...encodeMoments(g, stableDiffusion15.vae, feed('pixels', uniform('pixels', [1, 3, 256, 256]))),
  decoded: decode(g, stableDiffusion15.vae, feed('z', uniform('z', [1, 4, 32, 32], 1.7))),
}));

compare('noise prediction at 512 pixels', (g, feed) => ({
  unet: unet(g, stableDiffusion15.unet, {
    latents: feed('latents', uniform('latents', [1, 4, 64, 64], 1.7)),
    timesteps: feed('timesteps', float32([1], [981])),
    context: feed('context', uniform('context', [1, 77, 768], 1.7)),
  }),
}));
