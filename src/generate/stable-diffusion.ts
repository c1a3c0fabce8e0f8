// A Stable Diffusion checkpoint as functions from tensors to tensors.

import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import type { Graph } from '../graph/graph.ts';
import { decoderGraph, encoderGraph, textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { compile, type Program } from '../runtime/program.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface OpenOptions {
  /** Threads that compute; by default the machine's cores. */
  readonly threads?: number;
  /** The averaged weights of a single file that has both. */
  readonly useEma?: boolean;
}

export interface StableDiffusion {
  readonly config: StableDiffusionConfig;
  /**
   * ids [N, T] int32 -> text states [N, T, D]. `clipSkip` 1 is the last layer, 2 the one before.
   */
  textStates(ids: Tensor<'int32'>, options?: { readonly clipSkip?: number }): Promise<Tensor>;
  /**
   * latents [N, C, h, w] scaled, timesteps [N], text states [N, T, D] -> the predicted noise (or
   * v), of the latents' shape.
   */
  predictNoise(
    latents: Tensor<'float32'>,
    timesteps: Tensor<'float32'>,
    textStates: Tensor,
  ): Promise<Tensor>;
  /** pixels [N, 3, H, W] in [-1, 1] -> the moments of the latents [N, C, h, w], not scaled. */
  encode(pixels: Tensor<'float32'>): Promise<{ readonly mean: Tensor; readonly logvar: Tensor }>;
  /** latents [N, C, h, w], scaled -> pixels [N, 3, H, W], about [-1, 1]. */
  decode(latents: Tensor<'float32'>): Promise<Tensor>;
  release(): Promise<void>;
}

/** Programs kept alive: one of each model. */
const alive = 4;

/**
 * Opens a base model: a .safetensors file or a diffusers folder. Its weights stay in their file.
 * All tensors are float32; each new shape opens a session. Throws CheckpointError.
 */
export function openStableDiffusion(
  path: string,
  { threads, useEma }: OpenOptions = {},
): StableDiffusion {
  const { config, weights } = loadStableDiffusion(path, { useEma });
  const programs = new Map<string, Program>();
  const run = async (key: string, graph: () => Graph, inputs: Readonly<Record<string, Tensor>>) => {
    const program = programs.get(key) ?? (await compile(graph(), { weights, threads }));
    programs.delete(key);
    programs.set(key, program); // the latest used is last
    await releaseOldest(programs, alive);
    return program.run(inputs);
  };
  return {
    config,
    async textStates(ids, { clipSkip = 1 } = {}) {
      const key = `text ${ids.shape} ${clipSkip}`;
      return (
        await run(key, () => textEncoderGraph(config.textEncoder, ids.shape, clipSkip), {
          input_ids: ids,
        })
      ).text_states;
    },
    async predictNoise(latents, timesteps, states) {
      const key = `unet ${latents.shape} ${states.shape}`;
      return (
        await run(key, () => unetGraph(config.unet, latents.shape, states.shape), {
          latents,
          timesteps,
          text_states: states,
        })
      ).prediction;
    },
    async encode(pixels) {
      const { mean, logvar } = await run(
        `encoder ${pixels.shape}`,
        () => encoderGraph(config.vae, pixels.shape),
        { pixels },
      );
      return { mean, logvar };
    },
    async decode(latents) {
      return (
        await run(`decoder ${latents.shape}`, () => decoderGraph(config.vae, latents.shape), {
          latents,
        })
      ).pixels;
    },
    release: () => releaseOldest(programs, 0),
  };
}

async function releaseOldest(programs: Map<string, Program>, keep: number): Promise<void> {
  for (const [key, program] of programs) {
    if (programs.size <= keep) return;
    programs.delete(key);
    await program.release();
  }
}
