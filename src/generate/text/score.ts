// How likely a model finds a text: the log-probabilities of its tokens.

import type { LoraModule } from '../../adapters/lora-module.ts';
import { requireSoundOutput } from '../../checkpoints/unsound.ts';
import { ConfigError } from '../../errors.ts';
import { Builder } from '../../graph/builder.ts';
import type { Graph } from '../../graph/graph.ts';
import { tokenLosses } from '../../losses/cross-entropy.ts';
import { headWeight } from '../../models/decoder.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import type { CompileOptions, Program } from '../../runtime/program.ts';
import type { Programs } from '../../runtime/program-cache.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { tensor } from '../../tensor/tensor.ts';
import { unknownId } from '../../tokenizer/unknown-id.ts';
import { isOn, type Mix } from '../mix.ts';
import { Slots } from '../slots.ts';
import { languageStage, type CachedModel } from './cached-model.ts';

export interface ScoredText {
  readonly ids: ArrayLike<number>;
  /** The first token that counts; at least 1. */
  readonly from: number;
  /** What messages call it. */
  readonly name?: string;
}

export interface TokenScores {
  /**
   * Σ log p(idᵢ | all before it) over i ≥ from, in nats. exp(-sum / tokens.length) is the
   * perplexity.
   */
  readonly sum: number;
  /** The addends, in order. */
  readonly tokens: Float32Array;
}

export interface ScorerOptions extends CompileOptions {
  readonly runtime: Runtime;
}

/** A program, and the adapters that it takes weights for. */
interface Loaded extends Program {
  readonly modules: readonly LoraModule[];
}

/** Positions whose logits exist at a time. */
const HEAD_ROWS = 64;

/**
 * Scores texts with the hidden states of a model that reads them. The output head is compiled when
 * it is first needed.
 */
export class TokenScorer {
  readonly #config: LanguageModelConfig;
  readonly #slots: Slots;
  readonly #options: ScorerOptions;
  readonly #programs: Programs<Loaded>;
  /** How often the adapters' rows have become more. */
  #grown = 0;

  constructor(config: LanguageModelConfig, options: ScorerOptions) {
    this.#config = config;
    this.#slots = new Slots(headGraph(config));
    this.#options = options;
    this.#programs = options.runtime.programs(2);
  }

  /**
   * At most as many texts as the model has rows; it has read them then. Throws ConfigError where
   * `from` is not within `ids`, or an id is unknown, CheckpointError for numbers that are not
   * finite.
   */
  async score(
    model: CachedModel,
    texts: readonly ScoredText[],
    mix: Mix = [],
  ): Promise<TokenScores[]> {
    for (const { ids, from } of texts) checkText(ids, from, this.#config.vocab_size);
    const hidden = await this.#hidden(model, texts, mix);
    const scores: TokenScores[] = [];
    for (const [row, { ids, from, name = `text ${row + 1}` }] of texts.entries()) {
      const tokens = await this.#likelihoods(hidden[row], Array.from(ids).slice(from), mix);
      requireSoundOutput(
        { name: 'likelihoods', tensor: { dtype: 'float32', data: tokens }, sample: name },
        languageStage(this.#options.weights, mix),
      );
      scores.push({ sum: tokens.reduce((sum, x) => sum + x, 0), tokens });
    }
    return scores;
  }

  release(): Promise<void> {
    return this.#programs.release();
  }

  /**
   * For each text the states [n, C] from the token on behind which the first one that counts is
   * predicted.
   */
  async #hidden(
    model: CachedModel,
    texts: readonly ScoredText[],
    mix: Mix,
  ): Promise<Float32Array[]> {
    const width = this.#config.hidden_size;
    const all = texts.map(({ ids }) => ({
      states: new Float32Array(ids.length * width),
      count: 0,
    }));
    model.reset(texts.map(({ name }, row) => name ?? `text ${row + 1}`));
    await model.feedRows(
      texts.map(({ ids }) => Array.from(ids)),
      mix,
      (row, states) => {
        all[row].states.set(states, all[row].count);
        all[row].count += states.length;
      },
    );
    return all.map(({ states }, row) => states.subarray((texts[row].from - 1) * width));
  }

  async #likelihoods(
    hidden: Float32Array,
    labels: readonly number[],
    mix: Mix,
  ): Promise<Float32Array> {
    const width = this.#config.hidden_size;
    this.#slots.forget();
    const program = await this.#load(mix);
    const found = new Float32Array(labels.length);
    for (let at = 0; at < labels.length; at += HEAD_ROWS) {
      const rows = new Float32Array(HEAD_ROWS * width);
      rows.set(hidden.subarray(at * width, (at + HEAD_ROWS) * width));
      const wanted = Int32Array.from({ length: HEAD_ROWS }, (_, i) => labels[at + i] ?? 0);
      const inputs = {
        hidden: tensor('float32', [HEAD_ROWS, width], rows),
        labels: tensor('int32', [HEAD_ROWS], wanted),
      };
      const { likelihoods } = await program.run({
        ...inputs,
        ...this.#slots.inputs(program.modules, mix),
      });
      // the head gives float32
      found.set((likelihoods.data as Float32Array).subarray(0, labels.length - at), at);
    }
    return found;
  }

  /** Without adapters where they would add nothing to the head. */
  #load(mix: Mix): Promise<Loaded> {
    if (this.#slots.grow([mix])) this.#grown++;
    return this.#slots.isEmpty || !mix.some(isOn)
      ? this.#programs.get('base', () => this.#compile())
      : this.#programs.get(`mix ${this.#grown}`, () => this.#compile(this.#slots));
  }

  async #compile(slots?: Slots): Promise<Loaded> {
    const { runtime, ...options } = this.#options;
    const graph = headGraph(this.#config);
    const { modules, graph: adapted } = slots?.apply(graph) ?? { graph, modules: [] };
    return { ...(await runtime.compile(adapted, options)), modules };
  }
}

/**
 * `hidden` [R, C] and `labels` [R] int32 -> `likelihoods` [R]: the logarithm of each label's
 * probability.
 */
export function headGraph(config: LanguageModelConfig): Graph {
  const { hidden_size, final_logit_softcapping: softcap } = config;
  const g = new Builder('score-head');
  const positions = g.constant(
    tensor(
      'int32',
      [HEAD_ROWS],
      Int32Array.from({ length: HEAD_ROWS }, (_, i) => i),
    ),
    'rows',
  );
  const [hidden, labels] = [
    g.input('hidden', 'float32', [HEAD_ROWS, hidden_size]),
    g.input('labels', 'int32', [HEAD_ROWS]),
  ];
  g.output(
    'likelihoods',
    g.neg(
      tokenLosses(g, {
        hidden,
        weight: headWeight(g, config),
        softcap,
        positions,
        labels,
        head: 'adapted',
      }),
    ),
  );
  return g.finish();
}

function checkText(ids: ArrayLike<number>, from: number, vocabulary: number): void {
  if (!(Number.isInteger(from) && from >= 1 && from < ids.length)) {
    throw new ConfigError([
      {
        where: 'from',
        what: `is ${from}, not a position from 1 to ${ids.length - 1} of ${ids.length} tokens`,
      },
    ]);
  }
  const unknown = unknownId(Array.from(ids), vocabulary);
  if (unknown !== undefined)
    throw new ConfigError([
      { where: 'ids', what: `have the token ${unknown}; the model knows 0 to ${vocabulary - 1}` },
    ]);
}
