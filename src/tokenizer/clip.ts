// CLIP's tokenizer, as transformers' CLIPTokenizerFast (Radford et al., 2021): text → ids, offline.

import { Tokenizer } from '@huggingface/tokenizers';
import type { AddedToken } from './added-tokens.ts';
import { needed } from '../util/needed.ts';
import {
  embeddedClipVocabulary,
  readClipVocabulary,
  type ClipVocabulary,
} from './clip-vocabulary.ts';

export interface ClipTokenizer {
  readonly bos: number;
  readonly eos: number;
  /** `<|endoftext|>` in SD 1.x, other models have another. */
  readonly pad: number;
  /**
   * Ids of `<|startoftext|>` text `<|endoftext|>`, cut or padded to maxLength; EOS is never cut.
   */
  encode(text: string, maxLength?: number): Int32Array;
  /**
   * Tokens of the text alone, without the two special tokens: what must stay within maxLength - 2.
   */
  tokenCount(text: string): number;
  /** Ids of the text alone, of any length, without the two special tokens around it. */
  textIds(text: string): number[];
  tokenOf(id: number): string | undefined;
}

const words = String.raw`'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\p{White_Space}\p{L}\p{N}]+`;
const specialTokens = String.raw`<\|startoftext\|>|<\|endoftext\|>`;

/**
 * The tokenizer of SD 1.x. `folder`: the `tokenizer` folder of a diffusers model, whose vocabulary
 * is used when it has one. Throws CheckpointError when that is damaged.
 */
export async function createClipTokenizer(folder?: string): Promise<ClipTokenizer> {
  const own = folder === undefined ? undefined : readClipVocabulary(folder);
  return clipTokenizer(own ?? (await embeddedClipVocabulary()));
}

function clipTokenizer(vocabulary: ClipVocabulary): ClipTokenizer {
  const { tokens, added = [], pad: padding = END } = vocabulary;
  const tokenizer = new Tokenizer(description(vocabulary), {});
  const idOf = (token: string) => needed(tokens, token, 'token');
  const [bos, eos, pad] = [BEGIN, END, padding].map(idOf);
  const asWritten = new Map(
    [BEGIN, END, ...added.filter(isWritten).map(({ content }) => content)].map(
      (token) => [token, idOf(token)] as const,
    ),
  );
  const inWords = new Map(
    added
      .filter((token) => !isWritten(token))
      .map(({ content, id }) => [normalize(content), id] as const),
  );
  const words = (text: string) =>
    divided(normalize(text), inWords, (part) => tokenizer.encode(part).ids);
  const ids = (text: string) => divided(text, asWritten, words);
  return {
    bos,
    eos,
    pad,
    tokenCount: (text) => ids(text).length,
    textIds: ids,
    tokenOf: (id) => [...tokens].find(([, one]) => one === id)?.[0],
    encode: (text, maxLength = 77) => {
      const framed = new Int32Array(maxLength).fill(pad);
      framed.set([bos, ...ids(text).slice(0, maxLength - 2), eos]);
      return framed;
    },
  };
}

const [BEGIN, END] = ['<|startoftext|>', '<|endoftext|>'];

/**
 * A special token in the text is the token itself, but only as it is written: checked before the
 * text is made lower case. Others that were added are looked for after that.
 */
const isWritten = ({ content, special, normalized }: AddedToken): boolean =>
  special || !normalized || content === BEGIN || content === END;

/** The ids of the tokens that stand in the text, the longest first, and of what is between. */
function divided(
  text: string,
  tokens: ReadonlyMap<string, number>,
  between: (part: string) => readonly number[],
): number[] {
  if (tokens.size === 0) return [...between(text)];
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const pattern = longestFirst.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return text
    .split(new RegExp(`(${pattern.join('|')})`, 'u'))
    .flatMap((part, i) => (i % 2 === 1 ? (tokens.get(part) ?? []) : between(part)));
}

/**
 * NFC, white space, then lower case letter by letter: in a word's last sigma, too, the letter alone
 * counts.
 */
function normalize(text: string): string {
  return Array.from(text.normalize('NFC').replace(/\p{White_Space}+/gu, ' '), (letter) =>
    letter.toLowerCase(),
  ).join('');
}

/** The parts of a tokenizer.json that say how CLIP cuts text; normalisation is ours. */
function description({ tokens, merges }: ClipVocabulary): object {
  const split = (regex: string) => ({
    type: 'Split',
    pattern: { Regex: regex },
    behavior: 'Removed',
    invert: true,
  });
  return {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      // A special token that appears only in lower case is a piece, cut again into its words.
      pretokenizers: [
        split(`${specialTokens}|${words}`),
        split(words),
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<|endoftext|>',
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab: Object.fromEntries(tokens),
      merges,
    },
  };
}
