// The tokens of a prompt of any length, in chunks that the text encoder takes one at a time, as
// WebUI cuts them.

import { isBreak, type Segment } from './attention.ts';

/** What cutting needs of a ClipTokenizer. */
export interface ChunkTokenizer {
  readonly bos: number;
  readonly eos: number;
  /** Follows the end; in SD 1.x `eos` itself. */
  readonly pad: number;
  /** Ids of a text alone, without special tokens. */
  textIds(text: string): readonly number[];
}

/** BOS, at most `length` - 2 tokens, EOS, padding. */
export interface Chunk {
  readonly ids: readonly number[];
  /** Of each id; 1 for special tokens. */
  readonly weights: readonly number[];
}

export interface ChunkOptions {
  /** Of a chunk, with BOS and EOS: the positions of the text encoder; 77 in SD 1.x. */
  readonly length: number;
  /**
   * A chunk that is full ends behind its last comma where at most so many tokens follow it; these
   * begin the next one. By default 20, as WebUI's setting.
   */
  readonly commaBacktrack?: number;
}

interface Weighted {
  readonly id: number;
  readonly weight: number;
}

/** At least one chunk. */
export function promptChunks(
  segments: readonly Segment[],
  tokenizer: ChunkTokenizer,
  { length, commaBacktrack = 20 }: ChunkOptions,
): Chunk[] {
  const most = length - 2;
  const comma = commaId(tokenizer);
  const chunks: Chunk[] = [];
  let open: Weighted[] = [];
  let lastComma = -1;
  const close = (rest: Weighted[] = []) => {
    chunks.push(framed(open, tokenizer, length));
    [open, lastComma] = [rest, -1];
  };
  for (const segment of segments) {
    if (isBreak(segment)) close();
    else
      for (const id of tokenizer.textIds(segment.text)) {
        if (id === comma) lastComma = open.length;
        else if (open.length === most && lastComma >= 0 && most - lastComma <= commaBacktrack)
          close(open.splice(lastComma + 1));
        if (open.length === most) close();
        open.push({ id, weight: segment.weight });
      }
  }
  if (open.length > 0 || chunks.length === 0) close();
  return chunks;
}

/** A prompt that is shorter than another of its batch is filled up with chunks without text. */
export const emptyChunk = (tokenizer: ChunkTokenizer, length: number): Chunk =>
  framed([], tokenizer, length);

/** A vocabulary may have no comma as a word. */
function commaId(tokenizer: ChunkTokenizer): number | undefined {
  const ids = tokenizer.textIds(',');
  return ids.length === 1 ? ids[0] : undefined;
}

function framed(
  tokens: readonly Weighted[],
  { bos, eos, pad }: ChunkTokenizer,
  length: number,
): Chunk {
  const filled = <T>(first: T, inner: readonly T[], rest: T) => [
    first,
    ...inner,
    ...Array<T>(length - 1 - inner.length).fill(rest),
  ];
  const ids = filled(
    bos,
    tokens.map(({ id }) => id),
    eos,
  );
  const end = ids.indexOf(eos);
  return {
    ids: pad === eos ? ids : ids.map((id, i) => (i > end ? pad : id)),
    weights: filled(
      1,
      tokens.map(({ weight }) => weight),
      1,
    ),
  };
}
