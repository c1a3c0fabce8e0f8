// One step of a language model behind kept keys and values, as a graph: a few new tokens in, the
// logits behind one of them out.

import { Builder } from '../../graph/builder.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { decoder, logits } from '../../models/decoder.ts';
import type { LanguageModelConfig, LayerSight } from '../../models/language-config.ts';
import type { Rope } from '../../nn/rotary.ts';

export interface StepSize {
  /** B: texts. Default 1. */
  readonly rows?: number;
  /** S: new tokens of each text. */
  readonly tokens: number;
  /** T: earlier tokens that there is room for. */
  readonly capacity: number;
}

/**
 * The kinds of layers that differ in what they are fed: each rope has its cosines and sines, each
 * window its mask.
 */
export interface SightKinds {
  readonly ropes: readonly Rope[];
  readonly windows: readonly (number | undefined)[];
}

export function sightKinds({ layers }: LanguageModelConfig): SightKinds {
  const all = <K extends keyof LayerSight>(key: K) => [
    ...new Set(layers.map((layer) => layer[key])),
  ];
  return { ropes: all('rope'), windows: all('window') };
}

/** Channels of one token's keys, and of its values. */
export function keyWidth({ layer: { attention } }: LanguageModelConfig): number {
  return attention.kvHeads * attention.headDim;
}

/** Names of the inputs and outputs that there are several of. */
export const names = {
  cos: (rope: number) => `cos.${rope}`,
  sin: (rope: number) => `sin.${rope}`,
  mask: (window: number) => `mask.${window}`,
  keys: (layer: number) => `keys.${layer}`,
  values: (layer: number) => `values.${layer}`,
  newKeys: (layer: number) => `new_keys.${layer}`,
  newValues: (layer: number) => `new_values.${layer}`,
} as const;

/**
 * `ids` [B, S] and `last` [B] int32; `cos.r` and `sin.r` [B, S, dims / 2] of the new tokens'
 * positions; `mask.w` [B, 1, S, T + S], added to the scores: the T kept tokens stand before the new
 * ones; `keys.l` and `values.l` [B, T, kvHeads · d], keys turned to their positions
 * -> `logits` [B, V] behind new tokens `last`, counted through all texts; `hidden` [B · S, C] of
 * all new tokens; `new_keys.l` and `new_values.l` [B, S, kvHeads · d]. Graphs of all sizes are of
 * one structure, where the scores are computed in one block.
 */
export function stepGraph(
  config: LanguageModelConfig,
  { rows = 1, tokens, capacity }: StepSize,
): Graph {
  const g = new Builder('language-step');
  const inputs = {
    ids: g.input('ids', 'int32', [rows, tokens]),
    rotation: rotations(g, config, { rows, tokens }),
    cache: cacheOf(g, config, { rows, tokens, capacity }),
  };
  const last = g.input('last', 'int32', [rows]);
  const hidden = g.reshape(decoder(g, config, inputs), [rows * tokens, config.hidden_size]);
  g.output('hidden', hidden);
  g.output('logits', logits(g, config, g.gather(hidden, last)));
  return g.finish();
}

/** The cosines and sines that are fed for each rope, [rows, tokens, dims / 2]. */
function rotations(
  g: Builder,
  config: LanguageModelConfig,
  { rows, tokens }: Pick<Required<StepSize>, 'rows' | 'tokens'>,
) {
  const fed = new Map(
    sightKinds(config).ropes.map((rope, i) => {
      const input = (name: string) => g.input(name, 'float32', [rows, tokens, rope.dims / 2]);
      return [rope, { cos: input(names.cos(i)), sin: input(names.sin(i)) }];
    }),
  );
  // every rope of the configuration is in the map
  return (rope: Rope) => fed.get(rope) as { cos: Value; sin: Value };
}

function cacheOf(
  g: Builder,
  config: LanguageModelConfig,
  { rows, tokens, capacity }: Required<StepSize>,
) {
  const masks = new Map(
    sightKinds(config).windows.map((window, i) => [
      window,
      g.input(names.mask(i), 'float32', [rows, 1, tokens, capacity + tokens]),
    ]),
  );
  const kept = (name: string) => g.input(name, 'float32', [rows, capacity, keyWidth(config)]);
  const extend = (layer: number, keys: Value, values: Value): [Value, Value] => {
    g.output(names.newKeys(layer), keys);
    g.output(names.newValues(layer), values);
    return [
      g.concat([kept(names.keys(layer)), keys], 1),
      g.concat([kept(names.values(layer)), values], 1),
    ];
  };
  return { extend, mask: (window: number | undefined) => masks.get(window) };
}
