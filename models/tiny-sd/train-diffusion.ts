// Stage 2 of the embedded base: UNet and text encoder together, from nothing, on the latents of
// drawn pictures.
//
//   npx tsx models/tiny-sd/train-diffusion.ts [steps]
//
// Needs stage 1's state. Continues from .cache/tiny-sd/diffusion.safetensors where that is there.

import { cpuRuntime } from '../../src/runtime/runtime.ts';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeFileAtomically } from '../../src/storage/write-file.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { initialWeights } from '../../src/models/init.ts';
import { addNoise, noiseSchedule } from '../../src/models/noise-schedule.ts';
import type { StableDiffusionConfig } from '../../src/models/stable-diffusion-config.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { createClipTokenizer, type ClipTokenizer } from '../../src/tokenizer/clip.ts';
import { fullTraining } from '../../src/train/full-training.ts';
import type { BatchInputs } from '../../src/train/loop.ts';
import { normals, sequence } from '../../src/util/philox.ts';
import { captionIds, KNOWN_TOKENS, smallIds } from './captions.ts';
import { tinyStableDiffusion } from './config.ts';
import { combinationOf, renderBasePictures } from './draw.ts';
import { deviation, encodePictures, latentSide, latentSize } from './latents.ts';
import { diffusionLoss } from './losses.ts';
import { adamWithCosine, report } from '../full-training.ts';
import { averagedWeights, deviationFile, stateFile } from './state.ts';

const PICTURES = 4000;
const PICTURE_SEED = 1;
const BATCH = 16;
const TOKENS = 77;
const SEED = 20_242;
/**
 * Each channel's noise is shifted by this times a normal number; without it backgrounds are not
 * obeyed.
 */
const NOISE_OFFSET = 0.3;

export const diffusionSteps = 8300;

/** The base's sizes with a text encoder that knows the frequent pieces only. */
export const trainedConfig: StableDiffusionConfig = {
  ...tinyStableDiffusion,
  textEncoder: { ...tinyStableDiffusion.textEncoder, vocab_size: KNOWN_TOKENS + 2 },
};

/** The mean of `emphasis` over the timesteps, about. */
const MEAN_EMPHASIS = 3;

/**
 * Weight of a sample: σ, between the noise's loss (1) and the picture's (σ²). With equal weights
 * the loss is nearly all fine detail, and after 3,400 steps colours and backgrounds were obeyed but
 * not the subject, which is decided where the noise is strong.
 */
const emphasis = (t: number) => Math.min(8, Math.max(0.5, schedule.sigmas[t])) / MEAN_EMPHASIS;

/** Three in four from where shapes are decided. */
const timestep = (choice: number, u: number) => Math.floor(choice < 0.75 ? 400 + 600 * u : 400 * u);

interface Data {
  /** [PICTURES, latentSize], of deviation 1. */
  readonly latents: Float32Array;
  readonly tokenizer: ClipTokenizer;
}

const schedule = noiseSchedule(tinyStableDiffusion.scheduler);

function batchAt({ latents, tokenizer }: Data, step: number): BatchInputs {
  const next = sequence(SEED, 1 + step);
  const noise = normals(SEED, step, new Float32Array(BATCH * latentSize));
  const offsets = normals(
    SEED + 1,
    step,
    new Float32Array(BATCH * tinyStableDiffusion.vae.latent_channels),
  );
  const area = latentSide * latentSide;
  noise.forEach((value, i) => (noise[i] = value + NOISE_OFFSET * offsets[Math.floor(i / area)]));
  const ids = new Int32Array(BATCH * TOKENS);
  const noisy = new Float32Array(BATCH * latentSize);
  const timesteps = new Float32Array(BATCH);
  for (let n = 0; n < BATCH; n++) {
    const picture = Math.floor(next() * PICTURES);
    timesteps[n] = timestep(next(), next());
    ids.set(
      smallIds(
        captionIds(tokenizer, combinationOf(PICTURE_SEED, picture), next),
        tokenizer,
      ).subarray(0, TOKENS),
      n * TOKENS,
    );
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

/**
 * Latents of the training pictures, divided by their deviation, which stage 3 finds again in a
 * file.
 */
async function trainingLatents(): Promise<Float32Array> {
  const { pixels } = await renderBasePictures(PICTURE_SEED, PICTURES);
  const latents = await encodePictures(pixels, PICTURES, averagedWeights('autoencoder'));
  const scale = Number(deviation(latents).toFixed(4));
  writeFileAtomically(deviationFile, JSON.stringify({ deviation: scale }));
  return latents.map((value) => value / scale);
}

/** The levels that see the whole picture, and the first that reads from them. */
const DEEP =
  /^unet\.(down_blocks\.1\.downsamplers|down_blocks\.[23]|mid_block|up_blocks\.[01]|up_blocks\.2\.resnets\.0)\./;
/** The layers that carry the stream from one block to the next. */
const CARRIERS =
  /\.(conv_shortcut|downsamplers\.0\.conv|upsamplers\.0\.conv|proj_in|proj_out|conv2)\.weight$/;

/**
 * Deep levels whose carriers keep the size of what they carry: PyTorch's usual first weights shrink
 * it to 0.58 in each, so that the middle of the UNet has a ten-thousandth of the gradient of its
 * ends, is moved by noise alone, and is ignored: after 4,700 steps colours and backgrounds were
 * obeyed and shapes were blobs. Everything else goes on from the earlier run, where there is one.
 */
function deepStart(parameters: Graph['parameters']): Map<string, Tensor> {
  const drawn = initialWeights(parameters, SEED + 2);
  const earlier = existsSync(stateFile('diffusion-first'))
    ? averagedWeights('diffusion-first')
    : new Map<string, Tensor>();
  return new Map(
    parameters.map(({ name, shape }) => {
      const known = earlier.get(name);
      if (known !== undefined && !DEEP.test(name)) return [name, known] as const;
      const data = drawn.get(name) ?? new Float32Array();
      return [
        name,
        {
          dtype: 'float32',
          shape,
          data: CARRIERS.test(name) ? data.map((value) => value * Math.sqrt(3)) : data,
        },
      ] as const;
    }),
  );
}

export function diffusionTraining(totalSteps: number, data: (step: number) => BatchInputs) {
  const graph = diffusionLoss(trainedConfig, BATCH, latentSide, TOKENS);
  return fullTraining({
    runtime: cpuRuntime(),
    graph,
    seed: SEED,
    learningRate: 1e-3,
    optimiser: adamWithCosine({ beta2: 0.99, warmup: 200, totalSteps }),
    batchAt: data,
    emaDecay: 0.999,
    stateFile: stateFile('diffusion'),
    saveEvery: 100,
    initial: deepStart(graph.parameters),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const totalSteps = Number(process.argv[2] ?? diffusionSteps);
  const latents = await trainingLatents();
  const tokenizer = await createClipTokenizer();
  const training = await diffusionTraining(totalSteps, (step) =>
    batchAt({ latents, tokenizer }, step),
  );
  await report('diffusion', totalSteps, training.steps());
}
