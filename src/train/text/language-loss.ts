// The loss of a language model as one graph: from token ids to the mean loss of the tokens that are
// trained.

import { lora } from '../../adapters/lora.ts';
import { Builder } from '../../graph/builder.ts';
import type { Graph, Node, Value } from '../../graph/graph.ts';
import type { OpName } from '../../graph/ops.ts';
import { crossEntropy, tokenLosses, type Head } from '../../losses/cross-entropy.ts';
import { decoder, headWeight, type DecoderInputs } from '../../models/decoder.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { Rope, Rotation } from '../../nn/rotary.ts';
import { HIDDEN } from '../../graph/hidden.ts';
import { ropesByLength, rotationNames } from './own-rotations.ts';

/** The shape of one micro-batch. */
export interface TextShape {
  readonly rows: number;
  /** Tokens of a row. */
  readonly length: number;
  /** Room for trained tokens, in all rows together. */
  readonly trained: number;
  /** Whether a row may hold several sequences, which do not see each other. */
  readonly packed: boolean;
}

export interface LanguageLossOptions {
  /** By default `trained`. */
  readonly head?: Head;
}

/**
 * Output `loss` []: the sum of trained tokens' losses, each times its weight. Parameters have the
 * checkpoint's names. Inputs: `input_ids` [rows, length] int32; `trained` [trained] int32: at which
 * places, counted through all rows, the token that follows is trained; `labels` [trained] int32:
 * that token; `label_weights` [trained] float32: 1 / (trained tokens of the whole accumulated
 * batch), 0 where the room is not used; packed also `position_ids` and `segments` [rows, length]
 * int32: a token sees earlier ones of its own segment. Where rotations follow a text's own length,
 * those of `ownRotations` too.
 */
export function languageLoss(
  config: LanguageModelConfig,
  shape: TextShape,
  options: LanguageLossOptions = {},
): Graph {
  const g = new Builder('language-loss');
  g.output(
    'loss',
    crossEntropy(
      g,
      headInputs(g, config, shape, options),
      g.input('label_weights', 'float32', [shape.trained]),
    ),
  );
  return g.finish();
}

/**
 * The same model; output `token_losses` [trained]: the loss of each in nats. There is no input
 * `label_weights`.
 */
export function tokenLossGraph(
  config: LanguageModelConfig,
  shape: TextShape,
  options: LanguageLossOptions = {},
): Graph {
  const g = new Builder('token-losses');
  g.output('token_losses', tokenLosses(g, headInputs(g, config, shape, options)));
  return g.finish();
}

function headInputs(
  g: Builder,
  config: LanguageModelConfig,
  shape: TextShape,
  { head = 'trained' }: LanguageLossOptions,
) {
  const hidden = decoder(g, config, decoderInputs(g, config, shape));
  return {
    hidden,
    weight: headWeight(g, config),
    softcap: config.final_logit_softcapping,
    positions: g.input('trained', 'int32', [shape.trained]),
    labels: g.input('labels', 'int32', [shape.trained]),
    head,
  };
}

function decoderInputs(
  g: Builder,
  config: LanguageModelConfig,
  { rows, length, packed }: TextShape,
): DecoderInputs {
  const ids = g.input('input_ids', 'int32', [rows, length]);
  const given = { ids, rotation: givenRotations(g, config, { rows, length }) };
  if (!packed) return given;
  const segments = g.input('segments', 'int32', [rows, length]);
  return {
    ...given,
    positions: g.input('position_ids', 'int32', [rows, length]),
    mask: g.scoped('packing', () => segmentMask(g, segments)),
  };
}

/** Of the ropes that follow a text's own length; the others' tables are constants. */
function givenRotations(
  g: Builder,
  config: LanguageModelConfig,
  { rows, length }: Pick<TextShape, 'rows' | 'length'>,
): (rope: Rope) => Rotation | undefined {
  const given = new Map(
    ropesByLength(config, length).map((rope, i) => {
      const { cos, sin } = rotationNames(i);
      const shape = [rows, length, rope.dims / 2];
      return [rope, { cos: g.input(cos, 'float32', shape), sin: g.input(sin, 'float32', shape) }];
    }),
  );
  return (rope) => given.get(rope);
}

/** [B, S] -> [B, 1, S, S]: 0 within a segment. */
function segmentMask(g: Builder, segments: Value): Value {
  const [rows, length] = segments.shape;
  const same = g.equal(
    g.reshape(segments, [rows, 1, length, 1]),
    g.reshape(segments, [rows, 1, 1, length]),
  );
  return g.where(same, 0, HIDDEN);
}

/**
 * What the backward pass computes a second time, for `differentiate`'s `segmentOf`. With
 * checkpointing each whole layer, so that only what goes from layer to layer is kept; without it
 * norms, activations and their products, which cost little to compute.
 */
export const recomputed = (checkpointing: boolean): ((node: Node) => string | undefined) =>
  checkpointing ? layerOf : cheapPartOf;

const layerOf = ({ scope }: Node): string | undefined => /^model\.layers\.\d+/.exec(scope)?.[0];

const cheap: ReadonlySet<OpName> = new Set<OpName>(['RMSNormalization', 'Swish', 'Gelu']);

/**
 * With the adapters' first products, alone or together: what these read is to be the copy; their
 * own copies nobody needs.
 */
function cheapPartOf(node: Node): string | undefined {
  const layer = layerOf(node);
  const isProduct = node.op === 'Mul' && node.scope === `${layer}.mlp`;
  return cheap.has(node.op) || isProduct || lora.readsInput(node) ? layer : undefined;
}
