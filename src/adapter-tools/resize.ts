// An adapter of another rank: of each layer the largest singular values of B A, the scale as it was
// (the method of kohya's resize_lora, without computing the product).

import { openAdapter } from '../adapter-files/open-adapter.ts';
import { narrowed, type Narrowing } from '../adapter-files/narrowing.ts';
import { held, type PlannedModule } from '../adapter-files/planned.ts';
import { UserError } from '../errors.ts';
import { toFloat32, type FloatDType } from '../tensor/half.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { approximateProduct, type Factors, type Kept } from '../util/low-rank.ts';
import { planned, writeLike, type OutputOptions, type WrittenAdapter } from './prepare.ts';

export interface ResizeOptions extends OutputOptions {
  /** A file or a folder. */
  readonly path: string;
  readonly kept: Kept;
}

export interface Resized extends WrittenAdapter {
  /** Of each layer: its ranks, and which share of the norm is kept. */
  readonly layers: readonly ResizedLayer[];
}

export interface ResizedLayer {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Frobenius norm of what is kept, as a share of what there was. */
  readonly share: number;
}

/**
 * Writes an adapter with at most the rank, or the share of the norm, that is asked for; layers of a
 * lower rank stay as they are. Throws as `openAdapter`, and UserError for a file that is there.
 */
export function resizeAdapter(options: ResizeOptions): Resized {
  const { path, kept, dtype, onProgress } = options;
  requireKept(kept);
  const file = openAdapter(path);
  const narrowings: Narrowing[] = [];
  const layers: ResizedLayer[] = [];
  const modules = file.modules.map((one, i) => {
    const module = planned(file, one);
    const { resized, layer } = resizedModule(module, kept, dtype, (found) =>
      narrowings.push(found),
    );
    layers.push(layer);
    onProgress?.(i + 1, file.modules.length);
    return resized;
  });
  return { ...writeLike(file, modules, narrowings, options), layers };
}

/** `where`: the flag of a rank, for the message. */
export function requireKept(kept: Kept, where = '--rank'): void {
  if ('rank' in kept && !(Number.isInteger(kept.rank) && kept.rank >= 1))
    throw new UserError([{ where, what: `is ${kept.rank}; a whole number from 1 on is expected` }]);
  if ('share' in kept && !(kept.share > 0 && kept.share <= 1))
    throw new UserError([
      { where: '--keep', what: `is ${kept.share}; a share above 0 and at most 1 is expected` },
    ]);
}

/** One module; what its type would lose, `tell` receives. */
export function resizedModule(
  module: PlannedModule,
  kept: Kept,
  dtype: FloatDType | undefined,
  tell: (found: Narrowing) => void,
): { readonly resized: PlannedModule; readonly layer: ResizedLayer } {
  const [from] = module.down.shape;
  const { name } = module;
  if ('rank' in kept && from <= kept.rank)
    return { resized: module, layer: { name, from, to: from, share: 1 } };
  const [down, up] = [module.down.read(), module.up.read()];
  const { factors, share } = approximateProduct(factorsOf(down, up), kept);
  const type = dtype ?? floatOf(down.dtype);
  const resized = {
    ...module,
    ...moduleOf(name, factors, { down, up }, type, tell),
    alpha: (module.alpha / from) * factors.rank,
  };
  return { resized, layer: { name, from, to: factors.rank, share } };
}

const floatOf = (dtype: Tensor['dtype']): FloatDType =>
  dtype === 'float16' || dtype === 'bfloat16' ? dtype : 'float32';

const factorsOf = (down: Tensor, up: Tensor): Factors => ({
  rows: up.shape[0],
  columns: sizeOf(down.shape.slice(1)),
  rank: down.shape[0],
  down: Float64Array.from(toFloat32(down).data),
  up: Float64Array.from(toFloat32(up).data),
});

/** Factors as tensors of the shapes that the layer's had. */
export function moduleOf(
  name: string,
  { rank, down, up }: Factors,
  like: { readonly down: Pick<Tensor, 'shape'>; readonly up: Pick<Tensor, 'shape'> },
  dtype: FloatDType,
  tell: (found: Narrowing) => void,
): Pick<PlannedModule, 'down' | 'up'> {
  const shapes = {
    down: [rank, ...like.down.shape.slice(1)],
    up: [like.up.shape[0], rank, ...like.up.shape.slice(2)],
  };
  return {
    down: held(narrowed(`${name} A`, { shape: shapes.down, data: down }, dtype, tell)),
    up: held(narrowed(`${name} B`, { shape: shapes.up, data: up }, dtype, tell)),
  };
}
