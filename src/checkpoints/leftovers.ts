// Tensors that lie in a model's files and are not part of the model.

import { failCheckpoint as fail, type Problem } from '../errors.ts';

/** Names that are shown. */
const NAMED = 3;

/** One warning that counts and names the tensors that are ignored; none where there are none. */
export function leftoverWarnings(names: readonly string[], where: string): Problem[] {
  if (names.length === 0) return [];
  const what =
    names.length === 1
      ? `a tensor that is not part of the model is ignored: ${names[0]}`
      : `${names.length} tensors that are not part of the model are ignored: ${listed(names)}`;
  return [{ where, what }];
}

/**
 * Throws CheckpointError for those that give a layer of the model more than it computes with, such
 * as a bias where it has none, or the scales of quantized weights: without them it is another one.
 */
export function refuseLayerExtras(
  leftovers: readonly string[],
  expected: ReadonlyMap<string, unknown>,
  where: string,
): void {
  const layers = new Set(Array.from(expected.keys(), (name) => layerOf(name, own)));
  const extras = (leaf: RegExp) =>
    leftovers.filter((name) => leaf.test(name) && layers.has(layerOf(name, leaf)));
  const scaled = extras(scales);
  if (scaled.length > 0)
    fail(
      where,
      `its weights are quantized: it has ${listed(scaled)}`,
      'Use the version of this model with float32, float16 or bfloat16 weights.',
    );
  const more = extras(own);
  if (more.length === 0) return;
  fail(
    where,
    `layers of the model have tensors that are not supported here: ${listed(more)}`,
    'Without them it would be another model. Name one of a supported kind as base_model.',
  );
}

/** What a layer computes with. */
const own = /\.(weight|bias)$/;

/** What the weights of a layer are to be multiplied with first. */
const scales =
  /\.(qweight|qzeros|SCB|scale_weight|weight_scale(_inv)?|weight\.(absmax|quant_map|quant_state\..*))$/;

const layerOf = (name: string, end: RegExp): string => name.replace(end, '');

function listed(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
