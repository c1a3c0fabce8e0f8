// The levels of the UNet: residual blocks, with a transformer behind each where the level has
// attention.

import { InternalError } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { downsample, resnet, upsample } from './resnet.ts';
import type { UNetConfig } from './stable-diffusion-config.ts';
import { transformer2d } from './transformer2d.ts';

/** What every block of one UNet shares. */
export interface Surroundings {
  readonly config: UNetConfig;
  /** SiLU of the time embedding [N, 4 · first level's channels]. */
  readonly time: Value;
  /** Text states [N, T, cross_attention_dim]. */
  readonly context: Value;
}

export interface Level {
  readonly channels: number;
  readonly attention: boolean;
  /** Whether it ends by halving (going down) or doubling (going up) the picture. */
  readonly resamples: boolean;
}

const SAME_PADS = [1, 1, 1, 1] as const;

/** Returns every intermediate result, in order; the last is the level's output. */
export function downBlock(
  g: Builder,
  path: string,
  x: Value,
  level: Level,
  around: Surroundings,
): Value[] {
  return g.scoped(path, () => {
    const results: Value[] = [];
    for (let i = 0; i < around.config.layers_per_block; i++) {
      results.push(layer(g, i, results.at(-1) ?? x, level, around));
    }
    const last = results.at(-1) ?? x;
    return level.resamples
      ? [...results, downsample(g, 'downsamplers.0', last, SAME_PADS)]
      : results;
  });
}

export function midBlock(g: Builder, path: string, x: Value, around: Surroundings): Value {
  const level: Level = { channels: x.shape[1], attention: true, resamples: false };
  return g.scoped(path, () =>
    residual(g, 1, layer(g, 0, x, level, around), level.channels, around),
  );
}

/** Takes one of `skips` from its end for each layer; enlarges to the size of the next one left. */
export function upBlock(
  g: Builder,
  path: string,
  x: Value,
  skips: Value[],
  level: Level,
  around: Surroundings,
): Value {
  return g.scoped(path, () => {
    let y = x;
    for (let i = 0; i <= around.config.layers_per_block; i++) {
      y = layer(g, i, g.concat([y, take(skips)], 1), level, around);
    }
    if (!level.resamples) return y;
    const [, , height, width] = (skips.at(-1) ?? y).shape;
    return upsample(g, 'upsamplers.0', y, [height, width]);
  });
}

function layer(g: Builder, index: number, x: Value, level: Level, around: Surroundings): Value {
  const y = residual(g, index, x, level.channels, around);
  if (!level.attention) return y;
  const { context, config } = around;
  return transformer2d(g, `attentions.${index}`, y, {
    context,
    heads: config.attention_head_dim,
    groups: config.norm_num_groups,
  });
}

function residual(
  g: Builder,
  index: number,
  x: Value,
  channels: number,
  { config, time }: Surroundings,
): Value {
  const norm = { groups: config.norm_num_groups, epsilon: config.norm_eps };
  return resnet(g, `resnets.${index}`, x, { channels, norm, time });
}

function take(skips: Value[]): Value {
  const skip = skips.pop();
  if (skip === undefined)
    throw new InternalError(
      'the up path of the UNet has more layers than the down path left results',
    );
  return skip;
}
