// The captions that the embedded base learns from, as token ids, new for every time a picture is
// seen.

import type { ClipTokenizer } from '../../src/tokenizer/clip.ts';
import { describe, describeInPart, type Combination } from './draw.ts';

/**
 * Ids below this, but the last, are the most frequent pieces of CLIP's vocabulary: only these have
 * an embedding in the base.
 */
export const KNOWN_TOKENS = 12_000;
/** The one piece of the captions that is rarer, `umbrella</w>`: it has the last row. */
const RARE_PIECE = 17_143;
const RARE_ROW = KNOWN_TOKENS - 1;
/** Pieces below this are single characters. */
const FIRST_WORD = 512;

/**
 * One caption in ten is empty, as guidance needs. Some leave things out. Some carry one to three
 * words that mean nothing, so that the base draws plainly what it understands of a prompt, and a
 * style's words are free for an adapter.
 */
export function captionIds(
  tokenizer: ClipTokenizer,
  combination: Combination,
  next: () => number,
): Int32Array {
  const ids = tokenizer.encode(
    next() < 0.1
      ? ''
      : next() < 0.15
        ? describeInPart(combination, next())
        : describe(combination, next()),
  );
  return next() < 0.2 ? withNoise(ids, tokenizer.eos, next) : ids;
}

function withNoise(ids: Int32Array, eos: number, next: () => number): Int32Array {
  const end = ids.indexOf(eos);
  const words = ids.subarray(1, end);
  const strangers = Array.from(
    { length: 1 + Math.floor(3 * next()) },
    () => FIRST_WORD + Math.floor(next() * (RARE_ROW - FIRST_WORD)),
  );
  const all = next() < 0.75 ? [...strangers, ...words] : [...words, ...strangers];
  const out = new Int32Array(ids.length).fill(eos);
  out.set([ids[0], ...all]);
  return out;
}

/** Rows of the small table of embeddings: known pieces, the rare one, two special tokens. */
export function smallIds(ids: Int32Array, { bos, eos }: ClipTokenizer): Int32Array {
  return ids.map((id) => {
    if (id === bos) return KNOWN_TOKENS;
    if (id === eos) return KNOWN_TOKENS + 1;
    if (id < RARE_ROW) return id;
    if (id === RARE_PIECE) return RARE_ROW;
    throw new Error(`internal: piece ${id} has no row`);
  });
}

/** Row of the small table → row of CLIP's. */
export function fullId(row: number, { bos, eos }: ClipTokenizer): number {
  if (row === KNOWN_TOKENS) return bos;
  if (row === KNOWN_TOKENS + 1) return eos;
  return row === RARE_ROW ? RARE_PIECE : row;
}
