// The text task: adapters for a language model from files of conversations, questions with answers,
// or texts.

import { loadLanguageModel, type LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { textBatchPlan, type TextBatchPlan } from '../../dataset/text/batches.ts';
import { ConfigError, type Problem } from '../../errors.ts';
import type { EvalSet } from '../../eval/eval-file.ts';
import { ggufLoraProblems } from '../../export/gguf-lora.ts';
import { tokenizerWithTemplate } from '../../export/template-files.ts';
import type { TellNarrowing } from '../../export/narrowing.ts';
import { peftConfig, writePeftWeights } from '../../export/peft.ts';
import { readTextTokenizer, type TextTokenizer } from '../../tokenizer/text.ts';
import { type PlanEvent, type WarningEvent, phase } from '../../events.ts';
import type { MicroBatch } from '../programs.ts';
import type { OpenTask, SavePoint, Task, TaskContext, TaskEvent } from '../task.ts';
import {
  adaptLanguageModel,
  languageLoraWeights,
  type AdaptedLanguageModel,
} from './adapted-model.ts';
import { lastAnswers, previews, questionsOf, requireAskable } from './answers.ts';
import { batchesOfStep, stepsPerEpoch, textMicroBatches, textShapeOf } from './batches.ts';
import { readTextData, type TextRunData } from './data.ts';
import { recomputed } from './language-loss.ts';
import { packsWeights, textMemoryPlan, type TextMemoryPlan } from './memory-plan.ts';
import { validate } from './validation.ts';

export const textTask: Task = { open };

/** What an opened run has at hand. */
interface Opened extends TextRunData {
  readonly config: TrainConfig;
  readonly context: TaskContext;
  readonly base: LanguageModelWeights;
  readonly tokenizer: TextTokenizer;
  readonly adapted: AdaptedLanguageModel;
  readonly batches: TextBatchPlan;
  readonly memory: TextMemoryPlan;
  readonly questions: EvalSet | undefined;
  /** The shape whose program packs its weights. */
  readonly packWeightsOf?: string;
}

/** Programs kept: rows come in several lengths, and one takes under a second to make. */
const PROGRAMS = 4;

async function* open(job: LoadedConfig, context: TaskContext): AsyncGenerator<TaskEvent, OpenTask> {
  const { config } = job;
  yield phase('loading the base model');
  const base = loadLanguageModel(config.base_model);
  const tokenizer = readTextTokenizer(base.path);
  const adapted = adaptLanguageModel(base.config, config);
  requireExportable(job, base, adapted);
  yield phase('reading the data');
  const questions = await questionsOf(config);
  const data = await readTextData(job, tokenizer, base.config);
  requireAskable({ base, config, tokenizer, template: data.template, questions });
  yield* warnings(job, base, data);
  yield phase('planning');
  const batches = textBatchPlan({
    ...batchOptions(config),
    lengths: data.train.map(({ ids }) => ids.length),
    weights: data.weights,
  });
  const memory = textMemoryPlan(adapted, base, largestShape(config, data), config);
  const opened = { ...data, config, context, base, tokenizer, adapted, batches, memory, questions };
  return taskOf({ ...opened, packWeightsOf: shapeToPackFor(opened) });
}

const batchOptions = ({
  batch_size,
  max_seq_length,
  seed,
  packing,
  group_by_length,
}: TrainConfig) => ({
  batchSize: batch_size,
  maxSeqLength: max_seq_length,
  seed,
  packing,
  groupByLength: group_by_length,
  lengthStep: lengthStep(max_seq_length),
});

/** Rows come in eight lengths. */
const lengthStep = (maxSeqLength: number): number => Math.ceil(maxSeqLength / 8);

/** Tokens of a row with a sequence of this length. */
const rowLength = (length: number, { packing, max_seq_length }: TrainConfig): number =>
  packing
    ? max_seq_length
    : Math.min(
        max_seq_length,
        Math.ceil(length / lengthStep(max_seq_length)) * lengthStep(max_seq_length),
      );

function largestShape(config: TrainConfig, { train }: TextRunData) {
  const length = Math.max(...train.map(({ ids }) => rowLength(ids.length, config)));
  return {
    rows: Math.min(config.batch_size, train.length),
    length,
    trained: length,
    packed: config.packing,
  };
}

/** Every layer must have a place in the files that the adapter is exported to. */
function requireExportable(
  { source }: LoadedConfig,
  { config }: LanguageModelWeights,
  { modules }: AdaptedLanguageModel,
): void {
  const problems = ggufLoraProblems(
    modules.map(({ path }) => path),
    config,
  );
  if (problems.length > 0)
    throw new ConfigError(
      problems.map(({ where, what }) => ({
        where: placeOf('target_modules', source),
        what: `${where}: ${what}`,
        fix: 'Leave it out of target_modules.',
      })),
    );
}

function* warnings(
  { config, source }: LoadedConfig,
  { config: model, warnings: ofModel }: LanguageModelWeights,
  { warnings: found }: TextRunData,
): Generator<WarningEvent> {
  const tell = (problem: Problem): WarningEvent => ({ type: 'warning', problem });
  const { max_position_embeddings: most } = model;
  if (config.max_seq_length > most)
    yield tell({
      where: placeOf('max_seq_length', source),
      what: `${config.max_seq_length} is more than the ${most} tokens that the model was made for`,
    });
  yield* [...ofModel, ...found].map(tell);
}

function taskOf(opened: Opened): OpenTask {
  const { config, train, adapted, base, batches, memory, packWeightsOf } = opened;
  const perEpoch = stepsPerEpoch(batches, config.gradient_accumulation_steps);
  let lastStep = 0;
  return {
    plan: {
      samples: train.length,
      sampleName: 'sequence',
      shapes: shapesOf(config, opened),
      adaptedModules: adapted.modules.length,
      memoryEstimate: memory.bytes + (packWeightsOf === undefined ? 0 : memory.packable),
    },
    stepsPerEpoch: perEpoch,
    groups: adapted.groups,
    frozen: base.weights,
    programs: {
      alive: PROGRAMS,
      segmentOf: recomputed(config.gradient_checkpointing),
      packWeightsOf,
    },
    lossGraph: (key) => adapted.lossGraph(textShapeOf(key), { dropout: true }),
    async *prepare() {},
    batchesAt: (step) => microBatchesAt(opened, step),
    files: (at, tell) => adapterFiles(opened, at, tell),
    async *watch(step, final) {
      lastStep = step;
      const isDue = step === 0 || final || step % (config.validation_steps || perEpoch) === 0;
      if (isDue && opened.validation.length > 0)
        yield yield* validate(opened.validation, step, validationOptions(opened));
      if (config.sample_every > 0 && step > 0 && !final && step % config.sample_every === 0)
        yield* previews(opened, step);
    },
    finish: (write) => lastAnswers(opened, lastStep, opened.questions, write),
  };
}

/** Whether all rows have one length, and nothing else is computed between steps. */
const hasMemoryAlone = (config: TrainConfig, data: TextRunData): boolean =>
  shapesOf(config, data).length === 1 && data.validation.length === 0 && config.sample_every === 0;

/** Steps that are looked at for their shapes. */
const LOOKED_AT = 64;

/**
 * The shape of all micro-batches of the first steps, if they have one and packing is worth it. A
 * pure function of data, configuration and machine.
 */
function shapeToPackFor(opened: Opened): string | undefined {
  const { config, batches, memory } = opened;
  const accumulation = config.gradient_accumulation_steps;
  const steps = config.max_train_steps ?? config.epochs * stepsPerEpoch(batches, accumulation);
  if (!hasMemoryAlone(config, opened) || !packsWeights(memory, { runs: steps * accumulation }))
    return undefined;
  const shapes = new Set(
    Array.from({ length: Math.min(steps, LOOKED_AT) }, (_, step) =>
      partsAt(opened, step).map(({ shapeKey }) => shapeKey),
    ).flat(),
  );
  return shapes.size === 1 ? [...shapes][0] : undefined;
}

/** How many sequences fall in each length of rows. */
function shapesOf(config: TrainConfig, { train }: TextRunData): PlanEvent['shapes'] {
  const counts = new Map<number, number>();
  for (const { ids } of train) {
    const length = rowLength(ids.length, config);
    counts.set(length, (counts.get(length) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([length, count]) => ({
      label: `${config.packing ? '' : 'up to '}${length} tokens`,
      count,
    }));
}

function partsAt(
  { config, train, base, batches, memory, tokenizer }: Opened,
  step: number,
): MicroBatch[] {
  return textMicroBatches(train, batchesOfStep(batches, config.gradient_accumulation_steps, step), {
    model: base.config,
    pad: tokenizer.pad ?? 0,
    microBatch: memory.microBatch,
    packed: config.packing,
  });
}

function microBatchesAt(opened: Opened, step: number): MicroBatch[] {
  const { config, adapted } = opened;
  const mostParts = config.gradient_accumulation_steps * config.batch_size;
  return partsAt(opened, step).map(({ shapeKey, inputs }, i) => ({
    shapeKey,
    inputs: { ...inputs, ...adapted.dropoutInputs(textShapeOf(shapeKey), step * mostParts + i) },
  }));
}

function validationOptions({ config, adapted, base, context, tokenizer, memory }: Opened) {
  const { max_seq_length: maxSeqLength } = config;
  return {
    adapted,
    model: base.config,
    weights: base.weights,
    threads: context.threads,
    pad: tokenizer.pad ?? 0,
    rows: memory.microBatch,
    lengthStep: lengthStep(maxSeqLength),
    maxSeqLength,
  };
}

/** A PEFT folder: the run folder itself at the end, `checkpoint-<step>` before. */
function adapterFiles(
  { config, adapted, base, tokenizer, template }: Opened,
  at: SavePoint,
  tell: TellNarrowing,
): ReadonlyMap<string, Uint8Array> {
  const lora = {
    modules: languageLoraWeights(adapted, config.use_rslora),
    rslora: config.use_rslora,
    dtype: config.save_precision,
    tell,
    baseModel: config.base_model,
    dropout: config.lora_dropout,
    adaptable: adapted.adaptable,
  };
  const folder = at.final ? '' : `checkpoint-${at.step}/`;
  const trained =
    template === undefined || template.source === tokenizer.chatTemplate
      ? []
      : [...tokenizerWithTemplate(base.path, template.source)];
  return new Map([
    [`${folder}adapter_model.safetensors`, writePeftWeights(lora)],
    [
      `${folder}adapter_config.json`,
      new TextEncoder().encode(`${JSON.stringify(peftConfig(lora), null, 2)}\n`),
    ],
    ...trained.map(([name, content]) => [`${folder}${name}`, content] as const),
  ]);
}
