// Ids that a model has no embedding for: of a tokenizer that is not its own, or of none.

import type { Tensor } from '../tensor/tensor.ts';
import { NO_ID, type TextTokenizer } from './text.ts';

/** The first id that is none of 0 … rows − 1; without rows, the first that is no id at all. */
export const unknownId = (ids: Iterable<number>, rows = Infinity): number | undefined =>
  [...ids].find((id) => !(Number.isInteger(id) && id >= 0 && id < rows));

/** What messages call it: `the token "<|im_end|>" (id 1024), for which …`. */
export function unknownName(
  id: number,
  { tokenOf, rows = Infinity }: Pick<TextTokenizer, 'tokenOf' | 'rows'>,
): string {
  if (id === NO_ID)
    return 'a character or special token that the tokenizer has no id for, and no unknown token';
  const token = tokenOf(id);
  const name = token === undefined ? String(id) : `${JSON.stringify(token)} (id ${id})`;
  return `the token ${name}, for which the model has no embedding: its ids go from 0 to ${rows - 1}`;
}

/** The first of `ids` [N, T] that is none of 0 … rows − 1, as messages call it. */
export function unknownPlace({ shape, data }: Tensor<'int32'>, rows: number): string | undefined {
  const at = data.findIndex((id) => unknownId([id], rows) !== undefined);
  const width = shape[shape.length - 1];
  return at < 0
    ? undefined
    : `has the id ${data[at]} in row ${Math.floor(at / width)}, column ${at % width}; the model's ids go from 0 to ${rows - 1}`;
}
