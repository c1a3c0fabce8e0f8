// A language model as a graph: token ids to hidden states, and hidden states to logits; parameters
// named as in Hugging Face's checkpoints.

import { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { decoderLayer } from '../nn/decoder-layer.ts';
import { rmsNorm } from '../nn/rms-norm.ts';
import { rotation, type Rope, type Rotation } from '../nn/rotary.ts';
import { float32, type Shape } from '../tensor/tensor.ts';
import { HIDDEN } from '../graph/hidden.ts';
import type { LanguageModelConfig } from './language-config.ts';
import { parameterShapes } from './parameters.ts';

export interface DecoderInputs {
  /** [B, S] int32. */
  readonly ids: Value;
  /**
   * [B, S] int32, where they are not 0 … S − 1 for each sample: several texts packed into one row
   * begin at 0 each.
   */
  readonly positions?: Value;
  /**
   * Positions are below this; S by default. It also decides which frequencies "dynamic" and
   * "longrope" take.
   */
  readonly length?: number;
  /**
   * Cosines and sines of the tokens' positions, in place of `positions` and `length`; of the ropes
   * for which it gives none, by these.
   */
  readonly rotation?: (rope: Rope) => Rotation | undefined;
  /**
   * Added to the scores, broadcastable to [B, heads, S, S]: a large negative number hides. What is
   * yet to come is hidden anyway.
   */
  readonly mask?: Value;
  /** Where earlier tokens are kept; takes the place of `mask`. */
  readonly cache?: KeyValueCache;
}

/** Keys and values of T tokens, of which S are new. */
export interface KeyValueCache {
  /**
   * What a layer looks at, given the new tokens' part: [B, S, heads · d] -> [B, T, heads · d]. Keys
   * have been turned to their positions.
   */
  readonly extend: (layer: number, keys: Value, values: Value) => readonly [Value, Value];
  /**
   * Added to the scores of the layers of a window, broadcastable to [B, heads, S, T]; it hides what
   * is yet to come too.
   */
  readonly mask: (window: number | undefined) => Value | undefined;
}

/** Token ids -> hidden states [B, S, C] behind the last norm. Parameters `model.…`. */
export function decoder(g: Builder, config: LanguageModelConfig, inputs: DecoderInputs): Value {
  const { ids, positions, cache, length = ids.shape[1] } = inputs;
  const rotations = memo(
    (rope: Rope) =>
      inputs.rotation?.(rope) ?? g.scoped('rotary_emb', () => rotation(g, rope, length, positions)),
  );
  const masks = memo((window: number | undefined) =>
    cache === undefined ? windowMask(g, inputs, window) : cache.mask(window),
  );
  return g.scoped('model', () => {
    const last = config.layers.reduce(
      (x, { window, rope }, i) => {
        const extend =
          cache === undefined ? undefined : (k: Value, v: Value) => cache.extend(i, k, v);
        return decoderLayer(g, `layers.${i}`, x, config.layer, {
          rotation: rotations(rope),
          mask: masks(window),
          causal: cache === undefined,
          extend,
        });
      },
      embeddings(g, config, ids),
    );
    return rmsNorm(g, 'norm', last, config.layer.norm);
  });
}

/**
 * Hidden states [..., C] -> logits [..., V], for as many rows as are given. Parameter
 * `lm_head.weight`, or the embedding where it is tied.
 */
export function logits(g: Builder, config: LanguageModelConfig, hidden: Value): Value {
  const { final_logit_softcapping: cap } = config;
  return g.scoped('lm_head', () => {
    const raw = g.linear(hidden, headWeight(g, config));
    return cap === undefined ? raw : g.mul(g.tanh(g.div(raw, cap)), cap);
  });
}

/** Weight of the output head, [V, C]. */
export function headWeight(
  g: Builder,
  { vocab_size, hidden_size, tie_word_embeddings }: LanguageModelConfig,
): Value {
  return g.sharedParameter(tie_word_embeddings ? EMBEDDING : 'lm_head.weight', [
    vocab_size,
    hidden_size,
  ]);
}

/** Name and shape of every weight of a model: the keys of its checkpoint. */
export function languageModelParameters(config: LanguageModelConfig): Map<string, Shape> {
  const g = new Builder(config.model_type);
  logits(g, config, decoder(g, config, { ids: g.input('ids', 'int32', [1, 1]) }));
  return parameterShapes(g.finish());
}

const EMBEDDING = 'model.embed_tokens.weight';

/** [B, S] -> [B, S, C]. */
function embeddings(
  g: Builder,
  { vocab_size, hidden_size, embedding_scale }: LanguageModelConfig,
  ids: Value,
): Value {
  return g.scoped('embed_tokens', () => {
    const rows = g.gather(g.sharedParameter(EMBEDDING, [vocab_size, hidden_size]), ids);
    return embedding_scale === 1 ? rows : g.mul(rows, embedding_scale);
  });
}

/** The given mask and what lies before the window: token i sees tokens i − window + 1 … i. */
function windowMask(
  g: Builder,
  { ids, mask }: DecoderInputs,
  window = Infinity,
): Value | undefined {
  const length = ids.shape[1];
  if (window >= length) return mask;
  const data = new Float32Array(length * length);
  for (let i = window; i < length; i++) data.fill(HIDDEN, i * length, i * length + i - window + 1);
  const before = g.constant(float32([length, length], data), 'window_mask');
  return mask === undefined ? before : g.add(mask, before);
}

/** Each argument's value is made once. */
function memo<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}
