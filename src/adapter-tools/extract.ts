// An adapter from two whole models: of each layer the largest singular values of the difference
// (the method of kohya's extract_lora_from_models, without its clamp).

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { LoraWeights } from '../adapter-files/lora.ts';
import type { Narrowing } from '../adapter-files/narrowing.ts';
import { writePeftFolder } from '../adapter-files/peft.ts';
import { requireNew, type PlannedModule } from '../adapter-files/planned.ts';
import { stableDiffusionTargets } from '../adapters/stable-diffusion-targets.ts';
import { readFloat32 } from '../checkpoints/safetensors-file.ts';
import { loadStableDiffusion } from '../checkpoints/stable-diffusion.ts';
import { UserError, type Problem } from '../errors.ts';
import { openModelFiles } from '../export/model-files.ts';
import { isFloat } from '../tensor/dtype.ts';
import { sameShape, sizeOf, type ExternalTensor, type Shape } from '../tensor/tensor.ts';
import { approximateDense, type Kept } from '../util/low-rank.ts';
import { problemsByKind } from '../util/problems-by-kind.ts';
import { writeAdapter, type OutputOptions, type WrittenAdapter } from './prepare.ts';
import { moduleOf, requireKept, type ResizedLayer } from './resize.ts';

export interface ExtractOptions extends OutputOptions {
  /** The model before: a Stable Diffusion model in either layout, or a language model's folder. */
  readonly base: string;
  /** The model after, of the same kind and sizes. */
  readonly tuned: string;
  readonly kept: Kept;
  /** Of 3×3 convolutions; as `kept` unless given. */
  readonly convRank?: number;
}

export interface Extracted extends WrittenAdapter {
  /** Of each layer that differs: `from` is its full rank. */
  readonly layers: readonly ResizedLayer[];
}

type Weights = ReadonlyMap<string, ExternalTensor>;

/** The two models, and which of their layers an adapter can be on. */
interface Pair {
  readonly base: Weights;
  readonly tuned: Weights;
  readonly isLayer: (path: string, shape: Shape) => boolean;
  readonly isLanguage: boolean;
}

/**
 * Writes what the tuned model has learnt as an adapter of its base: kohya's file, or PEFT's folder
 * for language models. One layer at a time is in memory, and the adapter. Throws CheckpointError,
 * and UserError for models that do not have the same tensors, or are the same.
 */
export function extractAdapter(options: ExtractOptions): Extracted {
  requireKept(options.kept);
  if (options.convRank !== undefined) requireKept({ rank: options.convRank }, '--conv-rank');
  const pair = openPair(options);
  requireAlike(pair, options);
  const narrowings: Narrowing[] = [];
  const layers: ResizedLayer[] = [];
  const modules: PlannedModule[] = [];
  const besides: string[] = [];
  let done = 0;
  for (const [name, weight] of pair.base) {
    options.onProgress?.((done += 1), pair.base.size);
    const other = pair.tuned.get(name);
    if (other === undefined || !isFloat(weight.dtype)) continue;
    const path = name.replace(/\.weight$/, '');
    const difference = differenceOf(weight, other);
    if (difference === undefined) continue;
    if (path === name || !pair.isLayer(path, weight.shape)) {
      besides.push(name);
      continue;
    }
    const found = extractedModule(path, weight.shape, difference, options);
    layers.push(found.layer);
    narrowings.push(...found.narrowings);
    modules.push(found.module);
  }
  requireDifference(modules, besides, options);
  const warnings = besidesProblems(besides);
  const written = pair.isLanguage
    ? writeLanguageAdapter(modules, options)
    : writePictureAdapter(modules, options);
  return { ...written, narrowings, warnings, layers };
}

function openPair({ base, tuned }: ExtractOptions): Pair {
  if (existsSync(join(base, 'config.json')))
    return {
      base: openModelFiles(base).tensors,
      tuned: openModelFiles(tuned).tensors,
      isLayer: (path, shape) => shape.length === 2 && !/(embed_tokens|lm_head)$/.test(path),
      isLanguage: true,
    };
  const size = { lora_rank: 1, lora_alpha: 1, conv_rank: 1, conv_alpha: 1 };
  const sizeOfLayer = stableDiffusionTargets({
    ...size,
    train_unet: true,
    train_text_encoder: true,
  });
  return {
    base: loadStableDiffusion(base).weights,
    tuned: loadStableDiffusion(tuned).weights,
    isLayer: (path, weightShape) =>
      (weightShape.length === 2 || weightShape.length === 4) &&
      sizeOfLayer({ path, weightShape, kind: weightShape.length === 4 ? 'conv' : 'linear' }) !==
        undefined,
    isLanguage: false,
  };
}

