// CLIP's text encoder (Radford et al. 2021); parameters named as transformers' CLIPTextModel.

import { InternalError, type Problem } from '../errors.ts';
import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { headsAttention } from '../nn/attention.ts';
import { layerNorm } from '../nn/layer-norm.ts';
import { linear } from '../nn/linear.ts';
import type { ClipTextConfig } from './stable-diffusion-config.ts';

export interface ClipTextOptions {
  /** n: the states after the n-th layer from the end, normalized; 1 (the default) is the last. */
  readonly clipSkip?: number;
  readonly prefix?: string;
}

/** What is wrong with a `clipSkip` that counts more layers than the text encoder has. */
export function clipSkipProblems(
  where: string,
  clipSkip: number,
  { num_hidden_layers: layers }: Pick<ClipTextConfig, 'num_hidden_layers'>,
): Problem[] {
  if (Number.isInteger(clipSkip) && clipSkip >= 1 && clipSkip <= layers) return [];
  const range = layers === 1 ? '1' : `a whole number from 1 to ${layers}`;
  const has = `the text encoder of this base model has ${layers} ${layers === 1 ? 'layer' : 'layers'}`;
  return [{ where, what: `expected ${range}, because ${has}; found ${clipSkip}` }];
}

/**
 * ids [B, T] int32, T at most `max_position_embeddings` -> text states [B, T, hidden_size]. Each
 * token sees those before it.
 */
export function clipTextEncoder(
  g: Builder,
  config: ClipTextConfig,
  ids: Value,
  options: ClipTextOptions = {},
): Value {
  const { clipSkip = 1, prefix = 'text_encoder' } = options;
  const layers = config.num_hidden_layers - (clipSkip - 1);
  if (layers < 1)
    throw new InternalError(
      `clip skip ${clipSkip} of a text encoder of ${config.num_hidden_layers} layers`,
    );
  return g.scoped(`${prefix}.text_model`, () => {
    let x = embeddings(g, config, ids);
    for (let i = 0; i < layers; i++) x = encoderLayer(g, `encoder.layers.${i}`, x, config);
    return layerNorm(g, 'final_layer_norm', x, config.layer_norm_eps);
  });
}

/** [B, T] -> token plus position embedding [B, T, C]. */
function embeddings(g: Builder, config: ClipTextConfig, ids: Value): Value {
  const { vocab_size, max_position_embeddings: positions, hidden_size } = config;
  const length = ids.shape[1];
  if (length > positions)
    throw new InternalError(`${length} tokens for a text encoder of ${positions} positions`);
  return g.scoped('embeddings', () => {
    const tokens = g.scoped('token_embedding', () =>
      g.gather(g.parameter('weight', [vocab_size, hidden_size]), ids),
    );
    return g.scoped('position_embedding', () => {
      const table = g.parameter('weight', [positions, hidden_size]);
      return g.add(tokens, length === positions ? table : g.slice(table, 0, 0, length));
    });
  });
}

function encoderLayer(g: Builder, path: string, x: Value, config: ClipTextConfig): Value {
  const { layer_norm_eps: epsilon } = config;
  return g.scoped(path, () => {
    const looked = g.add(
      x,
      selfAttention(g, 'self_attn', layerNorm(g, 'layer_norm1', x, epsilon), config),
    );
    return g.add(looked, mlp(g, 'mlp', layerNorm(g, 'layer_norm2', looked, epsilon), config));
  });
}

function selfAttention(
  g: Builder,
  path: string,
  x: Value,
  { hidden_size, num_attention_heads }: ClipTextConfig,
): Value {
  return g.scoped(path, () => {
    const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(g, name, x, hidden_size));
    return linear(
      g,
      'out_proj',
      headsAttention(g, q, k, v, num_attention_heads, { causal: true }),
      hidden_size,
    );
  });
}

function mlp(g: Builder, path: string, x: Value, config: ClipTextConfig): Value {
  return g.scoped(path, () => {
    const hidden = linear(g, 'fc1', x, config.intermediate_size);
    return linear(g, 'fc2', activations[config.hidden_act](g, hidden), config.hidden_size);
  });
}

const activations = {
  /** x · sigmoid(1.702 x) */
  quick_gelu: (g: Builder, x: Value) => g.swish(x, 1.702),
  gelu: (g: Builder, x: Value) => g.gelu(x),
};
