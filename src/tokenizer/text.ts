// The tokenizer of a language model: the files of a Hugging Face folder, text ↔ ids, and text as it
// is generated.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { readJsonFile } from '../checkpoints/model-folder.ts';
import { CheckpointError } from '../errors.ts';
import { unicodeText } from '../util/encoding/decode-text.ts';
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
  /** The highest id plus one; the model's embedding may have more rows. */
  readonly size: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** The padding token, or eos where there is none. */
  readonly pad: number | undefined;
  /**
   * Ids after which generation stops: eos and what generation_config.json adds to it, or
   * config.json where there is none.
   */
  readonly endIds: readonly number[];
  /** Ids of special tokens: begin, end, turns. */
  readonly specialIds: ReadonlySet<number>;
  /** True where `encode` with `special` puts bos first. */
  readonly addsBos: boolean;
  /** bos_token, eos_token, unk_token, pad_token as text, for chat templates. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The folder's own chat template (Jinja). */
  readonly chatTemplate: string | undefined;
  /**
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

const specialToken = z
  .union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)])
  .nullish();
const specialTokensFile = z.object({
  bos_token: specialToken,
  eos_token: specialToken,
  unk_token: specialToken,
  pad_token: specialToken,
});
const configFile = specialTokensFile.extend({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish(),
});
const generationFile = z.object({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() });
const tokenizerFile = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ content: z.string(), single_word: z.boolean().nullish() }))
    .nullish(),
  pre_tokenizer: z.unknown(),
  model: z.looseObject({ type: z.string().nullish(), byte_fallback: z.boolean().nullish() }),
});

/**
 * Reads tokenizer.json and what lies beside it. Throws CheckpointError with each file that is
 * missing or damaged.
 */
export function readTextTokenizer(folder: string): TextTokenizer {
  const path = join(folder, 'tokenizer.json');
  if (!existsSync(path)) throw new CheckpointError([missing(folder)]);
  const data = readJson(path, tokenizerFile);
  if (data.model.type === 'Unigram' && data.model.byte_fallback === true)
    throw new CheckpointError([unsupported(path)]);
  const words = (data.added_tokens ?? []).filter(({ single_word }) => single_word === true);
  if (words.length > 0)
    throw new CheckpointError([
      {
        where: path,
        what: `its added token ${JSON.stringify(words[0].content)} counts as a whole word only (single_word), which is not supported`,
      },
    ]);
  const config = readJson(join(folder, 'tokenizer_config.json'), configFile, {});
  const specialTokens = {
    ...present(readJson(join(folder, 'special_tokens_map.json'), specialTokensFile, {})),
    ...present(config),
  };
  const tokenizer = open(
    path,
    { ...data, pre_tokenizer: asExpressions(data.pre_tokenizer) },
    { clean_up_tokenization_spaces: false, eos_token: specialTokens.eos_token },
  );
  return textTokenizer(
    tokenizer,
    specialTokens,
    chatTemplateOf(folder, config.chat_template),
    readEndIds(folder),
  );
}

/**
 * Ids after which generation stops, by generation_config.json, or config.json where there is none:
 * as transformers. Throws CheckpointError for a damaged file.
 */
export function readEndIds(folder: string): readonly number[] {
  const file = ['generation_config.json', 'config.json']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  const { eos_token_id: ends } = file === undefined ? {} : readJson(file, generationFile, {});
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

function textTokenizer(
  tokenizer: Tokenizer,
  specialTokens: Record<string, string>,
  chatTemplate: string | undefined,
  ends: readonly number[],
): TextTokenizer {
  const ids = [...tokenizer.get_vocab().values()];
  const added = [...tokenizer.get_added_tokens_decoder().values()];
  const idOf = (token: string | undefined): number | undefined =>
    token === undefined ? undefined : tokenizer.token_to_id(token);
  const [bos, eos] = [idOf(specialTokens['bos_token']), idOf(specialTokens['eos_token'])];
  const known = new Set(ids);
  const decode = (tokens: ArrayLike<number>, { special = false } = {}): string => {
    const list = Array.from(tokens).filter((id) => known.has(id));
    return list.length === 0 ? '' : tokenizer.decode(list, { skip_special_tokens: !special });
  };
  const encode = (text: string, { special = true } = {}): Int32Array =>
    Int32Array.from(tokenizer.encode(text, { add_special_tokens: special }).ids);
  return {
    size: ids.reduce((most, id) => Math.max(most, id), -1) + 1,
    bos,
    eos,
    pad: idOf(specialTokens['pad_token']) ?? eos,
    endIds: [...new Set(eos === undefined ? ends : [eos, ...ends])],
    specialIds: new Set([
      ...added.filter(({ special }) => special).map(({ id }) => id),
      ...[bos, eos].filter((id) => id !== undefined),
    ]),
    addsBos: bos !== undefined && encode('a')[0] === bos,
    specialTokens,
    chatTemplate,
    encode,
    decode,
    stream: (options) => textStream((list) => decode(list, options)),
    idOf,
    tokenOf: (id) => tokenizer.id_to_token(id),
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
  const config = readJson(join(folder, 'tokenizer_config.json'), configFile, {});
  return chatTemplateOf(folder, config.chat_template);
}

/**
 * A file of its own goes before the configuration's; of several templates the one named "default".
 */
function chatTemplateOf(
  folder: string,
  configured: z.output<typeof configFile>['chat_template'],
): string | undefined {
  const own = join(folder, 'chat_template.jinja');
  if (existsSync(own)) return templateFile(own);
  const old = join(folder, 'chat_template.json');
  if (existsSync(old)) return readJson(old, z.object({ chat_template: z.string() })).chat_template;
  if (configured === undefined || configured === null) return undefined;
  return typeof configured === 'string'
    ? configured
    : configured.find(({ name }) => name === 'default')?.template;
}

function templateFile(path: string): string {
  try {
    return unicodeText(readFileSync(path));
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError([{ where: path, what, fix: 'Download the file again.' }], { cause });
  }
}

function present({
  bos_token,
  eos_token,
  unk_token,
  pad_token,
}: z.output<typeof specialTokensFile>): Record<string, string> {
  const pairs = Object.entries({ bos_token, eos_token, unk_token, pad_token });
  return Object.fromEntries(
    pairs.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}

/** `absent` is what a missing file reads as. */
function readJson<T>(path: string, schema: z.ZodType<T>, absent?: T): T {
  if (absent !== undefined && !existsSync(path)) return absent;
  const fix = 'Download the file again.';
  const result = schema.safeParse(readJsonFile(path, fix));
  if (result.success) return result.data;
  const what = 'is damaged, or is not what its name says';
  throw new CheckpointError([{ where: path, what, fix }], { cause: result.error });
}
