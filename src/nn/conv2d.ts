// A convolution over pictures.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import type { ConvAttributes } from '../graph/ops.ts';

export interface ConvOptions {
  /** Height and width of the kernel. */
  readonly kernel?: number;
  readonly stride?: number;
  /** [top, left, bottom, right]; by default (kernel - 1) / 2 on every side. */
  readonly pads?: ConvAttributes['pads'];
}

/**
 * x [N, in, h, w] -> [N, outChannels, h', w']. Parameters `<path>.weight` [out, in, k, k] and
 * `<path>.bias` [out].
 */
export function conv2d(
  g: Builder,
  path: string,
  x: Value,
  outChannels: number,
  options: ConvOptions = {},
): Value {
  const { kernel = 3, stride = 1 } = options;
  const margin = (kernel - 1) / 2;
  const pads = options.pads ?? ([margin, margin, margin, margin] as const);
  return g.scoped(path, () => {
    const weight = g.parameter('weight', [outChannels, x.shape[1], kernel, kernel]);
    return g.conv(x, weight, g.parameter('bias', [outChannels]), {
      strides: [stride, stride],
      pads,
    });
  });
}
