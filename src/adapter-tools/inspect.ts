// What an adapter is: its layers with sizes, scales and norms, by block; what is dead or unsound in
// it; its metadata and hashes; which programs load it.

import { tensorOf, type AdapterFile, type AdapterModule } from '../adapter-files/adapter-file.ts';
import { adapterHashes, type AdapterHashes } from '../adapter-files/hashes.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import { adapterTitle } from '../adapter-files/adapter-formats.ts';
import type { Problem } from '../errors.ts';
import { countUnsound } from '../tensor/finite.ts';
import { toFloat32 } from '../tensor/half.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { gramOfRows, sumOfProducts, transposedWide, type Wide } from '../util/matrices.ts';
import { byNumber } from '../util/order.ts';
import { programVerdicts, type ProgramVerdict } from './programs.ts';
import { traitsOf } from './traits.ts';

export interface InspectedModule {
  readonly name: string;
  /** Null where no rule knows the name. */
  readonly path: string | null;
  /** [out, in] or [out, in, kh, kw], of the layer's weight. */
  readonly shape: readonly number[];
  readonly rank: number;
  readonly alpha: number;
  readonly alphaFrom: AdapterModule['alphaFrom'];
  readonly scale: number;
  readonly dtype: string;
  /** Frobenius norm of what it adds to the weight, s · B A; null where a number is not finite. */
  readonly norm: number | null;
  /** Numbers that are NaN or infinite. */
  readonly unsound: number;
  /** Why it adds nothing, where that is so. */
  readonly dead?: string;
}

export interface InspectedBlock {
  /** `unet.down_blocks.0`, `text_encoder.layers.3`, `model.layers.12`. */
  readonly block: string;
  readonly modules: number;
  readonly parameters: number;
  /** Root of the sum of the squares of its modules' norms; null where one is not finite. */
  readonly norm: number | null;
}

export interface FileHashes extends AdapterHashes {
  readonly file: string;
}

export interface AdapterInspection {
  readonly path: string;
  readonly format: AdapterFile['format'];
  /** As a sentence calls it: "PEFT's folder". */
  readonly title: string;
  readonly of: AdapterFile['of'];
  /** Null where neither sizes nor metadata tell. */
  readonly family: string | null;
  readonly bytes: number;
  readonly parameters: number;
  readonly modules: readonly InspectedModule[];
  readonly blocks: readonly InspectedBlock[];
  /** Of a language model's adapter. */
  readonly baseModel: string | null;
  readonly leftovers: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Of each file: PEFT's adapters for pictures have one for each component. */
  readonly hashes: readonly FileHashes[];
  readonly programs: readonly ProgramVerdict[];
  readonly warnings: readonly Problem[];
}

export interface InspectOptions {
  /** So many of the modules are read. */
  readonly onModule?: (done: number, total: number) => void;
}

/**
 * Reads an adapter, a module at a time. Numbers that are not finite are counted, not thrown. Throws
 * AdapterError for what is no plain LoRA.
 */
export function inspectAdapter(path: string, { onModule }: InspectOptions = {}): AdapterInspection {
  const file = openAdapter(path);
  const modules = file.modules.map((module, i) => {
    const found = inspected(module);
    onModule?.(i + 1, file.modules.length);
    return found;
  });
  return {
    path,
    format: file.format,
    title: adapterTitle(file.format),
    of: file.of,
    family: traitsOf(file).family ?? null,
    bytes: file.files.reduce((sum, { size }) => sum + size, 0),
    parameters: modules.reduce((sum, module) => sum + parametersOf(module), 0),
    modules,
    blocks: blocksOf(modules),
    baseModel: file.language?.baseModel ?? null,
    leftovers: file.leftovers,
    metadata: file.metadata,
    hashes: hashesOf(file),
    programs: programVerdicts(file),
    warnings: file.warnings,
  };
}

/** The hashes of an adapter's file, or of each of its files. */
export const hashAdapter = (path: string): FileHashes[] => hashesOf(openAdapter(path));

const hashesOf = ({ files }: AdapterFile): FileHashes[] =>
  files.map((one) => ({ file: one.path, ...adapterHashes(one) }));

function inspected(module: AdapterModule): InspectedModule {
  const { name, path = null, rank, alpha, alphaFrom, scale } = module;
  const [down, up] = [tensorOf(module.down), tensorOf(module.up)];
  const unsound = countUnsound(down) + countUnsound(up);
  const norm = unsound > 0 ? null : Math.abs(scale) * productNorm(down, up);
  const dead = norm === 0 ? whyDead(down, scale) : undefined;
  return {
    ...{ name, path, shape: [up.shape[0], ...down.shape.slice(1)], rank, alpha, alphaFrom, scale },
    ...{ dtype: down.dtype, norm, unsound },
    ...(dead !== undefined && { dead }),
  };
}

function whyDead(down: Tensor, scale: number): string {
  if (scale === 0) return 'its alpha is 0';
  const isZero = toFloat32(down).data.every((value) => value === 0);
  return isZero ? 'A is zero' : 'B is zero, as before the first step';
}

/** ‖B A‖ from the products of the rows: Σ (Bᵀ B) (A Aᵀ), without the whole product. */
function productNorm(down: Tensor, up: Tensor): number {
  const a = gramOfRows(wide(down));
  const b = gramOfRows(transposedWide(wide(up)));
  return Math.sqrt(Math.max(0, sumOfProducts(a.data, b.data)));
}

const wide = (tensor: Tensor): Wide => ({
  rows: tensor.shape[0],
  columns: sizeOf(tensor.shape.slice(1)),
  data: Float64Array.from(toFloat32(tensor).data),
});

const parametersOf = ({ shape, rank }: InspectedModule): number =>
  rank * (shape[0] + sizeOf(shape.slice(1)));

/** The block that a path is counted in. */
function blockOf({ path, name }: InspectedModule): string {
  if (path === null) return /^[^.]*/.exec(name)?.[0].replace(/_\d+_.*/, '_…') ?? name;
  const [, block] =
    /^(unet\.(?:down_blocks|up_blocks)\.\d+|unet\.mid_block|.*?\.layers\.\d+)\./.exec(path) ?? [];
  return block?.replace('.text_model.encoder', '') ?? path.split('.').slice(0, 2).join('.');
}

function blocksOf(modules: readonly InspectedModule[]): InspectedBlock[] {
  const blocks = new Map<string, InspectedModule[]>();
  for (const module of modules) {
    const block = blockOf(module);
    blocks.set(block, [...(blocks.get(block) ?? []), module]);
  }
  return Array.from(blocks, ([block, members]) => ({
    block,
    modules: members.length,
    parameters: members.reduce((sum, one) => sum + parametersOf(one), 0),
    norm: members.some(({ norm }) => norm === null)
      ? null
      : Math.sqrt(members.reduce((sum, { norm }) => sum + (norm ?? 0) ** 2, 0)),
  })).sort((a, b) => placeOf(a.block) - placeOf(b.block) || byNumber(a.block, b.block));
}

/** In the order of the computation: text, down, middle, up. */
const order = [/^text_encoder\b/, /^text_encoder_2/, /conv_in|embedding/, /down/, /mid/, /up/];

const placeOf = (block: string): number => {
  const place = order.findIndex((pattern) => pattern.test(block));
  return place < 0 ? order.length : place;
};
