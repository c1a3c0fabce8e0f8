// A tokenizer.json as GGUF metadata: tokens, types, merges or scores, special tokens, the chat
// template.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { mapOf } from '../util/own.ts';
import { parseFile } from '../checkpoints/model-folder.ts';
import { UserError } from '../errors.ts';
import { moreTokens } from '../tokenizer/added-tokens.ts';
import { readChatTemplate } from '../tokenizer/text.ts';
import { type KnownTokens, specialTokens } from './gguf-special.ts';
import { gguf, type GgufValue } from '../tensor/gguf.ts';

const step = z.looseObject({ type: z.string() });
const steps = z.array(step);
/** What a Sequence holds, by the names that its three kinds have. */
const held = (value: Readonly<Record<string, unknown>>): unknown =>
  value['pretokenizers'] ?? value['normalizers'] ?? value['processors'];
const part = step.refine(
  (value) => value.type !== 'Sequence' || steps.safeParse(held(value)).success,
  {
    message: 'is a Sequence without a list of its parts',
  },
);

const tokenizerSchema = z.looseObject({
  added_tokens: z
    .array(z.object({ id: z.int(), content: z.string(), special: z.boolean() }))
    .default([]),
  normalizer: part.nullish(),
  pre_tokenizer: part.nullish(),
  post_processor: part.nullish(),
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([mapOf(z.int()), z.array(z.unknown())]),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).default([]),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    unk_token: z.string().nullish(),
  }),
});

type Tokenizer = z.infer<typeof tokenizerSchema>;

const settingsSchema = z.looseObject({
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
});

/**
 * The `tokenizer.…` entries for a model whose embeddings have `rows` rows. Throws CheckpointError
 * (files missing or damaged) and UserError (a tokenizer that llama.cpp does not have).
 */
export function tokenizerEntries(folder: string, rows: number): (readonly [string, GgufValue])[] {
  const { tokenizer, tokens } = readTokenizer(folder, rows);
  const settings = readSettings(folder);
  const { vocab } = tokenizer.model;
  if (Array.isArray(vocab) || (tokenizer.model.type ?? 'BPE') !== 'BPE')
    return refuse(
      folder,
      `a tokenizer of type ${tokenizer.model.type ?? 'Unigram'} cannot be written as GGUF (only BPE can)`,
    );
  const template = readChatTemplate(folder);
  return [
    ...vocabularyEntries(folder, tokenizer, tokens.ids, rows),
    ...specialTokens(folder, tokens, rows).entries,
    [
      'tokenizer.ggml.add_bos_token',
      gguf.bool(settings.add_bos_token ?? surrounds(tokenizer, 'first')),
    ],
    [
      'tokenizer.ggml.add_eos_token',
      gguf.bool(settings.add_eos_token ?? surrounds(tokenizer, 'last')),
    ],
    ...(template === undefined ? [] : [['tokenizer.chat_template', gguf.text(template)] as const]),
  ];
}

/**
 * The tokenizer with the tokens that the folder's other files add, without those added ones that
 * the embeddings have no row for: no text may hold them.
 */
function readTokenizer(
  folder: string,
  rows: number,
): { readonly tokenizer: Tokenizer; readonly tokens: KnownTokens } {
  const read = parseFile(join(folder, 'tokenizer.json'), tokenizerSchema);
  const vocabulary = Array.isArray(read.model.vocab) ? new Map<string, number>() : read.model.vocab;
  const own = new Map(read.added_tokens.map(({ content, id }) => [content, id]));
  const { added, named, strays } = moreTokens(folder, { vocabulary, added: own });
  const all = [...read.added_tokens, ...added];
  const without = all.filter(({ id }) => id >= rows).map(({ content }) => content);
  const added_tokens = all.filter(({ id }) => id < rows);
  const ids = new Map([
    ...[...vocabulary].filter(([text]) => !without.includes(text)),
    ...added_tokens.map(({ content, id }) => [content, id] as const),
  ]);
  return { tokenizer: { ...read, added_tokens }, tokens: { ids, named, strays, without } };
}

const readSettings = (folder: string): z.infer<typeof settingsSchema> =>
  existsSync(join(folder, 'tokenizer_config.json'))
    ? parseFile(join(folder, 'tokenizer_config.json'), settingsSchema)
    : {};

/** What whoever runs the file must know of its tokenizer. */
export function tokenizerNotes(folder: string, rows: number): readonly string[] {
  return specialTokens(folder, readTokenizer(folder, rows).tokens, rows).notes;
}

const addedTokens = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ content: z.string(), rstrip: z.boolean().nullish() }))
    .default([]),
});
/** The tokens that llama.cpp looks up in a model of that name. */
const phi3Tokens = ['</s>', '<unk>', '<s>', '<|endoftext|>'];

