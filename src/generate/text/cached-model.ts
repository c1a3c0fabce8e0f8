// A language model that remembers: each token's keys and values are computed once and kept, of one
// text or of several at a time.

import type { LoraModule } from '../../adapters/lora-module.ts';
import { requireSoundOutput } from '../../checkpoints/unsound.ts';
import { InternalError } from '../../errors.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { rotaryRows, type Rope } from '../../nn/rotary.ts';
import type { Workload } from '../../runtime/backend.ts';
import type { CompileOptions, Program } from '../../runtime/program.ts';
import type { Programs } from '../../runtime/program-cache.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Weights } from '../../tensor/weights.ts';
import { int32, tensor, type Tensor } from '../../tensor/tensor.ts';
import { HIDDEN } from '../../graph/hidden.ts';
import { isOn, type Mix } from '../mix.ts';
import { mixWeights, Slots } from '../slots.ts';
import { keyWidth, names, sightKinds, stepGraph, type SightKinds } from './step-graph.ts';

/**
 * A token at a time: with memory spent on speed it takes a half or a third of the time where
 * weights are of half precision.
 */
export const answering: Workload = { runs: 'short', spare: 2 ** 30 };

/** Tokens of each of so many texts that may go through the model at once, beside one. */
export const usualChunks = (rows: number): readonly number[] => (rows === 1 ? [256, 64] : [64]);

export interface CachedModelOptions extends CompileOptions {
  readonly runtime: Runtime;
  /**
   * Texts that grow beside each other: reading the weights is most of the cost of a token, and
   * serves them all. Default 1.
   */
  readonly rows?: number;
  /**
   * Tokens of each text that may go through the model at once, beside one. Default: `usualChunks`.
   */
  readonly chunks?: readonly number[];
  /**
   * Tokens there is room for at first; doubled whenever they are too few. Default 256; for several
   * texts 128.
   */
  readonly capacity?: number;
  /** Default: `answering`. */
  readonly workload?: Workload;
}

/**
 * Given the hidden states [n, C] of the tokens that a text has got, in order; they may come in
 * several parts.
 */
export type Seen = (row: number, hidden: Float32Array) => void;

/**
 * The attention of more scores than this is computed in several blocks, for which the graph of a
 * chunk would not be that of one token.
 */
const MOST_SCORES = 2 ** 24;

interface Loaded extends Program {
  readonly modules: readonly LoraModule[];
  /** Tokens that may go through it at once. */
  readonly chunks: readonly number[];
}

/** What a text has, and how long it will be when all its new tokens are read. */
interface Text {
  ids: number[];
  total: number;
}

/**
 * Texts that grow. Programs are compiled when they are first needed, one without adapters and one
 * with them; both map the same weights. When the room grows they are compiled again.
 */
export class CachedModel {
  readonly #config: LanguageModelConfig;
  readonly #options: CachedModelOptions;
  readonly #slots: Slots;
  readonly #kinds: SightKinds;
  readonly #programs: Programs<Loaded>;
  readonly #texts: Text[];
  #names: readonly string[] = [];
  /** How often the adapters' rows have become more. */
  #grown = 0;
  #capacity: number;
  /** Keys and values of each layer, [rows, capacity, kvHeads · d]. */
  #kept: Float32Array[];

  constructor(config: LanguageModelConfig, options: CachedModelOptions) {
    const { rows = 1, capacity = rows === 1 ? 256 : 128 } = options;
    this.#config = config;
    this.#slots = new Slots(stepGraph(config, { tokens: 1, capacity: 1 }));
    this.#options = options;
    this.#programs = options.runtime.programs(2);
    this.#kinds = sightKinds(config);
    this.#texts = Array.from({ length: rows }, () => ({ ids: [], total: 0 }));
    this.#capacity = capacity;
    this.#kept = this.#emptyCaches(capacity);
  }

  get rows(): number {
    return this.#texts.length;
  }

