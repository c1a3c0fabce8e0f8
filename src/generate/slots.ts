// The adapters of a mix in a program: every layer has rows of A for all of them at once, so that
// another mix is other inputs of the same program.

import { applyAdapter, type Adapted } from '../adapters/apply.ts';
import { adaptableLayers } from '../adapters/layers.ts';
import { lora, loraParameter } from '../adapters/lora.ts';
import type { LoraModule } from '../adapters/lora-module.ts';
import type { Graph } from '../graph/graph.ts';
import { toFloat32 } from '../tensor/half.ts';
import { float32, sizeOf, zeros, type Tensor } from '../tensor/tensor.ts';
import { isOn, sameMix, strengthAt, type AdaptedLayer, type Mix } from './mix.ts';

/** In the names of the parameters. */
const MIX = 'mix';

const strengthName = (path: string): string => `${path}.${MIX}.strengths`;

/** What one adapter of a mix has for a layer. */
interface Part {
  readonly layer: AdaptedLayer;
  readonly strength: number;
}

/** The rows of one program, which grow with what is asked of it and never shrink. */
export class Slots {
  readonly #layers: ReadonlySet<string>;
  /** Rows of A by layer. */
  #rows = new Map<string, number>();
  #filled: { readonly mix: Mix; readonly inputs: Readonly<Record<string, Tensor>> } | undefined;
  /** What lies in the rows of each layer: only other adapters are copied again. */
  readonly #factors = new Map<string, Filled>();

  /** Of the layers of `graph`. */
  constructor(graph: Graph) {
    this.#layers = new Set(adaptableLayers(graph).map(({ path }) => path));
  }

  has(path: string): boolean {
    return this.#layers.has(path);
  }

