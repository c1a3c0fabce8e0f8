// The adapter that a new run goes on from: a run of ours, or a file of any trainer.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { plainModules, type AdapterFile } from '../adapter-files/adapter-file.ts';
import { sha256OfFile } from '../adapter-files/hashes.ts';
import { shapeProblem, type LoraWeights } from '../adapter-files/lora.ts';
import { openAdapter } from '../adapter-files/open-adapter.ts';
import type { Layer } from '../adapters/layers.ts';
import { loraParameters } from '../adapters/lora.ts';
import type { LoraSize } from '../adapters/lora-module.ts';
import { leftoverWarnings } from '../checkpoints/leftovers.ts';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import { AdapterError, UserError, type Problem } from '../errors.ts';
import type { RunFacts } from '../runs/facts.ts';
import { namedCheckpoint } from '../runs/run-names.ts';
import type { KnownRun } from '../runs/known-run.ts';
import { foundData, type RecordedData } from '../runs/samples.ts';
import { textSetting } from '../runs/settings.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { plural } from '../util/plural.ts';
import type { Elsewhere } from './both-sets.ts';

export interface StartingPoint {
  /** The adapter's file or folder. */
  readonly path: string;
  readonly file: AdapterFile;
  /** With the effective scale as alpha / rank. */
  readonly modules: readonly LoraWeights[];
  /** The samples of a run of ours, and of those that it came from; undefined for other adapters. */
  readonly before: RecordedData | undefined;
  /** Where that run had them. */
  readonly data: Elsewhere | undefined;
  readonly parent: NonNullable<RunFacts['parent']>;
  readonly warnings: readonly Problem[];
}

/**
 * What `continue_from` names: a run (folder, name, id, `name@step`), or an adapter. Throws
 * ConfigError, AdapterError or UserError, each with the key's place.
 */
export function startingPoint({
  config,
  published,
  source,
}: LoadedConfig): StartingPoint | undefined {
  const { continue_from: given } = config;
  if (given === undefined) return undefined;
  const where = placeOf('continue_from', source);
  const found = besideConfig(given, source.path);
  try {
    return opened(found, published.continue_from ?? given, config.task_type);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw error.withEach((problem) => ({ ...problem, where: `${where}: ${problem.where}` }));
  }
}

/** As other paths: from the current folder, or else from that of the configuration. */
function besideConfig(given: string, config: string | undefined): string {
  if (existsSync(given) || config === undefined) return given;
  const beside = join(dirname(config), given);
  return existsSync(beside) ? beside : given;
}

function opened(given: string, written: string, task: TrainConfig['task_type']): StartingPoint {
  const run = runOf(given);
  const path = run?.path ?? given;
  const file = openAdapter(path);
  if ((file.of === 'pictures') !== (task === 'image'))
    throw new AdapterError([otherKind(path, file)]);
  if (file.language?.start !== undefined) throw new AdapterError([changedBase(path)]);
  const [{ path: first }] = file.files;
  const parent = { from: written, file: first, sha256: sha256OfFile(first) };
  return {
    path,
    file,
    modules: plainModules(path, file.modules),
    before: run?.before,
    data: run?.data,
    parent: { ...parent, ...run?.parent },
    warnings: [...file.warnings, ...leftoverWarnings(file.leftovers, path)],
  };
}

const otherKind = (where: string, { of }: AdapterFile): Problem => ({
  where,
  what:
    of === 'pictures'
      ? 'this is an adapter for pictures, and the run trains a language model'
      : 'this is an adapter of a language model, and the run trains one for pictures',
  fix: 'Name an adapter of the same kind.',
});

const changedBase = (where: string): Problem => ({
  where,
  what: 'this adapter begins with a part that it takes out of its base (PiSSA or OLoRA), which a run cannot go on with',
  fix: 'Merge it into its base with lora merge, and train on the result.',
});

/** The checkpoint of a run of ours; undefined where there is a path that is of none. */
function runOf(given: string) {
  try {
    const { run, checkpoint } = namedCheckpoint(given);
    const { name } = checkpoint.saved[0].files[0];
    // a language model's adapter is its folder
    const file = join(run.dir, name);
    const path = name.endsWith('adapter_model.safetensors') ? dirname(file) : file;
    const parent = { run: run.facts.id, step: checkpoint.step };
    return { path, parent, before: foundData(run.dir)?.value, data: dataOf(run) };
  } catch (error) {
    if (!(error instanceof UserError) || !existsSync(given)) throw error;
    return undefined;
  }
}

function dataOf({ dir, data, settings }: KnownRun): Elsewhere {
  const [metadata_path, caption_extension] = (['metadata_path', 'caption_extension'] as const).map(
    (key) => textSetting(settings, key),
  );
  return {
    ...{ paths: [...data], near: dir },
    ...(metadata_path !== undefined && { metadata_path }),
    ...(caption_extension !== undefined && { caption_extension }),
  };
}

// ---- on a model

/** How the adapters of a run come from those of another. */
export interface Begun {
  /** By path; a layer that is absent has the size that the configuration gives it. */
  readonly sizes: ReadonlyMap<string, LoraSize>;
  /** By parameter name; those that are absent are drawn. */
  readonly weights: ReadonlyMap<string, Tensor<'float32'>>;
}

/**
 * The adapters of `modules` on the layers of a model. Throws AdapterError where the model has no
 * such layers, or others of that name.
 */
