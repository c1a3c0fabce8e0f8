// Training of a language model on batches that the caller gives, token for token: nothing is left
// to chance.

import { lora, loraParameters } from '../../adapters/lora.ts';
import { loadLanguageModel, type LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import type { TrainConfigInput } from '../../config/schema.ts';
import { NO_LABEL, type TextTensors } from '../../dataset/text/batches.ts';
import type { LanguageModelConfig } from '../../models/language-config.ts';
import { AdapterError, DataError, InternalError, type Problem } from '../../errors.ts';
import { loraScale, type StoredLora } from '../../adapter-files/language-lora.ts';
import type { LoraWeights } from '../../adapter-files/lora.ts';
import { fitted } from '../../export/adapter-fit.ts';
import type { OnLayer } from '../../export/start.ts';
import { readAdapterFolder } from '../../adapter-files/adapter-folder.ts';
import { unknownId, unknownPlace } from '../../tokenizer/unknown-id.ts';
import { toFloat32 } from '../../tensor/half.ts';
import { float32, int32, sameShape, type Shape, type Tensor } from '../../tensor/tensor.ts';
import { problemsByKind, type FoundProblem } from '../../util/problems-by-kind.ts';
import {
  givenSettings,
  givenSteps,
  type GivenSettings,
  type OpenRuntime,
} from '../given-settings.ts';
import type { StepResult } from '../loop.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { MainShape, MicroBatch } from '../programs.ts';
import {
  adaptLanguageModel,
  languageLoraWeights,
  type AdaptedLanguageModel,
} from './adapted-model.ts';
import { textShapeOf, weighted } from './batches.ts';
import { recomputed } from './language-loss.ts';
import { textMemoryPlan } from './memory-plan.ts';

/** One batch as transformers' models take it; rows are padded on the right. */
export interface GivenTextBatch {
  /** [N, T]. */
  readonly input_ids: Tensor<'int32'>;
  /** [N, T]: the token itself where it is trained, -100 where not; shifted here. */
  readonly labels: Tensor<'int32'>;
  /**
   * [N, T]: 1 for tokens, then 0 for what fills the row. It tells a row's own length, by which
   * "dynamic" and LongRoPE scaling go; without it that is T.
   */
  readonly attention_mask?: Tensor<'int32'>;
}

/**
 * The keys of the YAML file; those that say where data and results lie are not needed.
 * `max_train_steps` is the length.
 */
export type GivenTextSettings = Partial<TrainConfigInput> & {
  readonly base_model: string;
  readonly max_train_steps: number;
};

export interface GivenTextOptions {
  /**
   * The batch of a step, 0 for the first; several are accumulated, each trained token with the same
   * weight.
   */
  readonly batchesAt: (step: number) => GivenTextBatch | readonly GivenTextBatch[];
  /**
   * Adapter weights to begin with: a PEFT folder, or tensors by `loraParameter`'s names (down is
   * PEFT's A, up its B). Those it lacks are drawn from the seed.
   */
  readonly initial?: string | ReadonlyMap<string, Tensor>;
  /** Follows what an `initial` folder costs whose adapter changed its base (PiSSA). */
  readonly onLayer?: OnLayer;
  /** Default: `openRuntime`. */
  readonly open?: OpenRuntime;
}

export interface GivenTextTraining {
  /** Keys that have no effect in this run, and what runs otherwise than it was written. */
  readonly warnings: readonly Problem[];
  /** Trains; yields the loss, the gradient's norm and the learning rates of each step. */
  steps(): AsyncGenerator<StepResult>;
  /** The adapters as they are now, with PEFT's alpha. */
  lora(): LoraWeights[];
}

/**
 * Prepares adapters of `settings.base_model` for training on given batches; no dropout. Throws
 * ConfigError or CheckpointError.
 */
export function trainTextWithBatches(
  settings: GivenTextSettings,
  { batchesAt, initial, onLayer, open }: GivenTextOptions,
): GivenTextTraining {
  const given = givenSettings('text-generation', settings);
  const { config } = given;
  const base = loadLanguageModel(config.base_model);
  const adapted = adaptLanguageModel(base.config, config);
  const folder = typeof initial === 'string' ? readAdapterFolder(initial) : undefined;
  if (folder !== undefined)
    begin(
      adapted,
      fromFolder(folder, adapted, base, onLayer),
      String(initial),
      folder.start === undefined ? '' : DOUBLED,
    );
  if (initial !== undefined && typeof initial !== 'string') begin(adapted, initial, 'initial');
  const batches = (step: number) => toMicroBatches(batchesAt(step), step, base.config);
  return {
    warnings: [...base.warnings, ...(folder?.warnings ?? []), ...given.warningsFor(adapted.groups)],
    lora: () => languageLoraWeights(adapted, config.use_rslora),
    async *steps() {
      yield* givenSteps({
        settings: given,
        groups: adapted.groups,
        batchesAt: batches,
        model: {
          weights: base.weights,
          trainable: [...adapted.weights.keys()],
          lossGraph: (key) => adapted.lossGraph(textShapeOf(key)),
          segmentOf: recomputed(config.gradient_checkpointing),
        },
        mainShape: (runtime, first) => mainShapeOf(first, { runtime, base, adapted, ...given }),
        open,
      });
    },
  };
}

interface Prepared extends Pick<GivenSettings, 'config' | 'totalSteps'> {
  readonly runtime: Runtime;
  readonly base: LanguageModelWeights;
  readonly adapted: AdaptedLanguageModel;
}

/** That of all batches of the first step, where memory that is spent on it makes it faster. */
function mainShapeOf(
  first: readonly MicroBatch[],
  { runtime, base, adapted, config, totalSteps }: Prepared,
): MainShape | undefined {
  const [{ shapeKey }] = first;
  if (first.some((batch) => batch.shapeKey !== shapeKey)) return undefined;
  const memory = textMemoryPlan(runtime, adapted, base, textShapeOf(shapeKey), config);
  const workload = { runs: totalSteps * first.length, spare: memory.spare };
  return memory.spentOn(workload) > 0 ? { shapeKey, workload } : undefined;
}

type Given = GivenTextBatch | readonly GivenTextBatch[];

function toMicroBatches(given: Given, step: number, model: LanguageModelConfig): MicroBatch[] {
  const batches = ('labels' in given ? [given] : given).map((batch) =>
    withoutPadding(batch, model.vocab_size),
  );
  const problems = batches.flatMap((batch, i) =>
    idProblems(batch, `batch ${i} of step ${step}`, model.vocab_size),
  );
  if (problems.length > 0) throw new DataError(problems);
  return weighted(batches.map(toTensors), model, false);
}

/** What the mask hides may be no id at all, such as -1: then it is 0. */
function withoutPadding(batch: GivenTextBatch, rows: number): GivenTextBatch {
  const { input_ids, attention_mask: mask } = batch;
  if (mask === undefined || !sameShape(mask.shape, input_ids.shape)) return batch;
  const ids = input_ids.data.map((id, i) =>
    mask.data[i] === 0 && unknownId([id], rows) !== undefined ? 0 : id,
  );
  return { ...batch, input_ids: int32(input_ids.shape, ids) };
}

function idProblems({ input_ids, labels }: GivenTextBatch, where: string, ids: number): Problem[] {
  const trained = int32(
    labels.shape,
    labels.data.map((label) => (label === NO_LABEL ? 0 : label)),
  );
  return [['input_ids', input_ids] as const, ['labels', trained] as const].flatMap(
    ([name, tensor]) => {
      const what = unknownPlace(tensor, ids);
      const orNone = name === 'labels' ? `, or ${NO_LABEL}` : '';
      const fix = `Give ids of the model's own tokenizer${orNone}.`;
      return what === undefined ? [] : [{ where: `${where}, ${name}`, what, fix }];
    },
  );
}

function toTensors({ input_ids, labels, attention_mask }: GivenTextBatch): TextTensors {
  const [rows, length] = input_ids.shape;
  if (!sameShape(input_ids.shape, labels.shape))
    throw new InternalError(
      `a batch of input_ids [${input_ids.shape}] and labels [${labels.shape}]`,
    );
  if (attention_mask !== undefined && !paddedOnTheRight(attention_mask, input_ids.shape))
    throw new InternalError(
      `an attention_mask [${attention_mask.shape}] that is not 1 for tokens, then 0 in each row`,
    );
  // the label of a row's first token is predicted by nothing
  const targets = labels.data.map((_, i) =>
    i % length === length - 1 ? NO_LABEL : labels.data[i + 1],
  );
  const targetCount = targets.reduce((sum, target) => sum + Number(target !== NO_LABEL), 0);
  return {
    rows,
    length,
    ids: input_ids.data,
    targets,
    positions: new Int32Array(),
    segments: attention_mask?.data ?? new Int32Array(rows * length).fill(1),
    targetCount,
  };
}

function paddedOnTheRight({ shape, data }: Tensor<'int32'>, wanted: Shape): boolean {
  const [, length] = wanted;
  return (
    sameShape(shape, wanted) &&
    data.every((one) => one === 0 || one === 1) &&
    data.every((one, i) => i % length === 0 || one <= data[i - 1])
  );
}

/**
 * The folder's adapters with the effect they had: where its scale is not this run's, up is
 * multiplied.
 */
function fromFolder(
  stored: StoredLora,
  { modules }: AdaptedLanguageModel,
  base: LanguageModelWeights,
  onLayer?: OnLayer,
): ReadonlyMap<string, Tensor> {
  const file = fitted({ ...base, tensors: base.weights }, stored, base.weights, onLayer);
  const scales = new Map(modules.map(({ path, alpha, rank }) => [path, alpha / rank]));
  return loraParameters(
    file.modules.map((module) => {
      const scale = loraScale(module, file.rslora);
      const { shape, data } = toFloat32(module.up);
      const up = float32(
        shape,
        data.map((value) => (value * scale) / (scales.get(module.path) ?? scale)),
      );
      return { ...module, up };
    }),
  );
}

const DOUBLED =
  ' The part that this adapter took out of its base goes along, so its rank is twice that of its file.';

/**
 * Throws AdapterError for weights that no adapter of this run has, or of another shape; `note`
 * ends the remedy for the latter.
 */
function begin(
  { weights }: AdaptedLanguageModel,
  given: ReadonlyMap<string, Tensor>,
  where: string,
  note = '',
): void {
  const problems = [...given].flatMap(([name, { shape }]): FoundProblem[] => {
    const wanted = weights.get(name)?.shape;
    const at = `${where} ${name}`;
    if (wanted === undefined) {
      const what = 'no adapter of this run has this weight';
      return [{ where: at, what, fix: 'Name its layer in target_modules.' }];
    }
    if (sameShape(shape, wanted)) return [];
    const what = `is [${shape}], but should be [${wanted}]`;
    const rank = shape[lora.partOf(name)?.part === 'up' ? 1 : 0];
    return [{ where: at, what, kind: 'shape', fix: `Set lora_rank to ${rank}.${note}` }];
  });
  if (problems.length > 0) throw new AdapterError(problemsByKind(problems));
  for (const [name, tensor] of given) weights.get(name)?.data.set(toFloat32(tensor).data);
}
