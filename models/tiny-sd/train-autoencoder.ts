// Stage 1 of the embedded base: the autoencoder, from nothing, on crops of drawn pictures.
//
//   npx tsx models/tiny-sd/train-autoencoder.ts [steps]
//
// Continues from .cache/tiny-sd/autoencoder.safetensors where that is there.

import { cpuRuntime } from '../../src/runtime/runtime.ts';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { sequence, normals } from '../../src/util/philox.ts';
import type { BatchInputs } from '../../src/train/loop.ts';
import { fullTraining } from '../../src/train/full-training.ts';
import { latentFactor } from '../../src/models/stable-diffusion-config.ts';
import { PICTURE_SIDE, tinyStableDiffusion as config } from './config.ts';
import { renderAutoencoderPictures } from './draw-autoencoder.ts';
import { autoencoderLoss } from './losses.ts';
import { adamWithCosine, report } from '../full-training.ts';
import { averagedWeights, stateFile } from './state.ts';

const PICTURES = 2400;
const CROP = 32;
const BATCH = 32;
const SEED = 20_241;

export const autoencoderSteps = 900;

/** Crops of random pictures, as the batch of one step. */
function cropsAt(pictures: Uint8Array, step: number): BatchInputs {
  const next = sequence(SEED, 1 + step);
  const pixels = new Float32Array(BATCH * 3 * CROP * CROP);
  for (let n = 0; n < BATCH; n++) {
    // pictures with even numbers are base pictures: seven in ten
    const picture = 2 * Math.floor((next() * PICTURES) / 2) + (next() < 0.7 ? 0 : 1);
    const [left, top] = [0, 1].map(() => Math.floor(next() * (PICTURE_SIDE - CROP + 1)));
    copyCrop(pictures, picture, left, top, pixels, n);
  }
  const latentSide = CROP / latentFactor(config.vae);
  const shape = [BATCH, config.vae.latent_channels, latentSide, latentSide];
  const noise = normals(
    SEED + 1,
    step,
    new Float32Array(shape.reduce((product, dim) => product * dim, 1)),
  );
  return {
    pixels: { dtype: 'float32', shape: [BATCH, 3, CROP, CROP], data: pixels },
    noise: { dtype: 'float32', shape, data: noise },
  };
}

function copyCrop(
  pictures: Uint8Array,
  picture: number,
  left: number,
  top: number,
  out: Float32Array,
  n: number,
): void {
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < CROP; y++) {
      const from = ((picture * 3 + c) * PICTURE_SIDE + top + y) * PICTURE_SIDE + left;
      const to = ((n * 3 + c) * CROP + y) * CROP;
      for (let x = 0; x < CROP; x++) out[to + x] = pictures[from + x] / 127.5 - 1;
    }
  }
}

/**
 * Latents begin almost without noise, at a log variance of −6. At the usual 0 the noise drowns what
 * a channel has to say before it is learnt: after 1,800 steps green and purple were still grey.
 */
function quietStart(): Map<string, Tensor> {
  const { latent_channels: channels } = config.vae;
  const first = warmStart();
  const bias = new Float32Array(2 * channels).fill(0).fill(-6, channels);
  // float32 as every state is
  const weight = first.get('vae.quant_conv.weight')?.data as Float32Array | undefined;
  if (weight !== undefined) weight.fill(0, weight.length / 2);
  const old = first.get('vae.quant_conv.bias')?.data as Float32Array | undefined; // as above
  if (old !== undefined) bias.set(old.subarray(0, channels));
  return first.set('vae.quant_conv.bias', { dtype: 'float32', shape: [2 * channels], data: bias });
}

/** The averaged weights of an earlier run, where there is one. */
function warmStart(): Map<string, Tensor> {
  return existsSync(stateFile('autoencoder-first'))
    ? averagedWeights('autoencoder-first')
    : new Map();
}

/** The trained autoencoder, continuing from its state file. */
export async function autoencoderTraining(
  totalSteps: number,
  batchAt: (step: number) => BatchInputs,
) {
  return fullTraining({
    runtime: cpuRuntime(),
    graph: autoencoderLoss(config, BATCH, CROP),
    seed: SEED,
    learningRate: 1e-3,
    optimiser: adamWithCosine({ beta2: 0.99, warmup: 50, totalSteps }),
    batchAt,
    emaDecay: 0.995,
    stateFile: stateFile('autoencoder'),
    saveEvery: 50,
    initial: quietStart(),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const totalSteps = Number(process.argv[2] ?? autoencoderSteps);
  const { pixels } = await renderAutoencoderPictures(PICTURES);
  const training = await autoencoderTraining(totalSteps, (step) => cropsAt(pixels, step));
  await report('autoencoder', totalSteps, training.steps());
}
