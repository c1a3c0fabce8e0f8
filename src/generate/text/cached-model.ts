// A language model that remembers: each token's keys and values are computed once and kept.

import { applyLora, type LoraModule } from '../../adapters/lora.ts';
import type { Graph } from '../../graph/graph.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { rotaryRows, type Rope } from '../../nn/rotary.ts';
import { compileShared, type CompileOptions, type Program } from '../../runtime/program.ts';
import { int32, tensor, type Tensor } from '../../tensor/tensor.ts';
import { adapterInputs, MULTIPLIER, type Adaptation } from '../adaptation.ts';
import type { AdapterSize } from '../adapter.ts';
import { splitWeights, type SplitWeights } from './float32-copies.ts';
import { keyWidth, names, sightKinds, stepGraph, type SightKinds } from './step-graph.ts';

export interface CachedModelOptions extends CompileOptions {
  /** Tokens that may go through the model at once, beside one. Default 256 and 64. */
  readonly chunks?: readonly number[];
  /** Tokens there is room for at first; doubled whenever they are too few. Default 256. */
  readonly capacity?: number;
  /**
   * Half-precision weights are held as float32 too, 4 bytes each, where that takes at most so many bytes; a token then takes a half
   * or a third of the time. Default 1 GiB.
   */
  readonly mostCopies?: number;
}

/** Exp of it is 0, and it stays finite when two are added. */
const HIDDEN = -1e9;
/** The attention of more scores than this is computed in several blocks, for which the graph of a chunk would not be that of one token. */
const MOST_SCORES = 2 ** 24;

interface Loaded {
  readonly program: Program;
  readonly modules: readonly LoraModule[];
  /** Tokens that may go through it at once. */
  readonly chunks: readonly number[];
  readonly copies: SplitWeights['copies'];
}

/** One text that grows. Programs are compiled when they are first needed, one for each capacity; all map the same weights. */
export class CachedModel {
  readonly #config: LanguageModelConfig;
  readonly #options: CachedModelOptions;
  readonly #sizes: ReadonlyMap<string, AdapterSize>;
  readonly #kinds: SightKinds;
  readonly #loaded = new Map<string, Promise<Loaded>>();
  #split: SplitWeights | undefined;
  #capacity: number;
  #ids: number[] = [];
  /** Keys and values of each layer, [capacity, kvHeads · d]. */
  #kept: Float32Array[];

  constructor(config: LanguageModelConfig, sizes: ReadonlyMap<string, AdapterSize>, options: CachedModelOptions) {
    this.#config = config;
    this.#sizes = sizes;
    this.#options = options;
    this.#kinds = sightKinds(config);
    this.#capacity = options.capacity ?? 256;
    this.#kept = this.#emptyCaches(this.#capacity);
  }

  /** Forgets the text; the room stays. */
  reset(): void {
    this.#ids = [];
  }

