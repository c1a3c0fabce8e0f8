// The graph that the benchmarks of training measure: a UNet of models/tiny-sd's sizes and its loss.

import { Builder } from '../src/graph/builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { noisePredictionLoss } from '../src/losses/noise-prediction.ts';
import { stableDiffusion15, type UNetConfig } from '../src/models/stable-diffusion-config.ts';
import { unet } from '../src/models/unet.ts';

/** models/tiny-sd's sizes. */
export const tinyUNet: UNetConfig = {
  ...stableDiffusion15.unet,
  sample_size: 32,
  block_out_channels: [48, 96, 128, 160],
  layers_per_block: 1,
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
  attention_head_dim: 4,
  cross_attention_dim: 64,
  norm_num_groups: 8,
};

export interface StepSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly tokens: number;
}

export function trainingStep(config: UNetConfig, { batch, height, width, tokens }: StepSize): Graph {
  const g = new Builder('unet-step');
  const latents = g.input('latents', 'float32', [batch, 4, height, width]);
  const timesteps = g.input('timesteps', 'float32', [batch]);
  const context = g.input('context', 'float32', [batch, tokens, config.cross_attention_dim]);
  const prediction = unet(g, config, { latents, timesteps, context });
  g.output('prediction', prediction);
  const target = g.input('target', 'float32', prediction.shape);
  g.output('loss', noisePredictionLoss(g, prediction, target, g.input('sample_weights', 'float32', [batch])));
  return g.finish();
}