function begunWith(
  modules: readonly LoraWeights[],
  layers: readonly Layer[],
  where: string,
): Begun {
  const byPath = new Map(layers.map((layer) => [layer.path, layer]));
  const strange = modules.filter(({ path }) => !byPath.has(path)).map(({ path }) => path);
  const misfits = modules.flatMap((module) => {
    const layer = byPath.get(module.path);
    const what = layer && misfit(module, layer);
    return what === undefined ? [] : [`${module.path} ${what}`];
  });
  const fix = 'Name the base model that the adapter was trained on, or another adapter.';
  const problems = [
    ...told(strange, 'has adapters for layers that the base model does not have,', fix),
    ...told(misfits, 'does not fit the base model in', fix),
  ];
  if (problems.length > 0)
    throw new AdapterError(problems.map((problem) => ({ ...problem, where })));
  return {
    sizes: new Map(
      modules.map(({ path, alpha, down }) => [path, { rank: down.shape[0], alpha }] as const),
    ),
    weights: loraParameters(modules),
  };
}

function misfit({ down, up }: LoraWeights, { weightShape }: Layer): string | undefined {
  const problem = shapeProblem(down, up);
  if (problem !== undefined) return problem;
  const [outputs, ...inputs] = weightShape;
  const [, ...reads] = down.shape;
  const isSame = up.shape[0] === outputs && reads.join() === inputs.join();
  if (isSame) return undefined;
  const size = (shape: readonly number[]) => shape.join('×');
  return `is for a layer of ${size([up.shape[0], ...reads])}; the base model's is ${size(weightShape)}`;
}

/** What differs between the adapters that the configuration asks for and those that are there. */
function differences(
  { path, modules }: Pick<StartingPoint, 'path' | 'modules'>,
  wanted: ReadonlyMap<string, LoraSize>,
  where: string,
): Problem[] {
  const has = new Set(modules.map((module) => module.path));
  const lacking = [...wanted.keys()].filter((one) => !has.has(one));
  const besides = [...has].filter((one) => !wanted.has(one));
  const other = modules.filter(({ path: one, down, alpha }) => {
    const size = wanted.get(one);
    return size !== undefined && (size.rank !== down.shape[0] || size.alpha !== alpha);
  });
  return [
    ...told(
      lacking,
      `has no adapter for`,
      'They begin at zero, with the rank and alpha of the configuration.',
    ),
    ...told(
      besides,
      `has, besides what the configuration asks for, adapters for`,
      'They are trained as well, so that nothing of what it has learned is lost.',
    ),
    ...told(
      other.map((module) => module.path),
      'has other ranks or alphas than the configuration for',
      'They keep those that they have: what the adapter does stays the same at the start.',
    ),
  ].map((problem) => ({ ...problem, where: `${where}: ${path}` }));
}

const MOST_NAMED = 3;

function told(paths: readonly string[], what: string, fix: string): Omit<Problem, 'where'>[] {
  if (paths.length === 0) return [];
  const more = paths.length - MOST_NAMED;
  const listed = [...paths.slice(0, MOST_NAMED), ...(more > 0 ? [`${more} more`] : [])];
  return [{ what: `${what} ${plural(paths.length, 'layer')}: ${listed.join(', ')}`, fix }];
}

// ---- in a run

const adapterSize = z.strictObject({ path: z.string(), rank: z.int(), alpha: z.number() });

/** What a run that went on from an adapter records of it, so that it needs that no more. */
export const begunDecision = z
  .strictObject({
    adapters: z.array(adapterSize),
    /** Whether there are modules that the run keeps as they are: they are read again. */
    keeps: z.boolean(),
  })
  .optional();

export type BegunDecision = z.output<typeof begunDecision>;

export interface BegunRun extends Begun {
  /** Modules of layers that this run has not; they are saved as they are. */
  readonly kept: readonly LoraWeights[];
  readonly warnings: readonly Problem[];
  readonly decision: BegunDecision;
}

export interface BegunOptions {
  readonly start: StartingPoint | undefined;
  /** Of an earlier start of this run. */
  readonly recorded: BegunDecision;
  /** The layers that can have adapters in this run, and those that the configuration asks for. */
  readonly layers: readonly Layer[];
  readonly wanted: ReadonlyMap<string, LoraSize>;
  /** Layers of the model that this run has not. */
  readonly absent?: ReadonlySet<string>;
  /** The place of `continue_from`. */
  readonly where: string;
}

const nothing: BegunRun = {
  ...{ sizes: new Map(), weights: new Map(), kept: [], warnings: [] },
  decision: undefined,
};

/** How the adapters of a run begin. Throws AdapterError where they do not fit the base model. */
export function begunRun(options: BegunOptions): BegunRun {
  const { start, recorded, layers, wanted, absent = new Set(), where } = options;
  const isKept = ({ path }: LoraWeights) => absent.has(path);
  const kept = start?.modules.filter(isKept) ?? [];
  if (recorded !== undefined) {
    const sizes = new Map(recorded.adapters.map(({ path, ...size }) => [path, size]));
    return { ...nothing, sizes, kept, decision: recorded };
  }
  if (start === undefined) return nothing;
  const modules = start.modules.filter((module) => !isKept(module));
  const begun = begunWith(modules, layers, `${where}: ${start.path}`);
  const adapters = Array.from(begun.sizes, ([path, size]) => ({ path, ...size }));
  return {
    ...begun,
    kept,
    decision: { adapters, keeps: kept.length > 0 },
    warnings: [...start.warnings, ...differences({ path: start.path, modules }, wanted, where)],
  };
}
