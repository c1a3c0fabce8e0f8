// Adapters for pictures in the weights of their base: W + Σ weight · s · B A, file by file and
// tensor by tensor, in the layout that the base has.

import { readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { LoraWeights } from '../adapter-files/lora.ts';
import { requireNew, type PlannedModule } from '../adapter-files/planned.ts';
import { openAnySafetensors, type SafetensorsFile } from '../checkpoints/safetensors-file.ts';
import {
  loadStableDiffusion,
  type StableDiffusionWeights,
} from '../checkpoints/stable-diffusion.ts';
import { requireOutputPath } from '../config/output-path.ts';
import { AdapterError, type Problem } from '../errors.ts';
import {
  copyRange,
  isOfModel,
  noLosses,
  refuseLosses,
  writeMerged,
  type Losses,
  type Merging,
} from '../export/merge.ts';
import { writeFileAtomically } from '../storage/write-file.ts';
import { writeFolder } from '../storage/write-folder.ts';
import type { FloatDType } from '../tensor/half.ts';
import { sizeOf, type ExternalTensor } from '../tensor/tensor.ts';
import { plural } from '../util/plural.ts';
import { faultsByKind, problemsByKind } from '../util/problems-by-kind.ts';
import { requireName } from './prepare.ts';
import { weighed } from './merge-adapters.ts';
import { summed } from './sum.ts';

export interface MergeIntoBaseOptions {
  /** Adapters for pictures: files or folders. */
  readonly paths: readonly string[];
  /** One for each path; 1 unless given. */
  readonly weights?: readonly number[];
  /** A single file, or a diffusers folder. */
  readonly base: string;
  /** A file, or a new folder, as the base is. */
  readonly output: string;
  /** Of all floating weights; each keeps its own unless given. */
  readonly dtype?: FloatDType;
  readonly force?: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface MergedBase extends Losses {
  /** Layers of the base that were changed. */
  readonly layers: number;
  readonly warnings: readonly Problem[];
}

/**
 * Writes the base with the adapters in its weights; one tensor of the base at a time is in memory,
 * and the adapters. Throws UserError where they do not fit, where the types of the weights would
 * lose nearly all changes, where something is there already; CheckpointError, SystemError.
 */
export function mergeIntoBase(options: MergeIntoBaseOptions): MergedBase {
  const { base, output } = options;
  requireOutputPath(output);
  const adapters = weighed(options);
  const model = loadStableDiffusion(base);
  const modules = summed(adapters, 'float32', () => undefined);
  requireFit(modules, model, base);
  const losses = noLosses();
  const job = { options, model, modules, losses, onTensor: counter(model, options.onProgress) };
  const left = model.layout === 'single-file' ? mergeFile(job) : mergeFolder(job);
  return { ...losses, layers: modules.length, warnings: [...model.warnings, ...left] };
}

interface Job {
  readonly options: MergeIntoBaseOptions;
  readonly model: StableDiffusionWeights;
  readonly modules: readonly PlannedModule[];
  readonly losses: Losses;
  readonly onTensor: () => void;
}

/** Returns what is to be told of the file. */
function mergeFile(job: Job): Problem[] {
  const { base, output, dtype, force = false } = job.options;
  requireName(output, 'file');
  requireNew([output], force);
  const onEnd = () => refuseLosses(job.losses, base, dtype);
  const file = openAnySafetensors(job.model.path);
  writeMerged(file, output, { ...mergingOf(file, job), onEnd });
  const averaged = [...file.tensors.keys()].filter((name) => name.startsWith('model_ema.'));
  return [
    ...leftOut(file, base),
    ...(averaged.length === 0
      ? []
      : [{ where: base, what: 'its averaged (EMA) weights are copied without the adapter' }]),
  ];
}

function leftOut({ unsupported }: SafetensorsFile, where: string): Problem[] {
  if (unsupported.size === 0) return [];
  const what = `${plural(unsupported.size, 'tensor')} of types that are not supported, left out`;
  return [{ where, what }];
}

/** Returns what is to be told of files that are not copied. */
function mergeFolder(job: Job): Problem[] {
  const { base, output, dtype } = job.options;
  const { model } = job;
  const weights = new Set(Array.from(model.weights.values(), ({ path }) => path));
  const told: Problem[] = [];
  writeFolder(output, (folder) => {
    for (const path of filesBelow(model.path)) {
      const to = join(folder, relative(model.path, path));
      if (weights.has(realpathSync(path))) {
        const file = openAnySafetensors(path);
        writeMerged(file, to, mergingOf(file, job));
        told.push(...leftOut(file, path));
      } else if (isOfModel(basename(path))) copyFile(path, to);
      else told.push({ where: path, what: 'not copied, as no part of a model' });
    }
    refuseLosses(job.losses, base, dtype);
  });
  return problemsByKind(told);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesBelow(path) : [path]));
}

function copyFile(from: string, to: string): void {
  const { size } = statSync(from);
  writeFileAtomically(to, (write) => copyRange(from, 0, size, write));
}

/** What is merged into one of the base's files: its tensors have their places as names. */
function mergingOf(
  file: SafetensorsFile,
  { options, model, modules, losses, onTensor }: Job,
): Merging {
  const byWeight = new Map(modules.map((module) => [`${module.path ?? ''}.weight`, module]));
  const nameAt = new Map(Array.from(model.weights, ([name, tensor]) => [placeOf(tensor), name]));
  const found = [...file.tensors].flatMap(([key, tensor]): [string, () => LoraWeights][] => {
    const module = byWeight.get(nameAt.get(placeOf(tensor)) ?? '');
    return module === undefined ? [] : [[key, () => weightsOf(module)]];
  });
  return { byWeight: new Map(found), rslora: false, dtype: options.dtype, losses, onTensor };
}

const placeOf = ({ path, offset }: ExternalTensor): string => `${offset} ${path}`;

const weightsOf = ({ path, name, down, up, alpha }: PlannedModule): LoraWeights => ({
  ...{ path: path ?? name, down: down.read(), up: up.read(), alpha },
});

function requireFit(
  modules: readonly PlannedModule[],
  { weights }: StableDiffusionWeights,
  base: string,
): void {
  const problems = modules.flatMap(({ path, name, down, up }): Problem[] => {
    const weight = weights.get(`${path ?? name}.weight`);
    const fix = 'Name the base model that the adapter was trained on.';
    if (weight === undefined)
      return [{ where: path ?? name, what: `the base model, ${base}, has no such layer`, fix }];
    const [out, ...rest] = weight.shape;
    if (out === up.shape[0] && sizeOf(rest) === sizeOf(down.shape.slice(1))) return [];
    const sizes = [up.shape[0], ...down.shape.slice(1)].join(', ');
    const what = `its weight is [${weight.shape.join(', ')}], but the adapter is for [${sizes}]`;
    return [{ where: path ?? name, what, fix }];
  });
  if (problems.length > 0) throw new AdapterError(faultsByKind(problems));
}

/** Counts the tensors of all files of the base. */
function counter(
  { weights }: StableDiffusionWeights,
  onProgress: MergeIntoBaseOptions['onProgress'],
): () => void {
  let done = 0;
  return () => onProgress?.(Math.min((done += 1), weights.size), weights.size);
}
