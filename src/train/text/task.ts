// The text task: adapters for a language model from files of conversations, questions with answers,
// or texts.

import { z } from 'zod';
import { loadLanguageModel, type LanguageModelWeights } from '../../checkpoints/hf-folder.ts';
import { placeOf, type LoadedConfig } from '../../config/load.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { textBatchPlan, type TextBatchPlan } from '../../dataset/text/batches.ts';
import { ConfigError, InternalError, type Problem } from '../../errors.ts';
import type { EvalSet } from '../../eval/eval-file.ts';
import { findBase } from '../../export/base-folder.ts';
import { ggufLoraProblems } from '../../export/gguf-lora.ts';
import { tokenizerWithTemplate } from '../../export/template-files.ts';
import type { TellNarrowing } from '../../adapter-files/narrowing.ts';
import { peftConfig, writePeftWeights } from '../../adapter-files/peft.ts';
import { readTextTokenizer, type TextTokenizer } from '../../tokenizer/text.ts';
import { type PlanEvent, type WarningEvent, phase } from '../../events.ts';
import type { MainShape, MicroBatch } from '../programs.ts';
import { comparedDecision } from '../both-sets.ts';
import { begunDecision, begunRun, type BegunRun } from '../starting-point.ts';
import type { OpenTask, SavePoint, Task, TaskContext, TaskEvent } from '../task.ts';
import {
  adaptLanguageModel,
  languageLoraWeights,
  wantedAdapters,
  type AdaptedLanguageModel,
} from './adapted-model.ts';
import { lastAnswers, questionsOf, requireAskable } from './answers.ts';
import { batchesOfStep, stepsPerEpoch, textMicroBatches, textShapeOf } from './batches.ts';
import { readTextData, type TextRunData } from './data.ts';
import { recomputed } from './language-loss.ts';
import { TextLooks } from './looks.ts';
import { PROGRAMS, textMemoryPlan, type TextMemoryPlan } from './memory-plan.ts';
import { rowLength, rowLengths, type RowLengths } from './row-lengths.ts';
import { textRehearsals } from './rehearsals.ts';
import { smallerRuns } from './smaller-runs.ts';

export const textTask: Task = { open };

/** What an opened run has at hand. */
interface Opened extends TextRunData {
  readonly config: TrainConfig;
  /** The base model as it was written. */
  readonly baseModel: string;
  readonly context: TaskContext;
  readonly base: LanguageModelWeights;
  readonly tokenizer: TextTokenizer;
  readonly adapted: AdaptedLanguageModel;
  readonly begun: BegunRun;
  readonly rows: RowLengths;
  readonly batches: TextBatchPlan;
  readonly memory: TextMemoryPlan;
  readonly questions: EvalSet | undefined;
  readonly main?: MainShape;
}

async function* open(job: LoadedConfig, context: TaskContext): AsyncGenerator<TaskEvent, OpenTask> {
  const { config } = job;
  yield phase('loading the base model');
  const base = loadLanguageModel(config.base_model);
  const tokenizer = readTextTokenizer(base.path);
  const begun = begunTexts(job, base, context);
  for (const problem of begun.warnings) yield { type: 'warning', problem };
  const { sizes, weights: initial } = begun;
  const adapted = adaptLanguageModel(base.config, config, { sizes, initial });
  requireExportable(job, base, adapted);
  yield phase('reading the data');
  const questions = await questionsOf(config);
  const recorded = decided(context);
  const data = await readTextData(job, tokenizer, context, recorded?.compared);
  requireAskable({ base, config, tokenizer, template: data.template, questions });
  yield* warnings(job, base, { tokenizer, data });
  yield phase('planning');
  const lengths = data.train.map(({ ids }) => ids.length);
  const rows = rowLengths(config, lengths, data.weights);
  const batches = textBatchPlan({ ...batchOptions(config, rows), lengths, weights: data.weights });
  yield* underfilled(job, batches);
  const memory = textMemoryPlan(
    context.runtime,
    adapted,
    base,
    largestShape(config, rows, batches),
    config,
    recorded?.microBatch,
  );
  const baseModel = job.published.base_model;
  const plan = { adapted, begun, rows, batches, memory, questions };
  const opened = { ...data, ...plan, config, baseModel, context, base, tokenizer };
  const main = recorded?.main === undefined ? mainShapeOf(opened) : recorded.main;
  return taskOf({ ...opened, main: main ?? undefined });
}

const decisions = z.strictObject({
  microBatch: z.int().positive().optional(),
  /** null: no program is worth spending memory on. */
  main: z
    .strictObject({
      shapeKey: z.string(),
      workload: z.strictObject({ runs: z.number(), spare: z.number() }),
    })
    .nullable()
    .optional(),
  begun: begunDecision,
  compared: comparedDecision,
});

const decided = ({ recorded }: Pick<TaskContext, 'recorded'>) =>
  recorded?.decisions === undefined ? undefined : decisions.parse(recorded.decisions);

