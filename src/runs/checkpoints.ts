// The adapters that a run has saved: as run.json lists them or, of runs from before it did, as
// their names on disk tell.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { openSafetensors } from '../checkpoints/safetensors-file.ts';
import { CheckpointError } from '../errors.ts';
import type { Checkpoint, RunFacts } from './facts.ts';
import type { Metrics } from './metrics.ts';

export interface SavedFile {
  /** Inside the run's folder, with forward slashes. */
  readonly name: string;
  readonly bytes: number;
  /** Undefined where the run comes from before hashes were recorded. */
  readonly sha256?: string;
}

/** The files of one moment. */
export interface SavedAdapter {
  readonly step: number;
  /** The result of the run, under its own name. */
  readonly final: boolean;
  /** The adapter first. */
  readonly files: readonly SavedFile[];
  readonly at?: string;
  readonly loss?: number;
  readonly validationLoss?: number;
}

/** What a run has of one step. */
export interface KnownCheckpoint {
  readonly step: number;
  /** Under the names of a checkpoint, of the result, or of both. */
  readonly saved: readonly SavedAdapter[];
  /** The result of the run is of this step. */
  readonly current: boolean;
  /** It did best on what was held back. */
  readonly best: boolean;
  readonly tags: readonly string[];
  /** Moving mean of the training's losses then. */
  readonly loss?: number;
  readonly validationLoss?: number;
}

/** By step. `metrics` says what run.json does not. */
export function knownCheckpoints(
  dir: string,
  facts: RunFacts,
  metrics: Metrics,
): KnownCheckpoint[] {
  const saved = savedAdapters(dir, facts, metrics);
  const steps = [...new Set(saved.map(({ step }) => step))].sort((a, b) => a - b);
  const known = steps.map((step) => {
    const ofStep = saved.filter((one) => one.step === step);
    return {
      step,
      saved: ofStep,
      current: ofStep.some(({ final }) => final),
      tags: facts.tags.filter((one) => one.step === step).map(({ tag }) => tag),
      ...lossesAt(step, ofStep, metrics),
    };
  });
  const best = bestStep(known);
  return known.map((one) => ({ ...one, best: one.step === best }));
}

function lossesAt(
  step: number,
  saved: readonly SavedAdapter[],
  { steps, validations }: Metrics,
): Pick<KnownCheckpoint, 'loss' | 'validationLoss'> {
  const recorded = <K extends 'loss' | 'validationLoss'>(key: K) =>
    saved.find((one) => one[key] !== undefined)?.[key];
  const loss = recorded('loss') ?? steps.find((point) => point.step === step)?.average;
  const validationLoss =
    recorded('validationLoss') ?? validations.find((point) => point.step === step)?.loss;
  return {
    ...(loss !== undefined && { loss }),
    ...(validationLoss !== undefined && { validationLoss }),
  };
}

/**
 * The step with the lowest loss on what was held back; undefined where nothing was: the loss on
 * what is trained falls whatever becomes of all else.
 */
function bestStep(known: readonly Omit<KnownCheckpoint, 'best'>[]): number | undefined {
  const measured = known.flatMap(({ step, validationLoss: loss }) =>
    loss !== undefined && Number.isFinite(loss) ? [{ step, loss }] : [],
  );
  return measured.sort((a, b) => a.loss - b.loss || a.step - b.step).at(0)?.step;
}

/** Those that run.json lists, or else those that are found by their names. */
export function savedAdapters(
  dir: string,
  facts: RunFacts,
  metrics: Pick<Metrics, 'steps'>,
): SavedAdapter[] {
  const listed: readonly Checkpoint[] = facts.checkpoints;
  return listed.length > 0 ? [...listed] : foundAdapters(dir, facts, metrics);
}

/** The adapter of a language model, in the run's folder itself and in those of checkpoints. */
const PEFT_WEIGHTS = 'adapter_model.safetensors';
/** The same bytes as the adapter for pictures, under the name that diffusers expects. */
const TWIN = 'pytorch_lora_weights.safetensors';

function foundAdapters(
  dir: string,
  { files }: RunFacts,
  { steps }: Pick<Metrics, 'steps'>,
): SavedAdapter[] {
  const there = files.filter((name) => existsSync(join(dir, name)));
  const between = there.flatMap((name) => betweenNamed(dir, name));
  const last = steps.at(-1)?.step ?? Math.max(0, ...between.map(({ step }) => step));
  return [...between, ...finalNamed(dir, there, last)];
}

const folderOfStep = /^checkpoint-(\d+)$/;
const fileOfStep = /-step(\d{8,})\.safetensors$/;

/** Whether an entry of a run's folder has the name of a checkpoint. */
export const isBetween = (entry: string): boolean =>
  folderOfStep.test(entry) || fileOfStep.test(entry);

function betweenNamed(dir: string, entry: string): SavedAdapter[] {
  const folder = folderOfStep.exec(entry);
  const file = fileOfStep.exec(entry);
  const step = Number((folder ?? file)?.[1]);
  if (folder !== null && existsSync(join(dir, entry, PEFT_WEIGHTS))) {
    const names = adapterFirst(readdirSync(join(dir, entry)).filter((name) => name[0] !== '.'));
    return [{ step, final: false, files: names.map((name) => sized(dir, `${entry}/${name}`)) }];
  }
  return file === null ? [] : [{ step, final: false, files: [sized(dir, entry)] }];
}

/** What belongs to an adapter of a language model beside its weights. */
const companion =
  /^(adapter_config\.json|tokenizer[\w.]*|special_tokens_map\.json|chat_template\.\w+|added_tokens\.json|vocab\.json|merges\.txt)$/;

function finalNamed(dir: string, entries: readonly string[], last: number): SavedAdapter[] {
  const isResult = (name: string) => name.endsWith('.safetensors') && !fileOfStep.test(name);
  const names = entries.includes(PEFT_WEIGHTS)
    ? adapterFirst(entries.filter((name) => name === PEFT_WEIGHTS || companion.test(name)))
    : entries.filter(isResult).sort((a, b) => Number(a === TWIN) - Number(b === TWIN));
  if (names.length === 0) return [];
  const step = notedStep(join(dir, names[0])) ?? last;
  return [{ step, final: true, files: names.map((name) => sized(dir, name)) }];
}

const adapterFirst = (names: readonly string[]): string[] =>
  [...names].sort((a, b) => Number(b === PEFT_WEIGHTS) - Number(a === PEFT_WEIGHTS));

const sized = (dir: string, name: string): SavedFile => ({
  name,
  bytes: statSync(join(dir, name)).size,
});

/** What an adapter for pictures says itself. */
function notedStep(path: string): number | undefined {
  try {
    const noted = openSafetensors(path).metadata.ss_steps;
    return noted !== undefined && /^\d+$/.test(noted) ? Number(noted) : undefined;
  } catch (error) {
    if (error instanceof CheckpointError) return undefined; // damaged: verify says so
    throw error;
  }
}

/** Where a checkpoint of `step` lies, of a file that lies at `name` as the result of the run. */
export const betweenName = (name: string, step: number, task: 'image' | 'text-generation') =>
  task === 'image'
    ? `${basename(name, '.safetensors')}-step${String(step).padStart(8, '0')}.safetensors`
    : `checkpoint-${step}/${name}`;