  /**
   * Appends tokens to the text -> the logits [V] of what comes after the last. Until the next `reset` the adaptation must
   * stay the same.
   */
  async feed(ids: readonly number[], adaptation?: Adaptation): Promise<Float32Array> {
    const total = this.#ids.length + ids.length;
    if (this.#ids.length > 0 && this.#kinds.ropes.some((rope) => switchesBetween(rope, this.#ids.length, total))) return this.#anew(ids, adaptation);
    this.#makeRoom(total);
    const loaded = await this.#load(isOn(adaptation));
    let logits: Float32Array = new Float32Array();
    for (let at = 0; at < ids.length; ) {
      const tokens = cheapest(loaded.chunks, ids.length - at);
      const part = ids.slice(at, at + tokens);
      logits = await this.#step(loaded, part, { tokens, total }, adaptation);
      at += part.length;
    }
    return logits;
  }

  async release(): Promise<void> {
    const all = [...this.#loaded.values()];
    this.#loaded.clear();
    this.#split = undefined;
    for (const loaded of all) await (await loaded).program.release();
  }

  /** The whole text again: its frequencies have changed. */
  async #anew(ids: readonly number[], adaptation: Adaptation | undefined): Promise<Float32Array> {
    const all = [...this.#ids, ...ids];
    this.reset();
    return this.feed(all, adaptation);
  }

  /** `ids` filled up to `tokens`; the text will have `total`. */
  async #step({ program, modules, copies }: Loaded, ids: readonly number[], { tokens, total }: { tokens: number; total: number }, adaptation: Adaptation | undefined): Promise<Float32Array> {
    const given = { ...this.#tokenInputs(ids, tokens), ...this.#sightInputs(tokens, total), ...this.#cacheInputs() };
    const results = await program.run({ ...given, ...copies, ...adapterInputs(modules, adaptation) });
    this.#keep(results, ids.length);
    this.#ids.push(...ids);
    return floats(results.logits);
  }

  #tokenInputs(ids: readonly number[], tokens: number): Record<string, Tensor> {
    const padded = new Int32Array(tokens);
    padded.set(ids);
    return { ids: tensor('int32', [1, tokens], padded), last: int32([1], [ids.length - 1]) };
  }

  #sightInputs(tokens: number, total: number): Record<string, Tensor> {
    const count = this.#ids.length;
    const turns = this.#kinds.ropes.flatMap((rope, i): [string, Tensor][] => {
      const { cos, sin } = rotaryRows(rope, total, count, tokens);
      const shape = [1, tokens, rope.dims / 2];
      return [[names.cos(i), tensor('float32', shape, cos)], [names.sin(i), tensor('float32', shape, sin)]];
    });
    const masks = this.#kinds.windows.map((window, i): [string, Tensor] => [names.mask(i), stepMask(tokens, this.#capacity, count, window)]);
    return Object.fromEntries([...turns, ...masks]);
  }

  #cacheInputs(): Record<string, Tensor> {
    const shape = [1, this.#capacity, keyWidth(this.#config)];
    return Object.fromEntries(this.#cacheNames(names.keys, names.values).map((name, i) => [name, tensor('float32', shape, this.#kept[i])]));
  }

  /** Copies the rows of the new tokens behind those kept; the rows of filling are left. */
  #keep(results: Readonly<Record<string, Tensor>>, count: number): void {
    const width = keyWidth(this.#config);
    const at = this.#ids.length * width;
    this.#cacheNames(names.newKeys, names.newValues).forEach((name, i) => this.#kept[i].set(floats(results[name]).subarray(0, count * width), at));
  }

  #cacheNames(keys: (layer: number) => string, values: (layer: number) => string): string[] {
    return this.#config.layers.flatMap((_, layer) => [keys(layer), values(layer)]);
  }

  #makeRoom(total: number): void {
    if (total <= this.#capacity) return;
    const old = this.#kept;
    while (this.#capacity < total) this.#capacity *= 2;
    this.#kept = this.#emptyCaches(this.#capacity);
    old.forEach((rows, i) => this.#kept[i].set(rows));
  }

  #emptyCaches(capacity: number): Float32Array[] {
    return Array.from({ length: 2 * this.#config.layers.length }, () => new Float32Array(capacity * keyWidth(this.#config)));
  }

  /** Without its adapters where they would add nothing. */
  #load(withAdapter: boolean): Promise<Loaded> {
    const key = `${this.#capacity} ${withAdapter}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) return known;
    const loading = this.#compile(this.#capacity, withAdapter ? this.#sizes : new Map());
    this.#loaded.set(key, loading);
    return loading;
  }

  async #compile(capacity: number, sizes: ReadonlyMap<string, AdapterSize>): Promise<Loaded> {
    const { chunks: wanted = [256, 64], weights, mostCopies = 2 ** 30 } = this.#options;
    const { heads } = this.#config.layer.attention;
    const chunks = [...wanted.filter((tokens) => tokens * heads * (capacity + tokens) <= MOST_SCORES), 1];
    const graphs = chunks.map((tokens) => stepGraph(this.#config, { tokens, capacity }));
    const { bound, copies } = (this.#split ??= splitWeights(graphs[0], weights, mostCopies));
    const adapted = graphs.map((graph) => withAdapters(graph, sizes));
    const program = await compileShared(adapted.map(({ graph }) => graph), { ...this.#options, weights: bound });
    return { program, modules: adapted[0].modules, chunks, copies };
  }
}

/** Whether an adapter changes anything. */
export function isOn(adaptation: Adaptation | undefined): boolean {
  return adaptation?.weights !== undefined && adaptation.multiplier !== 0;
}

/** A run costs as much as this many tokens, and those that go through it: measured, most of it is reading the weights. */
const RUN_COST = 16;

/** The chunk that costs least for each of `count` tokens that it can take. */
function cheapest(chunks: readonly number[], count: number): number {
  const cost = (tokens: number) => (RUN_COST + tokens) / Math.min(tokens, count);
  return chunks.reduce((best, tokens) => (cost(tokens) < cost(best) ? tokens : best));
}

/** The graph with the adapters of those of its layers that have one, behind a multiplier. */
export function withAdapters(graph: Graph, sizes: ReadonlyMap<string, AdapterSize>) {
  return applyLora(graph, ({ path }) => sizes.get(path), { multiplier: MULTIPLIER });
}

/** [tokens, capacity + tokens]: row i is token count + i; columns are the kept tokens, room, and the new tokens. */
function stepMask(tokens: number, capacity: number, count: number, window = Infinity): Tensor {
  const width = capacity + tokens;
  const data = new Float32Array(tokens * width).fill(HIDDEN);
  for (let i = 0; i < tokens; i++) {
    const first = Math.max(0, count + i - window + 1); // the first token in sight
    data.fill(0, i * width + Math.min(first, count), i * width + count);
    data.fill(0, i * width + capacity + Math.max(0, first - count), i * width + capacity + i + 1);
  }
  return tensor('float32', [tokens, width], data);
}

/**
 * Whether what is kept of `before` tokens is wrong for a text of `after`: LongRoPE has other frequencies for long texts. (Those of
 * "dynamic" change with every token; there each token keeps the frequencies of the length at which it came, as in transformers.)
 */
function switchesBetween({ scaling }: Rope, before: number, after: number): boolean {
  return scaling.rope_type === 'longrope' && before <= scaling.original_max_position_embeddings && after > scaling.original_max_position_embeddings;
}

function floats({ data }: Tensor): Float32Array {
  return data as Float32Array; // the outputs of a step are float32
}