/** How the adapters begin: anew, or as another adapter left them. */
function begunTexts(
  { config, source }: LoadedConfig,
  base: LanguageModelWeights,
  { start, recorded }: TaskContext,
): BegunRun {
  const { layers, sizes: wanted } = wantedAdapters(base.config, config);
  const where = placeOf('continue_from', source);
  return begunRun({ start, recorded: decided({ recorded })?.begun, layers, wanted, where });
}

const decisionsOf = ({ memory, main, begun, compared }: Opened): z.output<typeof decisions> => ({
  microBatch: memory.microBatch,
  main: main === undefined ? null : { ...main, workload: numbered(main.workload) },
  begun: begun.decision,
  compared: compared?.decision,
});

/** Training runs its batches a number of times, never a short while. */
function numbered({ runs, spare }: MainShape['workload']) {
  if (runs === 'short') throw new InternalError('a training has a number of runs');
  return { runs, spare };
}

const batchOptions = (
  { batch_size, seed, packing, group_by_length }: TrainConfig,
  { most, step }: RowLengths,
) => ({
  batchSize: batch_size,
  maxSeqLength: most,
  seed,
  packing,
  groupByLength: group_by_length,
  lengthStep: step,
});

/** Rows of the largest batch of an epoch; each epoch has as many. */
const mostRows = ({ stepsPerEpoch: steps, batchAt }: TextBatchPlan): number =>
  Array.from({ length: steps }, (_, step) => batchAt(step).rows.length).reduce(
    (most, rows) => Math.max(most, rows),
    1,
  );

const largestShape = ({ packing }: TrainConfig, { most }: RowLengths, batches: TextBatchPlan) => ({
  rows: mostRows(batches),
  length: most,
  trained: most,
  packed: packing,
});

/** A batch size that no batch has is reported. */
function* underfilled(
  { config, source }: LoadedConfig,
  batches: TextBatchPlan,
): Generator<WarningEvent> {
  const rows = mostRows(batches);
  if (rows >= config.batch_size) return;
  const what = `${config.batch_size} is more than the ${rows} ${rows === 1 ? 'row' : 'rows'} that an epoch has; each batch has as many rows as there are`;
  yield { type: 'warning', problem: { where: placeOf('batch_size', source), what } };
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
  { config, published, source }: LoadedConfig,
  { config: model, warnings: ofModel }: LanguageModelWeights,
  { tokenizer, data }: Pick<Opened, 'tokenizer'> & { readonly data: TextRunData },
): Generator<WarningEvent> {
  const tell = (problem: Problem): WarningEvent => ({ type: 'warning', problem });
  const { max_position_embeddings: most } = model;
  if (config.max_seq_length > most)
    yield tell({
      where: placeOf('max_seq_length', source),
      what: `${config.max_seq_length} is more than the ${most} tokens that the model was made for`,
    });
  if (findBase(config.output_dir, published.base_model) === undefined)
    yield tell({
      where: placeOf('base_model', source),
      what: `${published.base_model} is neither in the current folder nor in output_dir or a folder above it`,
      fix: 'lora eval, merge and export will need --base <folder>.',
    });
  yield* [...ofModel, ...tokenizer.warnings, ...data.warnings].map(tell);
}

function taskOf(opened: Opened): OpenTask {
  const { config, template, adapted, base, batches, memory, main } = opened;
  const perEpoch = stepsPerEpoch(batches, config.gradient_accumulation_steps);
  const looks = new TextLooks({
    ...opened,
    stepsPerEpoch: perEpoch,
    validationOptions: validationOptions(opened),
  });
  return {
    plan: { ...planOf(opened), validationEvery: looks.every },
    lacking: memory.lacking,
    stepsPerEpoch: perEpoch,
    groups: adapted.groups,
    samples: opened.samples,
    leftOut: opened.leftOut,
    decisions: decisionsOf(opened),
    idle: idleOf(opened),
    ...(template?.date !== undefined && { decided: { template_date: template.date } }),
    frozen: base.weights,
    programs: {
      alive: PROGRAMS,
      segmentOf: recomputed(config.gradient_checkpointing),
      main,
    },
    lossGraph: (key) => adapted.lossGraph(textShapeOf(key), { dropout: true }),
    async *prepare() {},
    batchesAt: (step) => microBatchesAt(opened, step),
    ...lookedAhead(opened),
    files: (at, tell) => adapterFiles(opened, at, tell),
    ...lookedAt(looks),
    async *watch(step, final) {
      yield* looks.watch(step, final);
    },
    async *finish(write, { step }) {
      yield* looks.verdict(step);
      return yield* lastAnswers(opened, step, opened.questions, write);
    },
  };
}

const planOf = (opened: Opened): OpenTask['plan'] => {
  const { train, adapted, memory, main } = opened;
  return {
    samples: train.length,
    sampleName: 'sequence',
    shapes: shapesOf(opened),
    adaptedModules: adapted.modules.length,
    memoryEstimate: memory.bytes + (main === undefined ? 0 : memory.spentOn(main.workload)),
    microBatch: memory.microBatch,
  };
};

