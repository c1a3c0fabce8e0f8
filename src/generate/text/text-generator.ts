// Texts from prompts: a language model with its keys and values kept, a draw for each token, and
// the text as it comes.

import { InternalError } from '../../errors.ts';
import { adaptableLayers } from '../../adapters/layers.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { Weights } from '../../tensor/weights.ts';
import { cpuRuntime, type Runtime } from '../../runtime/runtime.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import { chunks } from '../../util/chunks.ts';
import { requireLayers, type Mix } from '../mix.ts';
import { CachedModel } from './cached-model.ts';
import { Draft, type EndReason } from './draft.ts';
import { TokenScorer, type ScoredText, type TokenScores } from './score.ts';
import { stepGraph } from './step-graph.ts';
import { mostTogether } from './answering-room.ts';
import { completeTextRequest, requestName, type TextRequest } from './text-request.ts';

export interface TextGeneratorOptions {
  /** What `loadLanguageModel` returns, or a configuration with weights in memory. */
  readonly model: { readonly config: LanguageModelConfig; readonly weights: Weights };
  readonly tokenizer: TextTokenizer;
  /** A chat template by name, or Jinja itself; default: the tokenizer's own. */
  readonly chatTemplate?: string;
  /** What a template with today's date in it takes for today; default: now, in UTC. */
  readonly templateDate?: string;
  /** Adapters for requests that bring none of their own. */
  readonly mix?: Mix;
  /** Default: the processor, with one thread for each core. */
  readonly runtime?: Runtime;
}

export type TextEvent =
  | {
      readonly type: 'token';
      readonly id: number;
      /**
       * Text that became certain with this token, often none: only whole characters, nothing that
       * may begin a stop string.
       */
      readonly text: string;
    }
  | {
      readonly type: 'done';
      /** All tokens of the events, with the one that ended the text. */
      readonly ids: readonly number[];
      /** All text of the events; without special tokens, without a stop string. */
      readonly text: string;
      readonly reason: EndReason;
    };

export type AdapterChoice = Pick<TextRequest, 'mix'>;
export type ScoreRequest = ScoredText & AdapterChoice;

export interface TextGenerator {
  /**
   * Writes one text. The same request gives the same tokens at one number of threads. One call at a
   * time, of all methods. Throws ConfigError with everything that is wrong with the request. Blocks
   * the thread while a token is computed.
   */
  generate(request: TextRequest): AsyncGenerator<TextEvent>;
  /** The text alone. */
  answer(request: TextRequest): Promise<string>;
  /**
   * The texts of several requests, written beside each other: a few times as fast as one after the
   * other, and the same but for the rounding of sums. The adapter is that of the second argument
   * for all.
   */
  answers(requests: readonly TextRequest[], adapter?: AdapterChoice): Promise<string[]>;
  /** Log-probabilities of the tokens from `from` on, each behind all tokens before it. */
  scoreTokens(request: ScoreRequest): Promise<TokenScores>;
  /** The same for several texts, read beside each other. */
  scores(texts: readonly ScoredText[], adapter?: AdapterChoice): Promise<TokenScores[]>;
  /** Texts that are written or read beside each other: longer lists are divided. */
  readonly together: number;
  release(): Promise<void>;
}

/**
 * Loads nothing yet: programs are compiled when they are first needed. Throws ConfigError for a
 * chat template that is unknown.
 */
export function createTextGenerator(options: TextGeneratorOptions): TextGenerator {
  return new Generator(options);
}

class Generator implements TextGenerator {
  readonly together: number;
  readonly #options: TextGeneratorOptions;
  readonly #runtime: Runtime;
  readonly #template: ChatTemplate | undefined;
  /** Of its layers that can carry an adapter, once they are needed. */
  #paths: ReadonlySet<string> | undefined;
  readonly #scorer: TokenScorer;
  #model: CachedModel | undefined;