/**
 * A name for `general.name`. In a model called phi-3 or phi3 llama.cpp drops the spaces behind
 * special tokens, as Phi-3's tokenizer does, and breaks off where Phi-3's are missing: so the name
 * has it where the tokenizer is such a one, and only there.
 */
export function ggufModelName(folder: string, name: string): string {
  const added = new Map(
    parseFile(join(folder, 'tokenizer.json'), addedTokens).added_tokens.map(
      ({ content, rstrip }) => [content, rstrip ?? false],
    ),
  );
  if (!(added.get('</s>') === true && phi3Tokens.every((token) => added.has(token))))
    return name.replace(/phi-?3/gi, 'Phi 3');
  return /phi-?3/i.test(name) ? name : `Phi-3 ${name}`;
}

function vocabularyEntries(
  folder: string,
  tokenizer: Tokenizer,
  ids: ReadonlyMap<string, number>,
  rows: number,
): (readonly [string, GgufValue])[] {
  const isByteLevel = isOfBytes(folder, tokenizer);
  refuseChanges(folder, tokenizer, isByteLevel);
  const tokens = tokenList(folder, ids, rows);
  const merges = tokenizer.model.merges.map((merge) =>
    typeof merge === 'string' ? splitMerge(merge) : merge,
  );
  const [model, pre] = isByteLevel
    ? ['gpt2', preTokenizerName(folder, tokenizer)]
    : ['llama', 'default'];
  return [
    ['tokenizer.ggml.model', gguf.text(model)],
    ['tokenizer.ggml.pre', gguf.text(pre)],
    ['tokenizer.ggml.tokens', gguf.array('string', tokens)],
    [
      'tokenizer.ggml.token_type',
      gguf.array('int32', tokenTypes(tokenizer, tokens, ids, isByteLevel)),
    ],
    ...(isByteLevel
      ? byteLevelEntries(merges)
      : sentencePieceEntries(tokenizer, scores(tokens, merges))),
  ];
}

/** Whether its letters are bytes; else it is of the SentencePiece kind. */
function isOfBytes(folder: string, { model, normalizer, pre_tokenizer }: Tokenizer): boolean {
  if (partsOf(pre_tokenizer).some(({ type }) => type === 'ByteLevel')) return true;
  if (model.byte_fallback === true || JSON.stringify([normalizer, pre_tokenizer]).includes('▁'))
    return false;
  return refuse(
    folder,
    "this BPE tokenizer is neither byte-level nor like SentencePiece's, and llama.cpp supports no other",
  );
}

function byteLevelEntries(merges: readonly (readonly string[])[]): [string, GgufValue][] {
  const lines = merges.map((pair) => pair.map((text) => text.replaceAll(' ', 'Ġ')).join(' '));
  return [['tokenizer.ggml.merges', gguf.array('string', lines)]];
}

function sentencePieceEntries(tokenizer: Tokenizer, values: number[]): [string, GgufValue][] {
  return [
    ['tokenizer.ggml.scores', gguf.array('float32', values)],
    ['tokenizer.ggml.add_space_prefix', gguf.bool(addsSpace(tokenizer))],
  ];
}

/**
 * llama.cpp splits a text as it is, or with spaces as ▁. NFC alone, which Qwen has, changes texts
 * so seldom that llama.cpp goes without.
 */
function refuseChanges(
  folder: string,
  { normalizer, pre_tokenizer: pre }: Tokenizer,
  isByteLevel: boolean,
): void {
  const isSpace = ({ pattern, content }: z.infer<typeof part>) =>
    content === '▁' && z.object({ String: z.literal(' ') }).safeParse(pattern).success;
  const isKnown = (step: z.infer<typeof part>) =>
    isByteLevel
      ? step.type === 'NFC'
      : step.type === 'Prepend' || (step.type === 'Replace' && isSpace(step));
  const changes = partsOf(normalizer)
    .filter((step) => !isKnown(step))
    .map(({ type }) => type);
  if (changes.length > 0)
    refuse(
      folder,
      `this tokenizer changes texts before it splits them (${changes.join(', ')}), and llama.cpp does not`,
    );
  if (
    isByteLevel &&
    partsOf(pre).some(({ type, add_prefix_space: space }) => type === 'ByteLevel' && space === true)
  )
    refuse(
      folder,
      'this byte-level tokenizer puts a space before a text (add_prefix_space), and llama.cpp does not',
    );
}

/** All tokens by id; ids that no token has are unused rows of the embeddings. */
function tokenList(folder: string, ids: ReadonlyMap<string, number>, rows: number): string[] {
  const tokens = Array.from({ length: rows }, (_, id) => unusedName(id, ids));
  for (const [text, id] of ids) {
    if (id >= rows)
      refuse(
        folder,
        `token ${JSON.stringify(text)} has id ${id}, but the model's embeddings have ${rows} rows`,
      );
    tokens[id] = text;
  }
  return tokens;
}