/** When the weights are looked at, and what that found. */
const lookedAt = (looks: TextLooks): Pick<OpenTask, 'history' | 'looks' | 'forgetting'> => ({
  history: looks.history,
  looks: looks.schedule,
  forgetting: looks.forgetting,
});

/** What is asked before the run begins. */
const lookedAhead = (opened: Opened): Pick<OpenTask, 'shapesAt' | 'rehearsals' | 'smaller'> => ({
  shapesAt: (step) => partsAt(opened, step).map(({ shapeKey }) => shapeKey),
  rehearsals: textRehearsals({
    ...opened,
    validationOptions: validationOptions(opened),
  }),
  smaller: () =>
    smallerRuns({
      ...opened,
      shape: largestShape(opened.config, opened.rows, opened.batches),
      shortest: opened.train.reduce((least, { ids }) => Math.min(least, ids.length), Infinity),
      isEven: shapesOf(opened).length === 1,
    }),
});

/** Keys without effect on these data. */
function idleOf({ config, train, validation, template }: Opened): OpenTask['idle'] {
  const isPlain = train.every(({ sample }) => sample.content.kind === 'text');
  const answers = config.sample_prompts.length > 0 || config.eval_path !== undefined;
  return {
    ...(validation.length === 0 && {
      validation_steps: 'there is nothing to validate on',
      stop_when_overfit: 'there is nothing to validate on',
    }),
    ...(isPlain && { train_on: 'the data is plain texts, and every token of them is trained' }),
    ...(isPlain &&
      !answers && {
        chat_template:
          'the data is plain texts, which no template renders; it is only saved beside the adapter',
      }),
    ...(template?.date === undefined && { template_date: 'the chat template inserts no date' }),
  };
}

/** Steps that are looked at for their shapes. */
const LOOKED_AT = 64;

/**
 * The shape of all micro-batches of the first steps, if they have one and memory that is spent on
 * it makes it faster. A pure function of data, configuration and machine, whatever is looked at
 * between the steps; sums may be rounded otherwise.
 */
function mainShapeOf(opened: Opened): MainShape | undefined {
  const { config, batches, memory } = opened;
  const accumulation = config.gradient_accumulation_steps;
  const steps = config.max_train_steps ?? config.epochs * stepsPerEpoch(batches, accumulation);
  const workload = { runs: steps * accumulation, spare: memory.spare };
  if (shapesOf(opened).length > 1 || memory.spentOn(workload) === 0) return undefined;
  const shapes = new Set(
    Array.from({ length: Math.min(steps, LOOKED_AT) }, (_, step) =>
      partsAt(opened, step).map(({ shapeKey }) => shapeKey),
    ).flat(),
  );
  const [shapeKey] = shapes;
  return shapes.size === 1 ? { shapeKey, workload } : undefined;
}

/** How many sequences fall in each length of rows. */
function shapesOf({ config, train, rows }: Opened): PlanEvent['shapes'] {
  const counts = new Map<number, number>();
  for (const { ids } of train) {
    const length = config.packing ? rows.most : rowLength(ids.length, rows);
    counts.set(length, (counts.get(length) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([length, count]) => ({
      label: `${config.packing ? '' : 'up to '}${length} tokens`,
      count,
    }));
}

function partsAt({ config, train, base, batches, memory }: Opened, step: number): MicroBatch[] {
  return textMicroBatches(train, batchesOfStep(batches, config.gradient_accumulation_steps, step), {
    model: base.config,
    microBatch: memory.microBatch,
    packed: config.packing,
  });
}

function microBatchesAt(opened: Opened, step: number): MicroBatch[] {
  const { config, adapted } = opened;
  const mostParts = config.gradient_accumulation_steps * config.batch_size;
  return partsAt(opened, step).map(({ shapeKey, inputs, ...rest }, i) => ({
    ...rest,
    shapeKey,
    inputs: { ...inputs, ...adapted.dropoutInputs(textShapeOf(shapeKey), step * mostParts + i) },
  }));
}

function validationOptions(opened: Opened) {
  const { train, validation, compared, config, adapted, base, context, memory } = opened;
  const all = [...train, ...validation, ...(compared?.besides ?? [])];
  const lengths = all.map(({ ids }) => ids.length);
  const { most, step } = rowLengths({ ...config, packing: false }, lengths);
  return {
    adapted,
    model: base.config,
    weights: base.weights,
    runtime: context.runtime,
    learningRate: config.learning_rate,
    rows: memory.microBatch,
    lengthStep: step,
    maxSeqLength: most,
  };
}

/** A PEFT folder: the run folder itself at the end, `checkpoint-<step>` before. */
function adapterFiles(
  { config, adapted, baseModel, base, tokenizer, template }: Opened,
  at: SavePoint,
  tell: TellNarrowing,
): ReadonlyMap<string, Uint8Array> {
  const lora = {
    modules: languageLoraWeights(adapted, config.use_rslora),
    rslora: config.use_rslora,
    dtype: config.save_precision,
    tell,
    baseModel,
    dropout: config.lora_dropout,
    ...(template?.date !== undefined && { templateDate: template.date }),
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