  /**
   * Forgets all texts; the room stays. `names`: what messages call the next ones. Adapters may have
   * changed since.
   */
  reset(names: readonly string[] = []): void {
    this.#names = names;
    this.#slots.forget();
    for (const text of this.#texts) text.ids = [];
  }

  /** `feedRows` for the first text. */
  async feed(ids: readonly number[], mix: Mix = []): Promise<Float32Array> {
    return (await this.feedRows([ids], mix))[0];
  }

  /**
   * Appends tokens to each text, to some none -> the logits [V] of what comes after the last of
   * each; of a text that got none, none. Until the next `reset` the mix must stay the same.
   * Throws CheckpointError for numbers that are not finite.
   */
  async feedRows(
    parts: readonly (readonly number[])[],
    mix: Mix = [],
    seen?: Seen,
  ): Promise<Float32Array[]> {
    if (parts.length > this.rows)
      throw new InternalError(`tokens of ${parts.length} texts for a model of ${this.rows}`);
    const fed = this.#texts.map((_, row) => this.#begun(row, parts[row] ?? []));
    const longest = Math.max(...fed.map(({ length }) => length));
    await this.#makeRoom(Math.max(...this.#texts.map(({ total }) => total)));
    const loaded = await this.#load(mix);
    const logits = fed.map((): Float32Array => new Float32Array());
    for (let at = 0, tokens = 0; at < longest; at += tokens) {
      tokens = cheapest(loaded.chunks, longest - at, this.rows);
      const step = fed.map((ids) => ids.slice(at, at + tokens));
      const results = await this.#step(loaded, step, tokens, mix);
      step.forEach(({ length }, row) => {
        if (length === 0) return;
        logits[row] = part(results.logits, this.rows, row);
        this.#requireSound('logits', logits[row], row, mix);
        if (seen === undefined) return;
        const states = part(results.hidden, this.rows, row);
        const own = states.subarray(0, length * this.#config.hidden_size);
        this.#requireSound('hidden', own, row, mix);
        seen(row, own);
      });
    }
    return logits;
  }

  #requireSound(name: string, data: Float32Array, row: number, mix: Mix): void {
    const sample = this.#names[row] ?? `text ${row + 1}`;
    requireSoundOutput(
      { name, tensor: { dtype: 'float32', data }, sample },
      languageStage(this.#options.weights, mix),
    );
  }

  async release(): Promise<void> {
    await this.#programs.release();
    await this.#options.runtime.trim();
  }

  /** The tokens that a text must read: the new ones, or all where its frequencies change. */
  #begun(row: number, ids: readonly number[]): readonly number[] {
    const text = this.#texts[row];
    text.total = text.ids.length + ids.length;
    if (
      text.ids.length === 0 ||
      !this.#kinds.ropes.some((rope) => switchesBetween(rope, text.ids.length, text.total))
    )
      return ids;
    const all = [...text.ids, ...ids];
    text.ids = [];
    return all;
  }

  /** The next tokens of each text, padded to `tokens`. */
  async #step(
    { run, modules }: Loaded,
    step: readonly (readonly number[])[],
    tokens: number,
    mix: Mix,
  ): Promise<Readonly<Record<string, Tensor>>> {
    const given = {
      ...this.#tokenInputs(step, tokens),
      ...this.#sightInputs(tokens),
      ...this.#cacheInputs(),
    };
    const results = await run({ ...given, ...this.#slots.inputs(modules, mix) });
    this.#keep(results, step, tokens);
    step.forEach((ids, row) => this.#texts[row].ids.push(...ids));
    return results;
  }

  #tokenInputs(step: readonly (readonly number[])[], tokens: number): Record<string, Tensor> {
    const ids = new Int32Array(this.rows * tokens);
    step.forEach((part, row) => ids.set(part, row * tokens));
    const last = step.map(({ length }, row) => row * tokens + Math.max(0, length - 1));
    return { ids: tensor('int32', [this.rows, tokens], ids), last: int32([this.rows], last) };
  }

  #sightInputs(tokens: number): Record<string, Tensor> {
    const counts = this.#texts.map(({ ids }) => ids.length);
    const turns = this.#kinds.ropes.flatMap((rope, i): [string, Tensor][] => {
      const tables = this.#texts.map(({ ids, total }) =>
        rotaryRows(rope, Math.max(1, total), ids.length, tokens),
      );
      const shape = [this.rows, tokens, rope.dims / 2];
      return [
        [names.cos(i), tensor('float32', shape, joined(tables.map(({ cos }) => cos)))],
        [names.sin(i), tensor('float32', shape, joined(tables.map(({ sin }) => sin)))],
      ];
    });
    const masks = this.#kinds.windows.map((window, i): [string, Tensor] => [
      names.mask(i),
      stepMask(tokens, this.#capacity, counts, window),
    ]);
    return Object.fromEntries([...turns, ...masks]);
  }

  #cacheInputs(): Record<string, Tensor> {
    const shape = [this.rows, this.#capacity, keyWidth(this.#config)];
    return Object.fromEntries(
      this.#cacheNames(names.keys, names.values).map((name, i) => [
        name,
        tensor('float32', shape, this.#kept[i]),
      ]),
    );
  }

  /** Copies the new tokens' keys and values behind those kept; those of padding are left. */
  #keep(
    results: Readonly<Record<string, Tensor>>,
    step: readonly (readonly number[])[],
    tokens: number,
  ): void {
    const width = keyWidth(this.#config);
    this.#cacheNames(names.newKeys, names.newValues).forEach((name, i) => {
      const fresh = floats(results[name]);
      step.forEach(({ length }, row) => {
        const at = (row * this.#capacity + this.#texts[row].ids.length) * width;
        this.#kept[i].set(
          fresh.subarray(row * tokens * width, (row * tokens + length) * width),
          at,
        );
      });
    });
  }

  #cacheNames(keys: (layer: number) => string, values: (layer: number) => string): string[] {
    return this.#config.layers.flatMap((_, layer) => [keys(layer), values(layer)]);
  }

  async #makeRoom(total: number): Promise<void> {
    if (total <= this.#capacity) return;
    const [old, before] = [this.#kept, this.#capacity];
    while (this.#capacity < total) this.#capacity *= 2;
    this.#kept = this.#emptyCaches(this.#capacity);
    old.forEach((kept, i) =>
      this.#texts.forEach((_, row) =>
        this.#kept[i].set(
          part(kept, this.rows, row),
          (row * this.#capacity * kept.length) / (this.rows * before),
        ),
      ),
    );
    await this.#programs.release();
  }

  #emptyCaches(capacity: number): Float32Array[] {
    return Array.from(
      { length: 2 * this.#config.layers.length },
      () => new Float32Array(this.rows * capacity * keyWidth(this.#config)),
    );
  }

  /** Without its adapters where they would add nothing. */
  #load(mix: Mix): Promise<Loaded> {
    if (!mix.some(isOn)) return this.#programs.get('base', () => this.#compile());
    if (this.#slots.grow([mix])) this.#grown++;
    return this.#programs.get(`mix ${this.#grown}`, () => this.#compile(this.#slots));
  }

  async #compile(slots?: Slots): Promise<Loaded> {
    const [rows, capacity] = [this.rows, this.#capacity];
    const {
      runtime,
      chunks: wanted = usualChunks(rows),
      weights,
      workload = answering,
    } = this.#options;
    const { heads } = this.#config.layer.attention;
    const chunks = [
      ...wanted.filter((tokens) => rows * tokens * heads * (capacity + tokens) <= MOST_SCORES),
      1,
    ];
    const graphs = chunks.map((tokens) => stepGraph(this.#config, { rows, tokens, capacity }));
    const adapted = graphs.map((graph) => slots?.apply(graph) ?? { graph, modules: [] });
    const program = await runtime.compileShared(
      adapted.map(({ graph }) => graph),
      { weights, workload },
    );
    return { ...program, modules: adapted[0].modules, chunks };
  }
}

/** A language model as messages name it, with the adapter where that changes anything. */
export const languageStage = (weights: Weights, mix: Mix) => ({
  name: 'language model',
  weights,
  adapter: mix.some(isOn) ? mixWeights(mix) : undefined,
});

/**
 * A run costs as much as this many tokens, and those that go through it: measured, most of it is
 * reading the weights.
 */
const RUN_COST = 16;

/** The chunk that costs least for each of `count` tokens that it can take. */
function cheapest(chunks: readonly number[], count: number, rows: number): number {
  const cost = (tokens: number) => (RUN_COST + rows * tokens) / Math.min(tokens, count);
  return chunks.reduce((best, tokens) => (cost(tokens) < cost(best) ? tokens : best));
}

/**
 * [rows, 1, tokens, capacity + tokens]: row i of a text is token count + i; columns are the kept
 * tokens, room, and the new tokens.
 */
function stepMask(
  tokens: number,
  capacity: number,
  counts: readonly number[],
  window = Infinity,
): Tensor {
  const width = capacity + tokens;
  const data = new Float32Array(counts.length * tokens * width).fill(HIDDEN);
  counts.forEach((count, row) => {
    for (let i = 0; i < tokens; i++) {
      const at = (row * tokens + i) * width;
      const first = Math.max(0, count + i - window + 1); // the first token in sight
      data.fill(0, at + Math.min(first, count), at + count);
      data.fill(0, at + capacity + Math.max(0, first - count), at + capacity + i + 1);
    }
  });
  return tensor('float32', [counts.length, 1, tokens, width], data);
}

/**
 * Whether what is kept of `before` tokens is wrong for a text of `after`: LongRoPE has other
 * frequencies for long texts. (Those of "dynamic" change with every token; there each token keeps
 * the frequencies of the length at which it came, as in transformers.)
 */
function switchesBetween({ scaling }: Rope, before: number, after: number): boolean {
  return (
    scaling.rope_type === 'longrope' &&
    before <= scaling.original_max_position_embeddings &&
    after > scaling.original_max_position_embeddings
  );
}

function floats({ data }: Tensor): Float32Array {
  return data as Float32Array; // the outputs of a step are float32
}

/** The part of text `row` of an array that has one for each of `rows`. */
function part(of: Tensor | Float32Array, rows: number, row: number): Float32Array {
  const data = of instanceof Float32Array ? of : floats(of);
  return data.subarray((row * data.length) / rows, ((row + 1) * data.length) / rows);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0];
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