function requireAlike({ base, tuned }: Pair, options: ExtractOptions): void {
  const problems = [...base].flatMap(([name, { shape }]): Problem[] => {
    const other = tuned.get(name);
    const fix = 'Name the model that the other one was trained from.';
    if (other === undefined)
      return [{ where: name, what: `the tuned model, ${options.tuned}, does not have it`, fix }];
    if (sameShape(shape, other.shape)) return [];
    const what = `[${shape.join(', ')}] in the base, [${other.shape.join(', ')}] in the tuned model`;
    return [{ where: name, what, fix }];
  });
  if (problems.length > 0) throw new UserError(problemsByKind(problems));
}

/** Tuned minus base in float64; undefined where they are the same. */
function differenceOf(base: ExternalTensor, tuned: ExternalTensor): Float64Array | undefined {
  const [before, after] = [readFloat32(base).data, readFloat32(tuned).data];
  const out = Float64Array.from(after, (value, i) => value - before[i]);
  if (out.some((value) => !Number.isFinite(value)))
    throw new UserError([
      {
        where: tuned.path,
        what: 'it has numbers that are not finite (NaN or infinity)',
        fix: 'Use another copy of the model.',
      },
    ]);
  return out.some((value) => value !== 0) ? out : undefined;
}

function extractedModule(
  path: string,
  shape: Shape,
  data: Float64Array,
  { kept, convRank, dtype = 'float32' }: ExtractOptions,
): { module: PlannedModule; layer: ResizedLayer; narrowings: Narrowing[] } {
  const [rows, ...rest] = shape;
  const columns = sizeOf(rest);
  const isWide = sizeOf(shape.slice(2)) > 1;
  const wanted = isWide && convRank !== undefined ? { rank: convRank } : kept;
  const { factors, share } = approximateDense({ rows, columns, data }, wanted);
  const narrowings: Narrowing[] = [];
  const like = {
    down: { shape: [0, ...rest] },
    up: { shape: [rows, 0, ...shape.slice(2).map(() => 1)] },
  };
  const tensors = moduleOf(path, factors, like, dtype, (found) => narrowings.push(found));
  const layer = { name: path, from: Math.min(rows, columns), to: factors.rank, share };
  return { module: { path, name: path, ...tensors, alpha: factors.rank }, layer, narrowings };
}

function requireDifference(
  modules: readonly PlannedModule[],
  besides: readonly string[],
  { tuned }: ExtractOptions,
): void {
  if (modules.length > 0) return;
  const what =
    besides.length === 0
      ? 'it is the same as the base: there is nothing to extract'
      : 'it differs from the base in none of the layers that an adapter can be on';
  throw new UserError([
    { where: tuned, what, fix: 'Name the base model first, then the tuned one.' },
  ]);
}

/** What differs and has no place in an adapter. */
function besidesProblems(besides: readonly string[]): Problem[] {
  const what = 'differs, and an adapter has no place for it: it stays as in the base';
  const plural = 'differ, and an adapter has no place for them: they stay as in the base';
  return problemsByKind(besides.map((where) => ({ where, what, plural })));
}

function writePictureAdapter(
  modules: readonly PlannedModule[],
  options: ExtractOptions,
): WrittenAdapter {
  const rank = modules.reduce((most, { down }) => Math.max(most, down.shape[0]), 0);
  const metadata = {
    ss_v2: 'False',
    ss_base_model_version: 'sd_v1',
    ss_network_module: 'networks.lora',
    ss_network_dim: String(rank),
    ss_network_alpha: `${rank}.0`,
    ss_sd_model_name: basename(options.base),
    'modelspec.architecture': 'stable-diffusion-v1/lora',
    'modelspec.title': `${basename(options.tuned)} extracted`,
  };
  const given = { modules, metadata, isXl: false, narrowings: [], warnings: [] };
  return writeAdapter('kohya', given, { output: options.output, force: options.force ?? false });
}

function writeLanguageAdapter(
  modules: readonly PlannedModule[],
  { output, force = false, base, dtype = 'float32' }: ExtractOptions,
): WrittenAdapter {
  const files = ['adapter_model.safetensors', 'adapter_config.json'].map((name) =>
    join(output, name),
  );
  requireNew(files, force);
  const loaded = modules.map(({ name, down, up, alpha }): LoraWeights => ({
    ...{ path: name, down: down.read(), up: up.read(), alpha },
  }));
  writePeftFolder(output, { modules: loaded, rslora: false, dtype, baseModel: base });
  return { files, format: 'peft', modules: modules.length, narrowings: [], warnings: [] };
}
