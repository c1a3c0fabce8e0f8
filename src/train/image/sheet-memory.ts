// What drawing the contact sheet takes in memory.

import type { StableDiffusionWeights } from '../../checkpoints/weights.ts';
import { mostAtOnce, sparesMemory } from '../../generate/drawing-room.ts';
import { decoderGraph, unetGraph } from '../../models/graphs.ts';
import { latentFactor, nativeSide } from '../../models/stable-diffusion-config.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { SizedConfig } from './sizes.ts';

/** Bytes of an arena for each byte of live tensors: its regions double. 2.0 was measured. */
const ARENA = 2;
/** Pictures of a prompt. */
const SEEDS = 2;

/** In the process; 0 where nothing is drawn. */
export function sheetBytes(
  runtime: Runtime,
  { config, weights }: StableDiffusionWeights,
  { sample_prompts: prompts, sample_cfg: guidance }: SizedConfig,
): number {
  if (prompts.length === 0) return 0;
  const { unet, vae, textEncoder } = config;
  const saves = sparesMemory(weights);
  const pictures = Math.min(mostAtOnce(saves), SEEDS * prompts.length);
  const rows = guidance === 1 ? pictures : 2 * pictures;
  const side = nativeSide(config) / latentFactor(vae);
  const states = [rows, textEncoder.max_position_embeddings, unet.cross_attention_dim];
  const noise = runtime.activations(
    unetGraph(unet, [rows, unet.in_channels, side, side], states),
    weights,
  );
  const pixels = runtime.activations(
    decoderGraph(vae, [1, vae.latent_channels, side, side]),
    weights,
  );
  // one model after the other, or all of them with an arena each: the UNet without and with adapter
  if (saves) return Math.max(noise.taken + noise.program, pixels.taken + pixels.program);
  return 2 * (ARENA * noise.live + noise.program) + ARENA * pixels.live + pixels.program;
}
