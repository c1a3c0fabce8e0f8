// The tokens that the other files of a model's folder add to those of tokenizer.json, and which of
// them are special: as transformers' fast tokenizers do it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { jsonObject, mapOf } from '../util/own.ts';
import { parseFile } from '../checkpoints/model-folder.ts';
import type { Problem } from '../errors.ts';
import { type FoundProblem, problemsByKind } from '../util/problems-by-kind.ts';

/** An entry of `added_tokens` in tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
}

export interface MoreTokens {
  /** Those that `added_tokens` of tokenizer.json lacks. */
  readonly added: readonly AddedToken[];
  /** `bos_token` and the like as text. */
  readonly named: Readonly<Record<string, string>>;
  /** Keys of `named` whose token no file gives an id; it gets the next one. */
  readonly strays: readonly string[];
  /** Tokens that lack an id, and ids that the files give and that the tokens do not get. */
  readonly warnings: readonly Problem[];
}

/** What tokenizer.json itself has. */
export interface OwnTokens {
  /** Ids of the vocabulary's entries by their texts. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly added: ReadonlyMap<string, number>;
}

const flag = z.boolean().nullish();
const tokenFlags = { special: flag, single_word: flag, lstrip: flag, rstrip: flag };
const token = z.looseObject({ content: z.string(), ...tokenFlags, normalized: flag });
const settingsFile = z.looseObject({ added_tokens_decoder: mapOf(token).nullish() });
const addedFile = mapOf(z.int());

type Token = z.output<typeof token>;

/** A token that a file gives, with the id that it says. */
interface Declared {
  readonly token: Token;
  readonly id: number;
  readonly where: string;
}

/**
 * With `added_tokens_decoder` in tokenizer_config.json that file alone counts; without it
 * added_tokens.json does too, and special_tokens_map.json goes before tokenizer_config.json. Throws
 * CheckpointError for a damaged file.
 */
export function moreTokens(folder: string, own: OwnTokens): MoreTokens {
  const path = join(folder, 'tokenizer_config.json');
  const settings = existsSync(path) ? parseFile(path, settingsFile) : {};
  const { added_tokens_decoder: decoder } = settings;
  const named = namedTokens(
    decoder ? settings : { ...settings, ...optionalFile(folder, 'special_tokens_map.json') },
  );
  const special = [...named.values()].flat();
  const declared = decoder
    ? Array.from(decoder).map(([id, one]) => ({ token: one, id: Number(id), where: path }))
    : legacyTokens(folder, new Set(special.map(({ content }) => content)));
  const found = added(own, declared, special);
  const given = new Set([...own.vocabulary.keys(), ...own.added.keys()]);
  for (const { token: one } of declared) given.add(one.content);
  const texts = [...named].flatMap(([name, [one]]) =>
    name.endsWith('_token') ? [[name, one.content] as const] : [],
  );
  const strays = texts.filter(([, content]) => !given.has(content)).map(([name]) => name);
  return {
    ...found,
    named: Object.fromEntries(texts),
    strays,
    warnings: [
      ...found.warnings,
      ...texts
        .filter(([name]) => strays.includes(name) && isRead.has(name))
        .map(([name, content]) => stray(path, name, content)),
    ],
  };
}

/** Those that a text or an answer begins or ends with; any other token need not be known. */
const isRead: ReadonlySet<string> = new Set(['bos_token', 'eos_token']);

const stray = (where: string, name: string, content: string): Problem => ({
  where: `${where} ${name}`,
  what: `is ${JSON.stringify(content)}, which tokenizer.json does not have: it gets the next id, as in transformers, and the model has probably never seen it`,
  fix: 'Use the tokenizer files of one and the same model.',
});

const optionalFile = (folder: string, name: string): Readonly<Record<string, unknown>> =>
  existsSync(join(folder, name)) ? parseFile(join(folder, name), jsonObject) : {};

function legacyTokens(folder: string, special: ReadonlySet<string>): Declared[] {
  const where = join(folder, 'added_tokens.json');
  if (!existsSync(where)) return [];
  return Array.from(parseFile(where, addedFile)).map(([content, id]) => ({
    token: { content, special: special.has(content), normalized: !special.has(content) },
    id,
    where,
  }));
}

const oneToken = z
  .union([z.string(), z.looseObject({ content: z.string() })])
  .transform((one): Token => ({
    normalized: false,
    ...(typeof one === 'string' ? { content: one } : one),
    special: true,
  }));
const lists = ['extra_special_tokens', 'additional_special_tokens'];
/** In the order in which those without an id get one. */
const first = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'].map((name) => `${name}_token`);

/** The special tokens by the keys that name them; a list has several. */
function namedTokens(settings: Readonly<Record<string, unknown>>): Map<string, Token[]> {
  const others = Object.keys(settings).filter(
    (key) => key.endsWith('_token') && !first.includes(key),
  );
  return new Map(
    [...first, ...others, ...lists].flatMap((key) => {
      const found = lists.includes(key) ? Object.values(settings[key] ?? []) : [settings[key]];
      const tokens = found.flatMap((value) => {
        const one = oneToken.safeParse(value);
        return one.success ? [one.data] : [];
      });
      return tokens.length === 0 ? [] : [[key, tokens] as const];
    }),
  );
}

/** A token that the vocabulary has keeps its id; each other one gets the next. */
function added(
  own: OwnTokens,
  declared: readonly Declared[],
  special: readonly Token[],
): Pick<MoreTokens, 'added' | 'warnings'> {
  const ids = new Map(own.added);
  const found: AddedToken[] = [];
  const warnings: FoundProblem[] = [];
  const add = (one: Token): number => {
    const known = ids.get(one.content);
    if (known !== undefined) return known;
    const id = own.vocabulary.get(one.content) ?? nextId(own, ids);
    ids.set(one.content, id);
    found.push(withFlags(one, id));
    return id;
  };
  for (const { token: one, id, where } of declared.toSorted((a, b) => a.id - b.id)) {
    const got = add(one);
    if (got !== id) warnings.push(otherId(where, one.content, id, got));
  }
  special.forEach(add);
  return { added: found, warnings: problemsByKind(warnings) };
}

const nextId = ({ vocabulary }: OwnTokens, added: ReadonlyMap<string, number>): number =>
  [...added.values()].reduce((next, id) => Math.max(next, id + 1), vocabulary.size);

const withFlags = (
  { content, special, single_word, lstrip, rstrip, normalized }: Token,
  id: number,
): AddedToken => ({
  id,
  content,
  special: special ?? false,
  single_word: single_word ?? false,
  lstrip: lstrip ?? false,
  rstrip: rstrip ?? false,
  normalized: normalized ?? special !== true,
});

const otherId = (file: string, content: string, said: number, id: number): FoundProblem => ({
  where: `${file} ${content}`,
  detail: `${said} becomes ${id}`,
  what: 'is a token whose id does not follow from tokenizer.json: it gets the id that transformers gives it',
  fix: 'Use the tokenizer files of one and the same model.',
});