/** One that no token has: llama.cpp wants each text once. */
const unusedName = (id: number, ids: ReadonlyMap<string, number>): string =>
  ids.has(`[PAD${id}]`) ? `[PAD${id}][UNUSED]` : `[PAD${id}]`;

/** llama.cpp's numbers. */
const tokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

function tokenTypes(
  tokenizer: Tokenizer,
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
  isByteLevel: boolean,
): number[] {
  const added = new Map(tokenizer.added_tokens.map(({ id, special }) => [id, special]));
  return tokens.map((text, id) => {
    if (ids.get(text) !== id) return tokenType.unused;
    if (!isByteLevel && text === tokenizer.model.unk_token) return tokenType.unknown;
    if (added.has(id)) return added.get(id) === true ? tokenType.control : tokenType.userDefined;
    return !isByteLevel && /^<0x[0-9A-F]{2}>$/.test(text) ? tokenType.byte : tokenType.normal;
  });
}

function splitMerge(merge: string): readonly [string, string] {
  const space = merge.indexOf(' ', 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/**
 * SentencePiece joins the pair whose piece has the highest score: the earlier the merge, the
 * higher. A piece that no merge makes comes after all of them: BPE never joins it.
 */
function scores(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
): number[] {
  const rank = new Map<string, number>();
  merges.forEach(([left, right], i) => {
    if (!rank.has(left + right)) rank.set(left + right, i);
  });
  return tokens.map((text) => -(rank.get(text) ?? merges.length));
}

function addsSpace({ normalizer, pre_tokenizer: pre }: Tokenizer): boolean {
  const scheme = partsOf(pre).find(({ type }) => type === 'Metaspace');
  if (scheme !== undefined)
    return scheme.prepend_scheme !== 'never' && scheme.add_prefix_space !== false;
  return partsOf(normalizer).some(({ type }) => type === 'Prepend');
}

/** A part, or the parts of a sequence, of which some may be sequences. */
function partsOf(value: z.infer<typeof part> | null | undefined): z.infer<typeof part>[] {
  if (value === null || value === undefined) return [];
  return value.type === 'Sequence' ? steps.parse(held(value)).flatMap(partsOf) : [value];
}

const contractions = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`;
const tail = String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
const casedWords = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`;

/**
 * How llama.cpp calls the ways to split a text before the merges. Its regular expressions are
 * fixed, so others are refused.
 */
function preTokenizerName(folder: string, tokenizer: Tokenizer): string {
  const parts = partsOf(tokenizer.pre_tokenizer);
  const patterns = parts
    .filter(({ type }) => type === 'Split')
    .map(
      (split) =>
        z.looseObject({ Regex: z.string() }).safeParse(split.pattern).data?.Regex ??
        JSON.stringify(split.pattern),
    );
  const hasDigits = parts.some(
    (digits) => digits.type === 'Digits' && digits.individual_digits === true,
  );
  const usesOwn = parts.some((level) => level.type === 'ByteLevel' && level.use_regex !== false);
  const [pattern] = patterns;
  if (pattern === undefined && usesOwn) return hasDigits ? 'smollm' : 'gpt-2';
  if (patterns.length === 1 && !usesOwn && !hasDigits) {
    if (pattern === `${contractions}\\p{N}{1,3}${tail}`)
      return tokenizer.model.ignore_merges === true ? 'llama-bpe' : 'dbrx';
    if (pattern === `${contractions}\\p{N}${tail}`) return 'qwen2';
    if (pattern.startsWith(casedWords))
      return pattern.includes(String.raw`\p{N}{1,3}`) ? 'gpt-4o' : 'tekken';
  }
  const shown = pattern ?? parts.map(({ type }) => type).join(', ');
  return refuse(
    folder,
    `llama.cpp has no name, as far as this program knows, for the way this tokenizer splits texts: ${shown}`,
  );
}

/** Whether a text's first or last token is a special one: the template of the post-processor. */
function surrounds({ post_processor: post }: Tokenizer, end: 'first' | 'last'): boolean {
  const template = partsOf(post).find(({ type }) => type === 'TemplateProcessing');
  const single = z.array(z.looseObject({})).safeParse(template?.single).data ?? [];
  const piece = end === 'first' ? single[0] : single.at(-1);
  return piece !== undefined && 'SpecialToken' in piece;
}

function refuse(folder: string, what: string): never {
  throw new UserError([
    {
      where: join(folder, 'tokenizer.json'),
      what,
      fix: "Use the safetensors folder, or convert it with llama.cpp's own script.",
    },
  ]);
}
