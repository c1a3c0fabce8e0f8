// The graph that the benchmarks of training measure: a UNet of models/tiny-sd's sizes and its loss.

import { tinyStableDiffusion } from '../models/tiny-sd/config.ts';
import { Builder } from '../src/graph/builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { noisePredictionLoss } from '../src/losses/noise-prediction.ts';
import type { UNetConfig } from '../src/models/stable-diffusion-config.ts';
import { unet } from '../src/models/unet.ts';

export const tinyUNet: UNetConfig = tinyStableDiffusion.unet;

export interface StepSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly tokens: number;
}

export function trainingStep(
  config: UNetConfig,
  { batch, height, width, tokens }: StepSize,
): Graph {
  const g = new Builder('unet-step');
  const latents = g.input('latents', 'float32', [batch, 4, height, width]);
  const timesteps = g.input('timesteps', 'float32', [batch]);
  const context = g.input('context', 'float32', [batch, tokens, config.cross_attention_dim]);
  const prediction = unet(g, config, { latents, timesteps, context });
  g.output('prediction', prediction);
  const target = g.input('target', 'float32', prediction.shape);
  g.output(
    'loss',
    noisePredictionLoss(g, prediction, target, g.input('sample_weights', 'float32', [batch])),
  );
  return g.finish();
}
