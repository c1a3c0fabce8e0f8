// The tokenizer of a language model: the files of a Hugging Face folder, text ↔ ids, and text as it
// is generated.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { parseFile } from '../checkpoints/model-folder.ts';
import { CheckpointError, type Problem } from '../errors.ts';
import { unicodeText } from '../util/encoding/decode-text.ts';
import { moreTokens, type MoreTokens } from './added-tokens.ts';
import { requireSameIds } from './post-processor.ts';
import { asExpressions } from './pre-tokenizer.ts';

/**
 * Text of ids that come one at a time. Nothing is given out before its bytes are a whole character.
 */
export interface TextStream {
  /** The text that this id completes; often none. */
  push(id: number): string;
  /** What was held back: bytes that never became a character read as U+FFFD. */
  end(): string;
}

export interface TextTokenizer {
  /** The highest id plus one; the model's embedding may have more rows, or fewer. */
  readonly size: number;
  /**
   * Rows of the model's embedding, by `vocab_size` of the config.json beside it: an id from there
   * on has none. Undefined where there is no such file.
   */
  readonly rows: number | undefined;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /**
   * Ids after which generation stops: eos and what generation_config.json adds to it, or
   * config.json where there is none.
   */
  readonly endIds: readonly number[];
  /** Ids of special tokens: begin, end, turns. */
  readonly specialIds: ReadonlySet<number>;
  /** True where `encode` with `special` puts bos first. */
  readonly addsBos: boolean;
  /** bos_token, eos_token, unk_token, pad_token and the like as text, for chat templates. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The folder's own chat template (Jinja). */
  readonly chatTemplate: string | undefined;
  /** The file that it is from. */
  readonly chatTemplateFile?: string;
  /** Names of the folder's further templates, which are for tools, retrieval and the like. */
  readonly otherTemplates?: readonly string[];
  /** What the files say of ids and does not hold. */
  readonly warnings: readonly Problem[];
  /**
   * Of a character that it has neither a token nor an unknown token for, the id is NO_ID.
   *
   * `special` (default true): with the special tokens that the tokenizer puts around a text. A chat
   * template writes its own.
   */
  encode(text: string, options?: { readonly special?: boolean }): Int32Array;
  /** `special` (default false): special tokens such as `<|end|>` appear in the text. */
  decode(ids: ArrayLike<number>, options?: { readonly special?: boolean }): string;
  stream(options?: { readonly special?: boolean }): TextStream;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

/** In place of the id of what has none. */
export const NO_ID = -1;

const configFile = z.object({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});
/** A key such as `eos_token_id`. */
export const tokenIds = z
  .union([z.int(), z.array(z.int())], {
    error: ({ input }) =>
      `is ${JSON.stringify(input)}, not a whole number or a list of whole numbers`,
  })
  .nullish();
const generationFile = z.object({ eos_token_id: tokenIds });
const modelFile = z.object({ vocab_size: z.int().positive().nullish() });
/** Ids by pieces, or pieces with their scores, in order: not copied, they are many. */
const vocabulary = z.custom<
  Readonly<Record<string, number>> | readonly (readonly [piece: string, score: number])[]
>((value) => typeof value === 'object' && value !== null);
const tokenizerFile = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: z.int(), content: z.string(), single_word: z.boolean().nullish() }))
    .nullish(),
  pre_tokenizer: z.unknown(),
  model: z.looseObject({
    type: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    vocab: vocabulary,
  }),
});
type TokenizerFile = z.output<typeof tokenizerFile>;

/**
 * Reads tokenizer.json and what lies beside it. Throws CheckpointError with each file that is
 * missing or damaged.
 */