  constructor(options: TextGeneratorOptions) {
    const {
      model: { config, weights },
      runtime = cpuRuntime(),
    } = options;
    this.#options = options;
    this.#runtime = runtime;
    this.#template = chatTemplate(options.tokenizer, options.chatTemplate, {
      date: options.templateDate,
    });
    this.#scorer = new TokenScorer(config, { runtime, weights });
    this.together = mostTogether(config);
  }

  async *generate(request: TextRequest): AsyncGenerator<TextEvent> {
    const [draft, mix] = [this.#draft(request), this.#mixOf(request)];
    const model = await this.#modelOf(1);
    model.reset([requestName(request)]);
    const ids: number[] = [];
    while (true) {
      const { id, text, ended } = draft.write(await model.feed(draft.next, mix));
      ids.push(id);
      yield { type: 'token', id, text };
      if (ended !== undefined) return yield { type: 'done', ids, text: draft.text, reason: ended };
    }
  }

  async answer(request: TextRequest): Promise<string> {
    for await (const event of this.generate(request)) if (event.type === 'done') return event.text;
    throw new InternalError('a text never ended');
  }

  async answers(requests: readonly TextRequest[], adapter: AdapterChoice = {}): Promise<string[]> {
    const drafts = requests.map((request) => this.#draft(request));
    const named = drafts.map((draft, i) => ({ draft, name: requestName(requests[i]) }));
    for (const group of chunks(named, this.together))
      await this.#write(group, this.#mixOf(adapter));
    return drafts.map(({ text }) => text);
  }

  async scoreTokens(request: ScoreRequest): Promise<TokenScores> {
    const [scores] = await this.#scorer.score(
      await this.#modelOf(1),
      [request],
      this.#mixOf(request),
    );
    return scores;
  }

  async scores(texts: readonly ScoredText[], adapter: AdapterChoice = {}): Promise<TokenScores[]> {
    const all: TokenScores[] = [];
    for (const group of chunks(texts, this.together))
      all.push(
        ...(await this.#scorer.score(
          await this.#modelFor(group.length),
          group,
          this.#mixOf(adapter),
        )),
      );
    return all;
  }

  async release(): Promise<void> {
    await this.#model?.release();
    this.#model = undefined;
    await this.#scorer.release();
  }

  #draft(request: TextRequest): Draft {
    const {
      tokenizer,
      model: { config },
    } = this.#options;
    return new Draft(
      completeTextRequest(request, { tokenizer, template: this.#template, config }),
      tokenizer.stream(),
    );
  }

  async #write(
    group: readonly { readonly draft: Draft; readonly name: string }[],
    mix: Mix,
  ): Promise<void> {
    const model = await this.#modelFor(group.length);
    const drafts = group.map(({ draft }) => draft);
    model.reset(group.map(({ name }) => name));
    while (drafts.some(({ next }) => next.length > 0)) {
      const open = drafts.map(({ next }) => next.length > 0);
      const logits = await model.feedRows(
        drafts.map(({ next }) => next),
        mix,
      );
      for (const [row, draft] of drafts.entries()) if (open[row]) draft.write(logits[row]);
    }
  }

  /** With room for `count` texts or more: the last of many groups has fewer. */
  async #modelFor(count: number): Promise<CachedModel> {
    const rows = Math.min(this.together, 2 ** Math.ceil(Math.log2(count)));
    return this.#model !== undefined && this.#model.rows >= rows
      ? this.#model
      : this.#modelOf(rows);
  }

  /** One at a time: another number of texts takes other programs. */
  async #modelOf(rows: number): Promise<CachedModel> {
    if (this.#model?.rows === rows) return this.#model;
    const { config, weights } = this.#options.model;
    await this.#model?.release();
    return (this.#model = new CachedModel(config, {
      runtime: this.#runtime,
      weights,
      rows,
    }));
  }

  #mixOf({ mix = this.#options.mix ?? [] }: AdapterChoice): Mix {
    if (mix.length === 0) return mix;
    this.#paths ??= layersOf(this.#options.model.config);
    requireLayers(this.#paths, mix);
    return mix;
  }
}

const layersOf = (config: LanguageModelConfig): ReadonlySet<string> =>
  new Set(adaptableLayers(stepGraph(config, { tokens: 1, capacity: 1 })).map(({ path }) => path));
