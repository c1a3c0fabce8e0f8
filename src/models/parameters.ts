// The names and shapes of a model's weights, which are what its checkpoint must hold.

import { Builder } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Shape } from '../tensor/tensor.ts';
import { decode, encodeMoments } from './autoencoder-kl.ts';
import { clipTextEncoder } from './clip-text.ts';
import { latentFactor, type StableDiffusionConfig } from './stable-diffusion-config.ts';
import { unet } from './unet.ts';

/** Name and shape of every parameter of a graph, in the order in which the model uses them. */
export function parameterShapes(graph: Graph): Map<string, Shape> {
  return new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
}

/**
 * Every weight of the three models, named `unet.…`, `vae.…` and `text_encoder.…`: 1130 for Stable
 * Diffusion 1.5.
 */
export function stableDiffusionParameters(config: StableDiffusionConfig): Map<string, Shape> {
  const g = new Builder('stable-diffusion');
  clipTextEncoder(g, config.textEncoder, g.input('ids', 'int32', [1, 1]));
  unet(g, config.unet, smallestUNetInputs(g, config));
  const side = latentFactor(config.vae);
  encodeMoments(
    g,
    config.vae,
    g.input('pixels', 'float32', [1, config.vae.in_channels, side, side]),
  );
  decode(g, config.vae, g.input('z', 'float32', [1, config.vae.latent_channels, 1, 1]));
  return parameterShapes(g.finish());
}

function smallestUNetInputs(
  g: Builder,
  { unet: { in_channels, cross_attention_dim } }: StableDiffusionConfig,
) {
  return {
    latents: g.input('latents', 'float32', [1, in_channels, 1, 1]),
    timesteps: g.input('timesteps', 'float32', [1]),
    context: g.input('context', 'float32', [1, 1, cross_attention_dim]),
  };
}