export function readTextTokenizer(folder: string): TextTokenizer {
  const path = join(folder, 'tokenizer.json');
  if (!existsSync(path)) throw new CheckpointError([missing(folder)]);
  const data = parseFile(path, tokenizerFile);
  if (data.model.type === 'Unigram' && data.model.byte_fallback === true)
    throw new CheckpointError([unsupported(path)]);
  const more = moreTokens(folder, ownTokens(data));
  const added_tokens = [...(data.added_tokens ?? []), ...more.added];
  const word = added_tokens.find(({ single_word }) => single_word === true);
  if (word !== undefined)
    throw new CheckpointError([
      {
        where: path,
        what: `its added token ${JSON.stringify(word.content)} counts as a whole word only (single_word), which is not supported`,
      },
    ]);
  const tokenizer = open(
    path,
    { ...data, added_tokens, pre_tokenizer: asExpressions(data.pre_tokenizer) },
    { clean_up_tokenization_spaces: false, eos_token: more.named.eos_token },
  );
  requireSameIds(path, data.post_processor, (token) => tokenizer.token_to_id(token));
  const rows = rowsOf(folder);
  const [ends, never] = partition(readEndIds(folder), rows);
  const { source: chatTemplate, ...template } = folderTemplate(folder);
  return textTokenizer(tokenizer, more, {
    chatTemplate,
    ...template,
    rows,
    ends,
    warnings: [...more.warnings, ...neverEnds(folder, never), ...noToken(folder, never)],
  });
}

// `Array.isArray` does not know of arrays that are not written
const isList = (
  value: z.output<typeof vocabulary>,
): value is readonly (readonly [string, number])[] => Array.isArray(value);

function ownTokens({ added_tokens, model: { vocab } }: TokenizerFile) {
  const pieces: readonly (readonly [string, number])[] = isList(vocab)
    ? vocab.map(([piece], id) => [piece, id])
    : Object.entries(vocab);
  return {
    vocabulary: new Map(pieces),
    added: new Map((added_tokens ?? []).map(({ content, id }) => [content, id])),
  };
}

/** Those that a model of so many rows may generate, and the others. */
function partition(ids: readonly number[], rows = Infinity): [number[], number[]] {
  const may = (id: number) => id >= 0 && id < rows;
  return [ids.filter(may), ids.filter((id) => !may(id))];
}

function neverEnds(folder: string, others: readonly number[]): Problem[] {
  const ids = others.filter((id) => id >= 0);
  if (ids.length === 0) return [];
  const what = `has ${ids.join(', ')}, for which the model has no embedding: it never generates ${ids.length === 1 ? 'it' : 'them'}`;
  return [{ where: `${folder} eos_token_id`, what, fix: THIS_MODEL }];
}

/** -1 and the like, which people write for "never". */
function noToken(folder: string, others: readonly number[]): Problem[] {
  const ids = others.filter((id) => id < 0);
  if (ids.length === 0) return [];
  const what = `has ${ids.join(', ')}, which is no token: the other end ids, and the tokenizer's eos_token, end an answer`;
  return [{ where: `${folder} eos_token_id`, what, fix: THIS_MODEL }];
}

const THIS_MODEL = 'Use the generation_config.json of this very model.';

function rowsOf(folder: string): number | undefined {
  const path = join(folder, 'config.json');
  return existsSync(path) ? (parseFile(path, modelFile).vocab_size ?? undefined) : undefined;
}

/**
 * Ids after which generation stops, by generation_config.json, or config.json where there is none:
 * as transformers. Throws CheckpointError for a damaged file.
 */
export function readEndIds(folder: string): readonly number[] {
  const file = ['generation_config.json', 'config.json']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  const { eos_token_id: ends } = file === undefined ? {} : parseFile(file, generationFile);
  return ends === undefined || ends === null ? [] : [ends].flat();
}

const missing = (folder: string) => ({
  where: folder,
  what: existsSync(join(folder, 'tokenizer.model'))
    ? 'has a tokenizer.model of SentencePiece, but no tokenizer.json'
    : 'has no tokenizer.json',
  fix: 'Download tokenizer.json and tokenizer_config.json from the page of the model into its folder.',
});

const unsupported = (path: string) => ({
  where: path,
  what: 'is a Unigram tokenizer with byte fallback, which is not supported',
});

function open(path: string, data: object, config: object): Tokenizer {
  try {
    return new Tokenizer(data, config);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError([{ where: path, what: `this tokenizer cannot be used: ${reason}` }], {
      cause,
    });
  }
}

/** What the files beside tokenizer.json say. */
interface Beside extends Pick<
  TextTokenizer,
  'chatTemplate' | 'chatTemplateFile' | 'otherTemplates' | 'rows' | 'warnings'
> {
  readonly ends: readonly number[];
}

