// Texts from prompts: a language model with its keys and values kept, a draw for each token, and the text as it comes.

import { InternalError } from '../../errors.ts';
import { adaptableLayers } from '../../adapters/lora.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { Weights } from '../../runtime/lowering.ts';
import { chatTemplate, type ChatTemplate } from '../../tokenizer/chat.ts';
import type { TextTokenizer } from '../../tokenizer/text.ts';
import type { Adaptation } from '../adaptation.ts';
import type { AdapterSize, AdapterWeights } from '../adapter.ts';
import { CachedModel } from './cached-model.ts';
import { holdText } from './held-text.ts';
import { nextToken } from './sampling.ts';
import { TokenScorer, type TokenScores } from './score.ts';
import { stepGraph } from './step-graph.ts';
import { completeTextRequest, type CompleteTextRequest, type TextRequest } from './text-request.ts';

export interface TextGeneratorOptions {
  /** What `loadLanguageModel` returns, or a configuration with weights in memory. */
  readonly model: { readonly config: LanguageModelConfig; readonly weights: Weights };
  readonly tokenizer: TextTokenizer;
  /** A chat template by name, or Jinja itself; default: the tokenizer's own. */
  readonly chatTemplate?: string;
  /** Layers that have an adapter: the modules of a training graph. */
  readonly modules?: readonly AdapterSize[];
  /** For requests that bring none of their own. */
  readonly loraWeights?: AdapterWeights;
  readonly threads?: number;
}

export type TextEvent =
  | {
      readonly type: 'token';
      readonly id: number;
      /** Text that became certain with this token, often none: only whole characters, nothing that may begin a stop string. */
      readonly text: string;
    }
  | {
      readonly type: 'done';
      /** All tokens of the events, with the one that ended the text. */
      readonly ids: readonly number[];
      /** All text of the events; without marks of the model, without a stop string. */
      readonly text: string;
      /** A token that ends texts; a stop string; maxNewTokens, or the end of what the model can read. */
      readonly reason: 'end' | 'stop' | 'length';
    };

export interface ScoreRequest {
  readonly ids: ArrayLike<number>;
  /** The first token that counts; at least 1. */
  readonly from: number;
  readonly loraWeights?: AdapterWeights;
  /** Strength of the adapter; 0 is without it. Default 1. */
  readonly multiplier?: number;
}

export interface TextGenerator {
  /**
   * Writes one text. The same request gives the same tokens at one number of threads. One call at a time, of all methods.
   * Throws ConfigError with everything that is wrong with the request. Blocks the thread while a token is computed.
   */
  generate(request: TextRequest): AsyncGenerator<TextEvent>;
  /** The text alone. */
  answer(request: TextRequest): Promise<string>;
  /** Log-probabilities of the tokens from `from` on, each behind all tokens before it. */
  scoreTokens(request: ScoreRequest): Promise<TokenScores>;
  release(): Promise<void>;
}

/** Loads nothing yet: programs are compiled when they are first needed. Throws ConfigError for a chat template that is unknown. */
export function createTextGenerator(options: TextGeneratorOptions): TextGenerator {
  return new Generator(options);
}

/** Why the text ends with a token, where it does. */
interface Written {
  readonly id: number;
  readonly text: string;
  readonly ended?: 'end' | 'stop' | 'length';
}

class Generator implements TextGenerator {
  readonly #options: TextGeneratorOptions;
  readonly #template: ChatTemplate | undefined;
  readonly #model: CachedModel;
  readonly #scorer: TokenScorer;

  constructor(options: TextGeneratorOptions) {
    const { model: { config, weights }, modules = [], threads } = options;
    const sizes = new Map(modules.map((module) => [module.path, module]));
    checkAdapter(config, sizes);
    this.#options = options;
    this.#template = chatTemplate(options.tokenizer, options.chatTemplate);
    this.#model = new CachedModel(config, sizes, { weights, threads });
    this.#scorer = new TokenScorer(config, sizes, { weights, threads });
  }

  async *generate(request: TextRequest): AsyncGenerator<TextEvent> {
    const { tokenizer, model: { config } } = this.#options;
    const complete = completeTextRequest(request, { tokenizer, template: this.#template, config });
    const [ids, texts]: [number[], string[]] = [[], []];
    let reason: NonNullable<Written['ended']> = 'length';
    for await (const { id, text, ended } of this.#tokens(complete, this.#adaptationOf(request))) {
      ids.push(id);
      texts.push(text);
      reason = ended ?? reason;
      yield { type: 'token', id, text };
    }
    yield { type: 'done', ids, text: texts.join(''), reason };
  }

  async answer(request: TextRequest): Promise<string> {
    for await (const event of this.generate(request)) if (event.type === 'done') return event.text;
    throw new InternalError('a text never ended');
  }

  scoreTokens(request: ScoreRequest): Promise<TokenScores> {
    return this.#scorer.scoreTokens(request, this.#adaptationOf(request));
  }

  async release(): Promise<void> {
    await this.#model.release();
    await this.#scorer.release();
  }

  /** Tokens with the text that each makes certain; the last with all that was held back, and why it is the last. */
  async *#tokens({ ids, maxNewTokens, sampling, seed, stop, endIds }: CompleteTextRequest, adaptation: Adaptation): AsyncGenerator<Written> {
    const [stream, held, all] = [this.#options.tokenizer.stream(), holdText(stop), [...ids]];
    this.#model.reset();
    for (let i = 0, next: readonly number[] = ids; i < maxNewTokens; i++) {
      const id = nextToken(await this.#model.feed(next, adaptation), all, sampling, seed, i);
      next = [id];
      all.push(id);
      const isEnd = endIds.has(id);
      const { text, stopped } = held.push(isEnd ? '' : stream.push(id));
      if (stopped) return yield { id, text, ended: 'stop' };
      if (!isEnd && i + 1 < maxNewTokens) yield { id, text };
      else {
        const rest = held.push(stream.end());
        const last = rest.stopped ? 'stop' : isEnd ? 'end' : 'length';
        return yield { id, text: text + rest.text + held.end(), ended: last };
      }
    }
  }

  #adaptationOf({ loraWeights = this.#options.loraWeights, multiplier = 1 }: Pick<TextRequest, 'loraWeights' | 'multiplier'>): Adaptation {
    return { weights: loraWeights, multiplier };
  }
}

/** Throws InternalError when an adapter belongs to no layer of the model. */
function checkAdapter(config: LanguageModelConfig, sizes: ReadonlyMap<string, AdapterSize>): void {
  if (sizes.size === 0) return;
  const known = new Set(adaptableLayers(stepGraph(config, { tokens: 1, capacity: 1 })).map(({ path }) => path));
  const unknown = [...sizes.keys()].filter((path) => !known.has(path));
  if (unknown.length > 0) throw new InternalError(`the model has no layers ${unknown.join(', ')}`);
}
