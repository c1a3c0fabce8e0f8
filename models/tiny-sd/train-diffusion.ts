// Stage 2 of the embedded base: UNet and text encoder together, from nothing, on the latents of drawn pictures.
//
//   npx tsx models/tiny-sd/train-diffusion.ts [steps]
//
// Needs stage 1's state. Continues from .cache/tiny-sd/diffusion.safetensors where that is there.

import { fileURLToPath } from 'node:url';
import { writeFileAtomically } from '../../src/checkpoints/write-file.ts';
import { addNoise, noiseSchedule } from '../../src/models/noise-schedule.ts';
import type { StableDiffusionConfig } from '../../src/models/stable-diffusion-config.ts';
import { createClipTokenizer, type ClipTokenizer } from '../../src/tokenizer/clip.ts';
import { fullTraining } from '../../src/train/full-training.ts';
import type { BatchInputs } from '../../src/train/loop.ts';
import { normals, sequence } from '../../src/util/philox.ts';
import { captionIds, KNOWN_TOKENS, smallIds } from './captions.ts';
import { tinyStableDiffusion } from './config.ts';
import { combinationOf, renderBasePictures } from './draw.ts';
import { deviation, encodePictures, latentSide, latentSize } from './latents.ts';
import { diffusionLoss } from './losses.ts';
import { averagedWeights, deviationFile, report, stateFile } from './report.ts';

const PICTURES = 4000;
const PICTURE_SEED = 1;
const BATCH = 16;
const TOKENS = 77;
const SEED = 20_242;
/** Each channel's noise is shifted by this times a normal number; without it backgrounds are not obeyed. */
const NOISE_OFFSET = 0.3;

export const diffusionSteps = 8000;

/** The base's sizes with a text encoder that knows the frequent pieces only. */
export const trainedConfig: StableDiffusionConfig = {
  ...tinyStableDiffusion,
  textEncoder: { ...tinyStableDiffusion.textEncoder, vocab_size: KNOWN_TOKENS + 2 },
};

/** The mean of `emphasis` over the timesteps, about. */
const MEAN_EMPHASIS = 3;

/**
 * Weight of a sample: σ, between the noise's loss (1) and the picture's (σ²). With equal weights the
 * loss is nearly all fine detail, and after 3,400 steps colours and backgrounds were obeyed but not
 * the subject, which is decided where the noise is strong.
 */
const emphasis = (t: number) => Math.min(8, Math.max(0.5, schedule.sigmas[t])) / MEAN_EMPHASIS;

interface Data {
  /** [PICTURES, latentSize], of deviation 1. */
  readonly latents: Float32Array;
  readonly tokenizer: ClipTokenizer;
}

const schedule = noiseSchedule(tinyStableDiffusion.scheduler);

function batchAt({ latents, tokenizer }: Data, step: number): BatchInputs {
  const next = sequence(SEED, 1 + step);
  const noise = normals(SEED, step, new Float32Array(BATCH * latentSize));
  const offsets = normals(SEED + 1, step, new Float32Array(BATCH * tinyStableDiffusion.vae.latent_channels));
  const area = latentSide * latentSide;
  noise.forEach((value, i) => (noise[i] = value + NOISE_OFFSET * offsets[Math.floor(i / area)]));
  const ids = new Int32Array(BATCH * TOKENS);
  const noisy = new Float32Array(BATCH * latentSize);
  const timesteps = new Float32Array(BATCH);
  for (let n = 0; n < BATCH; n++) {
    const picture = Math.floor(next() * PICTURES);
    timesteps[n] = Math.floor(next() * tinyStableDiffusion.scheduler.num_train_timesteps);
    ids.set(smallIds(captionIds(tokenizer, combinationOf(PICTURE_SEED, picture), next), tokenizer), n * TOKENS);
    const own = [n * latentSize, (n + 1) * latentSize] as const;
    const x0 = latents.subarray(picture * latentSize, (picture + 1) * latentSize);
    addNoise(schedule, x0, noise.subarray(...own), timesteps[n], noisy.subarray(...own));
  }
  const shape = [BATCH, tinyStableDiffusion.vae.latent_channels, latentSide, latentSide];
  return {
    input_ids: { dtype: 'int32', shape: [BATCH, TOKENS], data: ids },
    noisy_latents: { dtype: 'float32', shape, data: noisy },
    timesteps: { dtype: 'float32', shape: [BATCH], data: timesteps },
    target: { dtype: 'float32', shape, data: noise },
    weights: { dtype: 'float32', shape: [BATCH], data: timesteps.map((t) => emphasis(t) / BATCH) },
  };
}

/** Latents of the training pictures, divided by their deviation, which stage 3 finds again in a file. */
async function trainingLatents(): Promise<Float32Array> {
  const { pixels } = await renderBasePictures(PICTURE_SEED, PICTURES);
  const latents = await encodePictures(pixels, PICTURES, averagedWeights('autoencoder'));
  const scale = Number(deviation(latents).toFixed(4));
  writeFileAtomically(deviationFile, JSON.stringify({ deviation: scale }));
  return latents.map((value) => value / scale);
}

export function diffusionTraining(totalSteps: number, data: (step: number) => BatchInputs) {
  return fullTraining({
    graph: diffusionLoss(trainedConfig, BATCH, latentSide, TOKENS),
    seed: SEED,
    learningRate: 1e-3,
    optimiser: {
      betas: [0.9, 0.99],
      eps: 1e-8,
      weight_decay: 0.01,
      lr_scheduler: 'cosine',
      lr_warmup_steps: 200,
      lr_num_cycles: 1,
      lr_power: 1,
      max_grad_norm: 1,
      totalSteps,
    },
    batchAt: data,
    emaDecay: 0.999,
    stateFile: stateFile('diffusion'),
    saveEvery: 100,
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const totalSteps = Number(process.argv[2] ?? diffusionSteps);
  const latents = await trainingLatents();
  const tokenizer = await createClipTokenizer();
  const training = await diffusionTraining(totalSteps, (step) => batchAt({ latents, tokenizer }, step));
  await report('diffusion', totalSteps, training.steps());
}
