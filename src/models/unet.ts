// The UNet of Stable Diffusion 1.x, which predicts the noise in a latent (Rombach et al. 2022);
// parameters named as diffusers' UNet2DConditionModel.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { conv2d } from '../nn/conv2d.ts';
import { groupNorm } from '../nn/group-norm.ts';
import { sinusoid, timestepEmbedding } from '../nn/timestep-embedding.ts';
import type { UNetConfig } from './stable-diffusion-config.ts';
import { downBlock, midBlock, upBlock, type Surroundings } from './unet-blocks.ts';

export interface UNetInputs {
  /** [N, in_channels, h, w] float32, already scaled; any h and w. */
  readonly latents: Value;
  /** [N] float32, 0 … 999. */
  readonly timesteps: Value;
  /** Text states [N, T, cross_attention_dim] float32. */
  readonly context: Value;
}

/** The prediction (noise, or v where the schedule says so) [N, out_channels, h, w]. */
export function unet(
  g: Builder,
  config: UNetConfig,
  inputs: UNetInputs,
  { prefix = 'unet' } = {},
): Value {
  return g.scoped(prefix, () => {
    const around: Surroundings = {
      config,
      time: timeStates(g, config, inputs.timesteps),
      context: inputs.context,
    };
    const skips = downPath(
      g,
      conv2d(g, 'conv_in', inputs.latents, config.block_out_channels[0]),
      around,
    );
    const middle = midBlock(g, 'mid_block', skips[skips.length - 1], around);
    return head(g, config, upPath(g, middle, skips, around));
  });
}

/**
 * [N] -> SiLU of the time embedding, [N, 4 · first level's channels]; every residual block begins
 * with that SiLU.
 */
function timeStates(g: Builder, config: UNetConfig, timesteps: Value): Value {
  const width = config.block_out_channels[0];
  const sinusoids = g.scoped('time_proj', () => sinusoid(g, timesteps, width, config));
  const embedding = timestepEmbedding(g, 'time_embedding', sinusoids, 4 * width);
  return g.scoped('time_embedding', () => g.swish(embedding));
}

/** The results of all levels, finest first, beginning with x itself. */
function downPath(g: Builder, x: Value, around: Surroundings): Value[] {
  const { block_out_channels: channels, down_block_types: types } = around.config;
  const results = [x];
  channels.forEach((width, i) => {
    const level = {
      channels: width,
      attention: types[i] === 'CrossAttnDownBlock2D',
      resamples: i < channels.length - 1,
    };
    results.push(...downBlock(g, `down_blocks.${i}`, results[results.length - 1], level, around));
  });
  return results;
}

function upPath(g: Builder, x: Value, skips: readonly Value[], around: Surroundings): Value {
  const { block_out_channels: channels, up_block_types: types } = around.config;
  const left = [...skips];
  return channels.toReversed().reduce((y, width, i) => {
    const level = {
      channels: width,
      attention: types[i] === 'CrossAttnUpBlock2D',
      resamples: i < channels.length - 1,
    };
    return upBlock(g, `up_blocks.${i}`, y, left, level, around);
  }, x);
}

function head(g: Builder, config: UNetConfig, x: Value): Value {
  const norm = { groups: config.norm_num_groups, epsilon: config.norm_eps };
  return conv2d(
    g,
    'conv_out',
    g.swish(groupNorm(g, 'conv_norm_out', x, norm)),
    config.out_channels,
  );
}
