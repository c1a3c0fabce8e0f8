// A request for a text: what may be said of it, and what is meant where nothing is said.

import { ConfigError, type Problem } from '../../errors.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { type ChatMessage, type ChatTemplate, noTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { unknownId, unknownName } from '../../tokenizer/unknown-id.ts';
import type { Seed } from '../../util/philox.ts';
import { reasonOf } from '../../util/caught.ts';
import { mixProblems, type Mix } from '../mix.ts';
import type { SamplingOptions } from './sampling.ts';

/**
 * Token ids as they are; or a text, with the special tokens that the tokenizer puts around one; or
 * a conversation, which the chat template writes up to the answer.
 */
export type TextPrompt = Int32Array | readonly number[] | string | readonly ChatMessage[];

export interface TextRequest extends Partial<SamplingOptions> {
  readonly prompt: TextPrompt;
  /** What messages call it. */
  readonly name?: string;
  /** Default 128; fewer where prompt and answer would be more than the model can read. */
  readonly maxNewTokens?: number;
  /**
   * The answer ends before the first of these. A special token of the tokenizer, such as
   * `<|im_end|>`, ends it as a token.
   */
  readonly stop?: readonly string[];
  /** Of the draws; default 0. */
  readonly seed?: Seed;
  /** Adapters at their strengths; default: the generator's. */
  readonly mix?: Mix;
}

/** What messages call a request: its name, or its own words. */
export function requestName({ name, prompt }: TextRequest): string {
  if (name !== undefined) return name;
  if (typeof prompt === 'string') return `the prompt ${JSON.stringify(prompt)}`;
  const last = prompt[prompt.length - 1];
  return typeof last === 'object'
    ? `the prompt ${JSON.stringify(last.content)}`
    : `a prompt of ${prompt.length} tokens`;
}

/** A request in which nothing is left open. */
export interface CompleteTextRequest {
  readonly ids: readonly number[];
  readonly maxNewTokens: number;
  readonly sampling: SamplingOptions;
  readonly stop: readonly string[];
  /** Tokens that end the answer. */
  readonly endIds: ReadonlySet<number>;
  readonly seed: Seed;
}

export interface TextSurroundings {
  readonly tokenizer: TextTokenizer;
  readonly template: ChatTemplate | undefined;
  readonly config: Pick<LanguageModelConfig, 'vocab_size' | 'max_position_embeddings' | 'layers'>;
}

/**
 * Tokens that the model can read: as many as its config.json says, or as its rotations are
 * stretched to.
 */
export function windowOf({ max_position_embeddings, layers }: TextSurroundings['config']): number {
  const stretched = layers.map(({ rope: { scaling } }) => {
    if (scaling.rope_type === 'dynamic') return scaling.factor * scaling.max_position_embeddings;
    return scaling.rope_type === 'yarn'
      ? scaling.factor * scaling.original_max_position_embeddings
      : 0;
  });
  return Math.floor(Math.max(max_position_embeddings, ...stretched));
}

/** Throws ConfigError with everything that is wrong. */
export function completeTextRequest(
  request: TextRequest,
  around: TextSurroundings,
): CompleteTextRequest {
  const { maxNewTokens = 128, stop = [], seed = 0 } = request;
  const sampling = samplingOf(request);
  const problems = [
    ...numberProblems({ ...sampling, maxNewTokens }),
    ...stopProblems(stop),
    ...mixProblems(request.mix),
  ];
  const ids = promptIds(request.prompt, around, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const { tokenizer } = around;
  const room = Math.min(maxNewTokens, windowOf(around.config) - ids.length);
  const specialIds = (text: string): number[] =>
    [tokenizer.idOf(text)]
      .filter((id) => id !== undefined && tokenizer.specialIds.has(id))
      .map(Number);
  return {
    ids,
    maxNewTokens: room,
    sampling,
    seed,
    stop: stop.filter((text) => specialIds(text).length === 0),
    endIds: new Set([...tokenizer.endIds, ...stop.flatMap(specialIds)]),
  };
}

function samplingOf({
  temperature = 0,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
}: TextRequest): SamplingOptions {
  return { temperature, topK, topP, minP, repetitionPenalty };
}

type Numbers = SamplingOptions & { readonly maxNewTokens: number };

const limits: {
  readonly [K in keyof Numbers]: readonly [holds: (x: number) => boolean, wanted: string];
} = {
  maxNewTokens: [(x) => Number.isInteger(x) && x >= 1, 'a whole number of at least 1'],
  temperature: [
    (x) => x >= 0 && x < Infinity,
    'a number of at least 0; 0 always takes the likeliest token',
  ],
  topK: [(x) => Number.isInteger(x) && x >= 0, 'a whole number of at least 0; 0 keeps all tokens'],
  topP: [(x) => x > 0 && x <= 1, 'above 0 and at most 1; 1 keeps all tokens'],
  minP: [(x) => x >= 0 && x <= 1, 'from 0 to 1; 0 keeps all tokens'],
  repetitionPenalty: [(x) => x > 0 && x < Infinity, 'a number above 0; 1 changes nothing'],
};

function numberProblems(numbers: Numbers): Problem[] {
  // Object.keys forgets the keys' type
  return (Object.keys(limits) as (keyof Numbers)[]).flatMap((key) => {
    const [holds, wanted] = limits[key];
    return holds(numbers[key]) ? [] : [{ where: key, what: `is ${numbers[key]}, not ${wanted}` }];
  });
}

const stopProblems = (stop: readonly string[]): Problem[] =>
  stop.includes('')
    ? [
        {
          where: 'stop',
          what: 'contains an empty string, which would end every answer at once',
        },
      ]
    : [];

function promptIds(
  prompt: TextPrompt,
  { tokenizer, template, config }: TextSurroundings,
  problems: Problem[],
): number[] {
  const window = windowOf(config);
  const ids =
    typeof prompt === 'string'
      ? [...tokenizer.encode(prompt)]
      : isConversation(prompt)
        ? conversationIds(prompt, tokenizer, template, problems)
        : Array.from(prompt);
  const unknown = unknownId(ids, config.vocab_size);
  if (unknown !== undefined)
    problems.push({
      where: 'prompt',
      what: `holds ${unknownName(unknown, { ...tokenizer, rows: config.vocab_size })}`,
      fix: 'Remove it, or use the base model that was trained with it.',
    });
  if (ids.length >= window)
    problems.push({
      where: 'prompt',
      what: `has ${ids.length} tokens; the model reads at most ${window}, the answer included`,
      fix: 'Shorten it.',
    });
  if (ids.length === 0 && problems.length === 0)
    problems.push({ where: 'prompt', what: 'is empty' });
  return ids;
}

function isConversation(prompt: Exclude<TextPrompt, string>): prompt is readonly ChatMessage[] {
  return typeof prompt[0] === 'object';
}

function conversationIds(
  messages: readonly ChatMessage[],
  tokenizer: TextTokenizer,
  template: ChatTemplate | undefined,
  problems: Problem[],
): number[] {
  if (template === undefined) {
    problems.push({
      where: 'prompt',
      what: `is a conversation, but ${noTemplate(tokenizer).what}`,
      fix: 'Name one as chatTemplate, for example chatml or plain.',
    });
    return [];
  }
  try {
    return [...tokenizer.encode(template.render(messages, true), { special: false })];
  } catch (error) {
    problems.push({
      where: 'prompt',
      what: `the chat template (${template.name}) refuses it: ${reasonOf(error)}`,
      fix: 'Change the prompt, or choose another chat template.',
    });
    return [];
  }
}
