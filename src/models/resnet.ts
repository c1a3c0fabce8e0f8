// The residual block of the UNet and the autoencoder, and the layers that halve and double a
// picture.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import type { ConvAttributes } from '../graph/ops.ts';
import { conv2d } from '../nn/conv2d.ts';
import { groupNorm, type GroupNormOptions } from '../nn/group-norm.ts';
import { linear } from '../nn/linear.ts';

export interface ResnetOptions {
  readonly channels: number;
  readonly norm: GroupNormOptions;
  /** SiLU of the time embedding [N, E]; absent in the autoencoder. */
  readonly time?: Value;
}

/**
 * x [N, in, h, w] -> [N, channels, h, w]: shortcut(x) + conv2(SiLU(norm2(conv1(SiLU(norm1(x))) +
 * time))), the shortcut being a 1×1 convolution where the width changes.
 */
export function resnet(
  g: Builder,
  path: string,
  x: Value,
  { channels, norm, time }: ResnetOptions,
): Value {
  return g.scoped(path, () => {
    const first = conv2d(g, 'conv1', g.swish(groupNorm(g, 'norm1', x, norm)), channels);
    const timed = time === undefined ? first : g.add(first, timeShift(g, time, channels));
    const second = conv2d(g, 'conv2', g.swish(groupNorm(g, 'norm2', timed, norm)), channels);
    const shortcut =
      x.shape[1] === channels ? x : conv2d(g, 'conv_shortcut', x, channels, { kernel: 1 });
    return g.add(shortcut, second);
  });
}

/** [N, E] -> [N, channels, 1, 1]. */
function timeShift(g: Builder, time: Value, channels: number): Value {
  return g.reshape(linear(g, 'time_emb_proj', time, channels), [time.shape[0], channels, 1, 1]);
}

/** Halves height and width (rounded up for pads on every side). Parameters `<path>.conv`. */
export function downsample(
  g: Builder,
  path: string,
  x: Value,
  pads: ConvAttributes['pads'],
): Value {
  return g.scoped(path, () => conv2d(g, 'conv', x, x.shape[1], { stride: 2, pads }));
}

/**
 * Doubles height and width, nearest neighbour, then convolves. `size` cuts the last row or column
 * where the level above is odd: nearest-neighbour enlargement to 2h - 1 is that to 2h without its
 * last row.
 */
export function upsample(
  g: Builder,
  path: string,
  x: Value,
  size: readonly [number, number] = [2 * x.shape[2], 2 * x.shape[3]],
): Value {
  return g.scoped(path, () => conv2d(g, 'conv', crop(g, g.resize(x, 2), size), x.shape[1]));
}

function crop(g: Builder, x: Value, [height, width]: readonly [number, number]): Value {
  const rows = x.shape[2] === height ? x : g.slice(x, 2, 0, height);
  return x.shape[3] === width ? rows : g.slice(rows, 3, 0, width);
}
