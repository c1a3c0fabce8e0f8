// The gated feed-forward layer of today's decoders (Shazeer 2020), named as transformers' *MLP.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { linear } from './linear.ts';

/** By the name that a config.json gives it. */
export const activations = {
  silu: (g: Builder, x: Value) => g.swish(x),
  gelu: (g: Builder, x: Value) => g.gelu(x),
  gelu_pytorch_tanh: (g: Builder, x: Value) => g.gelu(x, 'tanh'),
} as const;

export type Activation = keyof typeof activations;

export interface GatedMlpOptions {
  /** Hidden width. */
  readonly width: number;
  readonly activation: Activation;
  readonly bias: boolean;
  /** One layer `gate_up_proj` of rows [gate | up] in place of two. */
  readonly fused: boolean;
}

/**
 * down(act(gate(x)) · up(x)): x [B, S, C] -> [B, S, C]. Parameters
 * `<path>.{gate_proj,up_proj,down_proj}`.
 */
export function gatedMlp(g: Builder, path: string, x: Value, options: GatedMlpOptions): Value {
  const { activation, bias } = options;
  return g.scoped(path, () => {
    const [gate, up] = gateAndUp(g, x, options);
    return linear(g, 'down_proj', g.mul(activations[activation](g, gate), up), x.shape[2], {
      bias,
    });
  });
}

/** Both [B, S, width]. */
function gateAndUp(
  g: Builder,
  x: Value,
  { width, bias, fused }: GatedMlpOptions,
): readonly [Value, Value] {
  if (!fused)
    return [linear(g, 'gate_proj', x, width, { bias }), linear(g, 'up_proj', x, width, { bias })];
  const both = linear(g, 'gate_up_proj', x, 2 * width, { bias });
  return [g.slice(both, 2, 0, width), g.slice(both, 2, width, 2 * width)];
}
