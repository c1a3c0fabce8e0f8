// A Stable Diffusion checkpoint as functions from tensors to tensors.

import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import { type Problem, UserError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { clipSkipProblems } from '../models/clip-text.ts';
import { decoderGraph, encoderGraph, textEncoderGraph, unetGraph } from '../models/graphs.ts';
import type { StableDiffusionConfig } from '../models/stable-diffusion-config.ts';
import { cpuRuntime, type Runtime } from '../runtime/runtime.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { unknownPlace } from '../tokenizer/unknown-id.ts';

export interface OpenOptions {
  /** Default: the processor, with one thread for each core. */
  readonly runtime?: Runtime;
  /** The averaged weights of a single file that has both. */
  readonly useEma?: boolean;
}

export interface StableDiffusion {
  readonly config: StableDiffusionConfig;
  /** Tensors of the files that are ignored, and what the files say of the model's training. */
  readonly warnings: readonly Problem[];
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
  { runtime = cpuRuntime(), useEma }: OpenOptions = {},
): StableDiffusion {
  const { config, weights, warnings } = loadStableDiffusion(path, { useEma });
  const programs = runtime.programs(alive);
  const run = async (key: string, graph: () => Graph, inputs: Readonly<Record<string, Tensor>>) => {
    const program = await programs.get(key, () => runtime.compile(graph(), { weights }));
    return program.run(inputs);
  };
  return {
    config,
    warnings,
    async textStates(ids, { clipSkip = 1 } = {}) {
      const what = unknownPlace(ids, config.textEncoder.vocab_size);
      const problems = clipSkipProblems('clipSkip', clipSkip, config.textEncoder);
      if (what !== undefined) problems.push({ where: 'ids', what });
      if (problems.length > 0) throw new UserError(problems);
      const graph = () => textEncoderGraph(config.textEncoder, ids.shape, clipSkip);
      const outputs = await run(`text ${ids.shape} ${clipSkip}`, graph, { input_ids: ids });
      return outputs.text_states;
    },
    async predictNoise(latents, timesteps, states) {
      const graph = () => unetGraph(config.unet, latents.shape, states.shape);
      const inputs = { latents, timesteps, text_states: states };
      return (await run(`unet ${latents.shape} ${states.shape}`, graph, inputs)).prediction;
    },
    async encode(pixels) {
      const graph = () => encoderGraph(config.vae, pixels.shape);
      const { mean, logvar } = await run(`encoder ${pixels.shape}`, graph, { pixels });
      return { mean, logvar };
    },
    async decode(latents) {
      const graph = () => decoderGraph(config.vae, latents.shape);
      return (await run(`decoder ${latents.shape}`, graph, { latents })).pixels;
    },
    release: () => programs.release(),
  };
}
