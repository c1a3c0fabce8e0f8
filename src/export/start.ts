// What an adapter's start took out of its base. PiSSA (arXiv 2404.02948) and OLoRA (2406.01775)
// begin with a part of the base's weights and train on the rest, so the adapter alone, on the whole
// base, is wrong by that part: here it is computed again and subtracted, as PEFT does when it loads
// such an adapter.

import { toFloat32 } from '../tensor/half.ts';
import { float32, type Tensor } from '../tensor/tensor.ts';
import {
  addTo,
  dot,
  norm,
  principalVectors,
  timesTransposed,
  timesVector,
  type Matrix,
} from '../util/principal-vectors.ts';
import {
  loraScale,
  type LanguageLora,
  type Start,
  type StoredLora,
} from '../adapter-files/language-lora.ts';
import type { LoraWeights } from '../adapter-files/lora.ts';

/** Two factors of a part of a weight, a pair for each rank: up[i] downᵀ[i]. */
interface Pair {
  /** [out] */
  readonly up: Float64Array;
  /** [in] */
  readonly down: Float64Array;
}

type Started = readonly Pair[] | string;

/** Called before each layer whose start is computed again, with those done, and after the last. */
export type OnLayer = (done: number, total: number) => void;

/** What an adapter of this rank on a weight [out, in] begins with; or why nobody can know. */
const starts: Readonly<Record<Start, (weight: Matrix, rank: number, scale: number) => Started>> = {
  pissa: principalPart,
  olora: firstColumnsPart,
};

/**
 * The same adapter as plain LoRA on the whole base, of twice the rank: [A; A₀], [B, -B₀].
 * `weightOf`: a module's weight [out, in]. `tell` is called with what nobody can compute again.
 * PiSSA takes seconds for each large layer, which `onLayer` tells.
 */
export function plainLora(
  { start, ...lora }: StoredLora,
  weightOf: (path: string) => Tensor<'float32'>,
  tell: (path: string, what: string) => void,
  onLayer: OnLayer = () => {},
): LanguageLora {
  if (start === undefined) return lora;
  const total = lora.modules.length;
  const modules = lora.modules.flatMap((module, done) => {
    onLayer(done, total);
    const found = withoutStart(module, lora.rslora, start, weightOf(module.path));
    if (typeof found !== 'string') return [found];
    tell(module.path, found);
    return [];
  });
  onLayer(total, total);
  return { ...lora, modules };
}

function withoutStart(
  module: LoraWeights,
  rslora: boolean,
  start: Start,
  weight: Tensor<'float32'>,
): LoraWeights | string {
  const [rows, columns] = weight.shape;
  const rank = module.down.shape[0];
  const scale = loraScale(module, rslora);
  if (scale <= 0) return `its scale is ${scale}, and its initialisation divides by it`;
  const matrix = { rows, columns, data: weight.data };
  const pairs = starts[start](matrix, rank, scale);
  return typeof pairs === 'string' ? pairs : joined(module, pairs, scale, rslora);
}

/** [A; A₀] and [B, -B₀], with the alpha that keeps the scale. */
function joined(
  { path, down, up }: LoraWeights,
  pairs: readonly Pair[],
  scale: number,
  rslora: boolean,
): LoraWeights {
  const [rank, columns] = down.shape;
  const [rows] = up.shape;
  const all = rank + pairs.length;
  const a = new Float32Array(all * columns);
  a.set(toFloat32(down).data);
  pairs.forEach((pair, i) => a.set(pair.down, (rank + i) * columns));
  const b = new Float32Array(rows * all);
  const trained = toFloat32(up).data;
  for (let row = 0; row < rows; row++) {
    b.set(trained.subarray(row * rank, (row + 1) * rank), row * all);
    pairs.forEach((pair, i) => (b[row * all + rank + i] = -pair.up[row]));
  }
  const alpha = scale * (rslora ? Math.sqrt(all) : all);
  return { path, down: float32([all, columns], a), up: float32([rows, all], b), alpha };
}

/** Below this gap PEFT's own start depends on how its numbers were rounded. */
const CLEAR = 1e-6;

/** U S Vᵀ of the largest `rank` singular values, over s: up = u √(S / s), down = v √(S / s). */
function principalPart(weight: Matrix, rank: number, scale: number): Started {
  const { side, vectors, gap } = principalVectors(weight, rank);
  if (gap < CLEAR)
    return `its singular values ${rank} and ${rank + 1} are nearly equal, so its initialisation cannot be computed again`;
  return vectors.map((vector) => {
    const image = side === 'left' ? timesTransposed(weight, vector) : timesVector(weight, vector);
    const value = norm(image);
    const near = vector.map((one) => one * Math.sqrt(value / scale));
    const far = value === 0 ? image : image.map((one) => one / Math.sqrt(value * scale));
    return side === 'left' ? { up: near, down: far } : { up: far, down: near };
  });
}

/** Q R of the first `rank` columns of Q in W = Q R, which span the first columns of W. */
function firstColumnsPart(weight: Matrix, rank: number): Started {
  const { rows, columns, data } = weight;
  const spanned: Float64Array[] = [];
  for (let j = 0; j < Math.min(rank, rows, columns); j++) {
    const column = Float64Array.from({ length: rows }, (_, row) => data[row * columns + j]);
    const length = norm(column);
    for (const _ of [1, 2]) for (const q of spanned) addTo(column, -dot(column, q), q);
    const rest = norm(column);
    if (rest <= 1e-5 * length)
      return `its column ${j + 1} is a sum of those before, so its initialisation cannot be computed again`;
    spanned.push(column.map((one) => one / rest));
  }
  return spanned.map((up) => ({ up, down: timesTransposed(weight, up) }));
}