function textTokenizer(
  tokenizer: Tokenizer,
  { named }: Pick<MoreTokens, 'named'>,
  { ends, ...read }: Beside,
): TextTokenizer {
  const ids = [...tokenizer.get_vocab().values()];
  const added = [...tokenizer.get_added_tokens_decoder().values()];
  const idOf = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : tokenizer.token_to_id(token);
  const [bos, eos] = [idOf(named.bos_token), idOf(named.eos_token)];
  const { rows = Infinity } = read;
  const { encode, decode } = coding(tokenizer, new Set(ids));
  return {
    size: ids.reduce((most, id) => Math.max(most, id), -1) + 1,
    bos,
    eos,
    endIds: [...new Set([...(eos === undefined || eos >= rows ? [] : [eos]), ...ends])],
    specialIds: new Set([
      ...added.filter(({ special }) => special).map(({ id }) => id),
      ...[bos, eos].filter((id) => id !== undefined),
    ]),
    addsBos: bos !== undefined && encode('a')[0] === bos,
    specialTokens: named,
    ...read,
    encode,
    decode,
    stream: (options) => textStream((list) => decode(list, options)),
    idOf,
    tokenOf: (id) => tokenizer.id_to_token(id),
  };
}

function coding(
  tokenizer: Tokenizer,
  known: ReadonlySet<number>,
): Pick<TextTokenizer, 'encode' | 'decode'> {
  return {
    decode(tokens, { special = false } = {}) {
      const list = Array.from(tokens).filter((id) => known.has(id));
      return list.length === 0 ? '' : tokenizer.decode(list, { skip_special_tokens: !special });
    },
    encode(text, { special = true } = {}) {
      const { ids } = tokenizer.encode(text, { add_special_tokens: special });
      // of a token without an id the package gives undefined, which its types do not say
      return Int32Array.from(ids as (number | undefined)[], (id) => id ?? NO_ID);
    },
  };
}

/**
 * Decodes a window that begins with the ids given out last, because a token's text may depend on
 * the one before it (a space at the beginning is dropped).
 */
function textStream(decode: (ids: readonly number[]) => string): TextStream {
  let ids: number[] = [];
  let given = 0;
  const rest = (): string => decode(ids).slice(decode(ids.slice(0, given)).length);
  const push = (id: number): string => {
    ids.push(id);
    const text = rest();
    if (text === '' || text.endsWith('\ufffd')) return '';
    ids = ids.slice(given);
    given = ids.length;
    return text;
  };
  return { push, end: rest };
}

// ---- files

/**
 * The chat template (Jinja) that lies in a folder, of a model or of an adapter, as transformers
 * finds it. Throws CheckpointError for a damaged file.
 */
export function readChatTemplate(folder: string): string | undefined {
  return folderTemplate(folder).source;
}

interface FolderTemplate extends Pick<TextTokenizer, 'chatTemplateFile' | 'otherTemplates'> {
  readonly source: string | undefined;
}

/**
 * A file of its own goes before the configuration's; of several templates the one named "default".
 */
function folderTemplate(folder: string): FolderTemplate {
  const [own, old, config] = [
    'chat_template.jinja',
    'chat_template.json',
    'tokenizer_config.json',
  ].map((name) => join(folder, name));
  if (existsSync(own)) return { source: templateFile(own), chatTemplateFile: own };
  if (existsSync(old))
    return {
      source: parseFile(old, z.object({ chat_template: z.string() })).chat_template,
      chatTemplateFile: old,
    };
  const { chat_template: found } = existsSync(config) ? parseFile(config, configFile) : {};
  if (typeof found === 'string') return { source: found, chatTemplateFile: config };
  const named = found ?? [];
  return {
    source: named.find(({ name }) => name === 'default')?.template,
    chatTemplateFile: config,
    otherTemplates: [
      ...named.map(({ name }) => name).filter((name) => name !== 'default'),
      ...templatesBeside(folder),
    ],
  };
}

/** `additional_chat_templates/tool_use.jinja` is the template tool_use. */
function templatesBeside(folder: string): string[] {
  const below = join(folder, 'additional_chat_templates');
  return existsSync(below)
    ? readdirSync(below)
        .filter((name) => name.endsWith('.jinja'))
        .map((name) => name.slice(0, -'.jinja'.length))
        .sort()
    : [];
}

function templateFile(path: string): string {
  try {
    return unicodeText(readFileSync(path));
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError([{ where: path, what, fix: 'Download the file again.' }], { cause });
  }
}
