// How likely a model finds a text: the log-probabilities of its tokens, in one run over the whole text.

import type { LoraModule } from '../../adapters/lora.ts';
import { ConfigError } from '../../errors.ts';
import { Builder } from '../../graph/builder.ts';
import type { Graph } from '../../graph/graph.ts';
import { tokenLosses } from '../../losses/cross-entropy.ts';
import { decoder, headWeight } from '../../models/decoder.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { rotaryRows } from '../../nn/rotary.ts';
import { compile, type CompileOptions, type Program } from '../../runtime/program.ts';
import { tensor, type Tensor } from '../../tensor/tensor.ts';
import { adapterInputs, type Adaptation } from '../adaptation.ts';
import type { AdapterSize } from '../adapter.ts';
import { isOn, withAdapters } from './cached-model.ts';
import { names, rotations, sightKinds } from './step-graph.ts';

export interface TokenScores {
  /** Σ log p(idᵢ | all before it) over i ≥ from, in nats. exp(-sum / tokens.length) is the perplexity. */
  readonly sum: number;
  /** The addends, in order. */
  readonly tokens: Float32Array;
}

interface Loaded {
  readonly program: Program;
  readonly modules: readonly LoraModule[];
}

/** Positions whose logits exist at a time. */
const HEAD_ROWS = 64;

/** Scores texts. Programs are compiled when they are first needed, one for each of a few lengths; all map the same weights. */
export class TokenScorer {
  readonly #config: LanguageModelConfig;
  readonly #sizes: ReadonlyMap<string, AdapterSize>;
  readonly #options: CompileOptions;
  readonly #loaded = new Map<string, Promise<Loaded>>();

  constructor(config: LanguageModelConfig, sizes: ReadonlyMap<string, AdapterSize>, options: CompileOptions) {
    this.#config = config;
    this.#sizes = sizes;
    this.#options = options;
  }

  /** `from` ≥ 1: the first token has nothing before it. Throws ConfigError where `from` is not within `ids`, or an id is unknown. */
  async scoreTokens({ ids, from }: { readonly ids: ArrayLike<number>; readonly from: number }, adaptation?: Adaptation): Promise<TokenScores> {
    checkText(ids, from, this.#config.vocab_size);
    const hidden = await this.#hidden(ids, adaptation);
    const width = this.#config.hidden_size;
    const tokens = new Float32Array(ids.length - from);
    for (let at = from; at < ids.length; at += HEAD_ROWS) {
      const rows = Math.min(HEAD_ROWS, ids.length - at);
      const seen = hidden.subarray((at - 1) * width, (at - 1 + rows) * width); // token i is foreseen at i - 1
      tokens.set(await this.#likelihoods(seen, Array.from(ids).slice(at, at + rows), adaptation), at - from);
    }
    return { sum: tokens.reduce((sum, x) => sum + x, 0), tokens };
  }

  async release(): Promise<void> {
    const all = [...this.#loaded.values()];
    this.#loaded.clear();
    for (const loaded of all) await (await loaded).program.release();
  }

  /** Hidden states [L, C], L the length of the program; those behind the text mean nothing. */
  async #hidden(ids: ArrayLike<number>, adaptation: Adaptation | undefined): Promise<Float32Array> {
    const length = roomFor(ids.length);
    const padded = new Int32Array(length);
    padded.set(ids);
    const turns = sightKinds(this.#config).ropes.flatMap((rope, i): [string, Tensor][] => {
      const { cos, sin } = rotaryRows(rope, ids.length, 0, length);
      const shape = [1, length, rope.dims / 2];
      return [[names.cos(i), tensor('float32', shape, cos)], [names.sin(i), tensor('float32', shape, sin)]];
    });
    const inputs = { ids: tensor('int32', [1, length], padded), ...Object.fromEntries(turns) };
    return this.#run(`body ${length}`, () => bodyGraph(this.#config, length), inputs, adaptation, 'hidden');
  }

  async #likelihoods(hidden: Float32Array, labels: readonly number[], adaptation: Adaptation | undefined): Promise<Float32Array> {
    const rows = new Float32Array(HEAD_ROWS * this.#config.hidden_size);
    rows.set(hidden);
    const wanted = new Int32Array(HEAD_ROWS);
    wanted.set(labels);
    const inputs = { hidden: tensor('float32', [HEAD_ROWS, this.#config.hidden_size], rows), labels: tensor('int32', [HEAD_ROWS], wanted) };
    return (await this.#run('head', () => headGraph(this.#config), inputs, adaptation, 'likelihoods')).subarray(0, labels.length);
  }

  async #run(key: string, build: () => Graph, inputs: Record<string, Tensor>, adaptation: Adaptation | undefined, output: string): Promise<Float32Array> {
    const sizes = isOn(adaptation) ? this.#sizes : new Map<string, AdapterSize>();
    const kind = `${key} ${sizes.size}`;
    const loading = this.#loaded.get(kind) ?? this.#compile(build(), sizes);
    this.#loaded.set(kind, loading);
    const { program, modules } = await loading;
    const results = await program.run({ ...inputs, ...adapterInputs(modules, adaptation) });
    return results[output].data as Float32Array; // both programs give float32
  }

  async #compile(built: Graph, sizes: ReadonlyMap<string, AdapterSize>): Promise<Loaded> {
    const { graph, modules } = withAdapters(built, sizes);
    return { program: await compile(graph, this.#options), modules };
  }
}

/** `ids` [1, L] int32 and the rotations of their positions -> `hidden` [1, L, C]. */
function bodyGraph(config: LanguageModelConfig, length: number): Graph {
  const g = new Builder('score-body');
  g.output('hidden', decoder(g, config, { ids: g.input('ids', 'int32', [1, length]), rotation: rotations(g, config, length) }));
  return g.finish();
}

/** `hidden` [R, C] and `labels` [R] int32 -> `likelihoods` [R]: the logarithm of each label's probability. */
function headGraph(config: LanguageModelConfig): Graph {
  const { hidden_size, final_logit_softcapping: softcap } = config;
  const g = new Builder('score-head');
  const positions = g.constant(tensor('int32', [HEAD_ROWS], Int32Array.from({ length: HEAD_ROWS }, (_, i) => i)), 'rows');
  const [hidden, labels] = [g.input('hidden', 'float32', [HEAD_ROWS, hidden_size]), g.input('labels', 'int32', [HEAD_ROWS])];
  g.output('likelihoods', g.neg(tokenLosses(g, { hidden, weight: headWeight(g, config), softcap, positions, labels, adapted: true })));
  return g.finish();
}

/** 64, 96, 128, 192, 256 …: at most half as many again, and few programs. */
function roomFor(count: number): number {
  let size = 64;
  while (size < count) size *= 2;
  return size > 64 && 0.75 * size >= count ? 0.75 * size : size;
}

function checkText(ids: ArrayLike<number>, from: number, vocabulary: number): void {
  if (!(Number.isInteger(from) && from >= 1 && from < ids.length)) {
    throw new ConfigError([{ where: 'from', what: `is ${from}, not a position from 1 to ${ids.length - 1} of ${ids.length} tokens` }]);
  }
  const unknown = Array.from(ids).find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabulary));
  if (unknown !== undefined) throw new ConfigError([{ where: 'ids', what: `have the token ${unknown}; the model knows 0 to ${vocabulary - 1}` }]);
}