  /** Whether there are rows at all: adapters that the program was given once. */
  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /**
   * Makes room for each of some mixes; true where the program must be compiled again. The first
   * time as many rows as they take; later a power of two, so that this becomes rare.
   */
  grow(mixes: readonly Mix[]): boolean {
    const wanted = mostRows(mixes.map((mix) => this.#partsOf(mix)));
    const short = [...wanted].filter(([path, rows]) => rows > (this.#rows.get(path) ?? 0));
    if (short.length === 0) return false;
    const isFirst = this.isEmpty;
    for (const [path, rows] of short)
      this.#rows.set(path, isFirst ? rows : 2 ** Math.ceil(Math.log2(rows)));
    this.forget();
    return true;
  }

  apply(graph: Graph): Adapted<LoraModule> {
    const size = ({ path }: { readonly path: string }) => {
      const rank = this.#rows.get(path);
      return rank === undefined ? undefined : { rank, alpha: rank };
    };
    return applyAdapter(graph, lora, size, {
      adapter: MIX,
      strength: ({ path }) => ({
        input: strengthName(path),
        shape: [this.#rows.get(path) ?? 0],
      }),
    });
  }

  /**
   * What a program whose graph has `modules` is given with every run. The tensors of an adapter may
   * be changed only before `forget`.
   */
  inputs(modules: readonly LoraModule[], mix: Mix): Readonly<Record<string, Tensor>> {
    if (modules.length === 0) return {};
    if (this.#filled !== undefined && sameMix(this.#filled.mix, mix)) return this.#filled.inputs;
    const parts = this.#partsOf(mix);
    const inputs = Object.fromEntries(
      modules.flatMap((module) => this.#inputsOf(module, parts.get(module.path) ?? [])),
    );
    this.#filled = { mix, inputs };
    return inputs;
  }

  /** Adapters may have changed: a training goes on between the pictures of its previews. */
  forget(): void {
    this.#filled = undefined;
    this.#factors.clear();
  }

  /** Parameters and strengths of a layer: the adapters' rows, one behind another, and zeros. */
  #inputsOf(module: LoraModule, parts: readonly Part[]): (readonly [string, Tensor])[] {
    const { path, down, up } = module;
    const layers = parts.map(({ layer }) => layer);
    const known = this.#factors.get(path);
    const isSame =
      known?.layers.length === layers.length && layers.every((one, i) => one === known.layers[i]);
    const filled = isSame ? known : { layers, ...factorsOf(layers, module) };
    this.#factors.set(path, filled);
    return [
      [down.name, filled.down],
      [up.name, filled.up],
      [strengthName(path), strengthsOf(module, parts)],
    ];
  }

  /** What adapters that are not at 0 have for the layers of this program. */
  #partsOf(mix: Mix): ReadonlyMap<string, readonly Part[]> {
    const parts = new Map<string, Part[]>();
    for (const { adapter, strength: of } of mix.filter(isOn))
      for (const layer of adapter.modules) {
        const strength = strengthAt(of, layer.path);
        if (strength !== 0 && this.has(layer.path))
          parts.set(layer.path, [...(parts.get(layer.path) ?? []), { layer, strength }]);
      }
    return parts;
  }
}

const rankOf = ({ down }: AdaptedLayer): number => down.shape[0];

function mostRows(all: readonly ReadonlyMap<string, readonly Part[]>[]): Map<string, number> {
  const most = new Map<string, number>();
  for (const parts of all)
    for (const [path, of] of parts) {
      const rows = of.reduce((sum, part) => sum + rankOf(part.layer), 0);
      most.set(path, Math.max(rows, most.get(path) ?? 0));
    }
  return most;
}

/** [rank]: strength · alpha / rank of each adapter for each of its rows, then zeros. */
function strengthsOf({ rank }: LoraModule, parts: readonly Part[]): Tensor {
  const strengths = new Float32Array(rank);
  let at = 0;
  for (const part of parts) {
    const own = rankOf(part.layer);
    strengths.fill((part.strength * part.layer.alpha) / own, at, at + own);
    at += own;
  }
  return float32([rank], strengths);
}

type Factors = Readonly<Record<'down' | 'up', Tensor>>;

interface Filled extends Factors {
  readonly layers: readonly AdaptedLayer[];
}

/** A single adapter that fills all rows is given as it is. */
function factorsOf(
  layers: readonly AdaptedLayer[],
  { rank, down: { shape: downShape }, up: { shape: upShape } }: LoraModule,
): Factors {
  if (layers.length === 0)
    return { down: zeros('float32', downShape), up: zeros('float32', upShape) };
  if (layers.length === 1 && rankOf(layers[0]) === rank)
    return { down: toFloat32(layers[0].down), up: toFloat32(layers[0].up) };
  const [down, up] = [new Float32Array(sizeOf(downShape)), new Float32Array(sizeOf(upShape))];
  let at = 0;
  for (const layer of layers) {
    down.set(toFloat32(layer.down).data, (at * down.length) / rank);
    copyColumns(toFloat32(layer.up).data, rankOf(layer), { into: up, columns: rank, at });
    at += rankOf(layer);
  }
  return { down: float32(downShape, down), up: float32(upShape, up) };
}

/** Columns of a matrix into those of a wider one, from `at` on. */
function copyColumns(
  from: Float32Array,
  count: number,
  to: { readonly into: Float32Array; readonly columns: number; readonly at: number },
): void {
  const { into, columns, at } = to;
  for (let read = 0, write = at; read < from.length; read += count, write += columns)
    for (let i = 0; i < count; i++) into[write + i] = from[read + i];
}

const listed = new WeakMap<Mix, ReadonlyMap<string, Tensor>>();

/** The adapters' weights by name, for messages about numbers that are not finite. */
export function mixWeights(mix: Mix): ReadonlyMap<string, Tensor> {
  const known = listed.get(mix);
  if (known !== undefined) return known;
  const weights = mix.filter(isOn).flatMap(({ adapter: { name, modules } }) =>
    modules.flatMap((module) =>
      lora.roles.map((role) => {
        const parameter = loraParameter(module.path, role);
        return [mix.length > 1 ? `${name} ${parameter}` : parameter, module[role]] as const;
      }),
    ),
  );
  const all = new Map(weights);
  listed.set(mix, all);
  return all;
}
