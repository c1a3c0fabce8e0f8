// The special tokens that GGUF names by their ids: by the texts that the tokenizer's files name, or
// else by the ids in config.json.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseFile } from '../checkpoints/model-folder.ts';
import { gguf, type GgufValue } from '../tensor/gguf.ts';
import { readEndIds, tokenIds } from '../tokenizer/text.ts';
import { plural } from '../util/plural.ts';
import { endTokens } from './gguf-ends.ts';

/** Of config.json, of whatever family. */
const idsSchema = z.object({
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
  pad_token_id: tokenIds,
});

/** llama.cpp's names, and ours. */
const keys = { bos: 'bos_token', eos: 'eos_token', unknown: 'unk_token', padding: 'pad_token' };

/** What is known of the tokens of a folder. */
export interface KnownTokens {
  /** Ids by the tokens' texts: those with a row of the embeddings. */
  readonly ids: ReadonlyMap<string, number>;
  /** `bos_token` and the like as text. */
  readonly named: Readonly<Record<string, string>>;
  /** Keys of `named` whose tokens the tokenizer does not have. */
  readonly strays: readonly string[];
  /** Added tokens for which the embeddings have no row. */
  readonly without: readonly string[];
}

export interface SpecialTokens {
  readonly entries: readonly (readonly [string, GgufValue])[];
  /** What whoever runs the file must know. */
  readonly notes: readonly string[];
}

/** `rows`: of the embeddings; an id from there on, or below 0, is none. */
export function specialTokens(folder: string, tokens: KnownTokens, rows: number): SpecialTokens {
  const { special, outside } = specialIds(folder, tokens, rows);
  const texts = new Map(Array.from(tokens.ids, ([text, id]) => [id, text]));
  const named = readEndIds(folder);
  const ends = endTokens(named, special.get('eos'), (id) => texts.get(id));
  const never = named.filter((id) => id >= rows).map((id) => `eos_token_id ${id}`);
  return {
    entries: [
      ...Array.from(
        special,
        ([name, id]) => [`tokenizer.ggml.${name}_token_id`, gguf.uint32(id)] as const,
      ),
      ...ends.entries,
    ],
    notes: [
      ...straysOf(tokens),
      ...withoutRows([
        ...tokens.without.map((token) => JSON.stringify(token)),
        ...outside,
        ...never,
      ]),
      ...unknownEnds(ends.left),
    ],
  };
}

const straysOf = ({ named, strays }: KnownTokens): string[] =>
  Object.entries(keys)
    .filter(([, key]) => strays.includes(key))
    .map(
      ([name, key]) =>
        `tokenizer_config.json calls ${JSON.stringify(named[key])} the ${name} token, but the tokenizer has no such token: the file has the one of config.json, if there is one`,
    );

const unknownEnds = (left: readonly string[]): string[] =>
  left.length === 0
    ? []
    : [
        `llama.cpp has no key for a fourth token that ends an answer: it does not stop at ${left.join(', ')}, Ollama does`,
      ];

function withoutRows(found: readonly string[]): string[] {
  const all = [...new Set(found)];
  return all.length === 0
    ? []
    : [
        `${plural(all.length, 'token')} left out, for which the model has no embedding: ${all.join(', ')}`,
      ];
}

/** In config.json -1 stands for none. */
function specialIds(folder: string, { ids, named, strays, without }: KnownTokens, rows: number) {
  const path = join(folder, 'config.json');
  const config: Readonly<Record<string, z.output<typeof tokenIds>>> = existsSync(path)
    ? parseFile(path, idsSchema)
    : {};
  const special = new Map<string, number>();
  const outside: string[] = [];
  for (const [name, key] of Object.entries(keys)) {
    const text = strays.includes(key) ? undefined : named[key];
    const id = (text === undefined ? undefined : ids.get(text)) ?? [config[`${key}_id`]].flat()[0];
    if (id === undefined || id === null || id < 0) continue;
    if (id < rows) special.set(name, id);
    else if (!without.includes(named[key] ?? '')) outside.push(`${key}_id ${id}`);
  }
  return { special, outside };
}
