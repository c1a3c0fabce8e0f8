// The picture task: adapters for Stable Diffusion 1.x from a folder of captioned pictures.

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  loadStableDiffusion,
  type StableDiffusionWeights,
} from '../../checkpoints/stable-diffusion.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { openCache, type TensorCache } from '../../storage/tensor-cache.ts';
import { CheckpointError, InternalError, SystemError } from '../../errors.ts';
import { writeKohyaLora } from '../../adapter-files/kohya.ts';
import type { TellNarrowing } from '../../adapter-files/narrowing.ts';
import { noiseSchedule } from '../../models/noise-schedule.ts';
import { latentFactor } from '../../models/stable-diffusion-config.ts';
import { problemsByKind, type FoundProblem } from '../../util/problems-by-kind.ts';
import { unknownId } from '../../tokenizer/unknown-id.ts';
import { requireKnownTokens } from './known-tokens.ts';
import { samplePromptWarnings } from './sample-prompts.ts';
import { createClipTokenizer, type ClipTokenizer } from '../../tokenizer/clip.ts';
import { type WarningEvent, phase } from '../../events.ts';
import type { OpenTask, SavePoint, Task, TaskContext, TaskEvent } from '../task.ts';
import { adaptModel, loraWeights, requireTextLayers, type AdaptedModel } from './adapted-model.ts';
import { begunPictures } from './begun.ts';
import type { BegunRun } from '../starting-point.ts';
import {
  microBatches,
  shapeKeys,
  shapeOf,
  stepPlan,
  type EncodedPictures,
  type StepPlan,
} from './batches.ts';
import { cacheFolder } from '../../storage/cache-folder.ts';
import { weightsHash } from './cache-entries.ts';
import { encodeCaptions, statesInOrder } from './captions.ts';
import { encodePictures } from './latents.ts';
import { memoryPlan, type MemoryPlan } from './memory-plan.ts';
import { imageMetadata, modelHashes, type ModelHashes } from './metadata.ts';
import { drawOptions, Looks } from './looks.ts';
import { imageRehearsals } from './rehearsals.ts';
import { drawSheet } from './sheet.ts';
import { smallerRuns } from './smaller-runs.ts';
import { bucketCounts, readPictures, type PictureSet } from './samples.ts';

export const imageTask: Task = { open };

/** What an opened run has at hand. */
interface Opened extends PictureSet {
  readonly base: StableDiffusionWeights;
  readonly context: TaskContext;
  readonly adapted: AdaptedModel;
  readonly begun: BegunRun;
  readonly steps: StepPlan;
  readonly memory: MemoryPlan;
  readonly tokenizer: ClipTokenizer;
  /** Of every caption. */
  readonly tokens: number;
}

async function* open(job: LoadedConfig, context: TaskContext): AsyncGenerator<TaskEvent, OpenTask> {
  yield phase('loading the base model');
  const base = loadStableDiffusion(job.config.base_model, { useEma: job.config.use_ema });
  requireTextLayers(base.config, job.config.clip_skip);
  const tokenizer = await tokenizerOf(base);
  yield phase('reading the pictures');
  const set = await readPictures(job, base.config, context);
  const tokens = base.config.textEncoder.max_position_embeddings;
  const all = [...set.pictures, ...set.heldOut, ...besides(set)];
  requireKnownTokens({ ...set, pictures: all }, tokenizer, base.config);
  yield* warnings(base, set, tokenizer, tokens);
  for (const problem of samplePromptWarnings(set.config, { tokenizer, length: tokens }))
    yield { type: 'warning', problem };
  yield phase('planning');
  const begun = begunPictures(job, base.config, set.config, context);
  for (const problem of begun.warnings) yield { type: 'warning', problem };
  const { sizes, weights: initial } = begun;
  const adapted = adaptModel(base.config, set.config, { sizes, initial });
  const memory = memoryPlan(context, adapted, base, set, tokens);
  return taskOf({
    ...set,
    base,
    context,
    adapted,
    begun,
    memory,
    tokenizer,
    tokens,
    steps: stepPlan(set.config, set.pictures),
  });
}

/**
 * The base's own tokenizer where its folder has one. Throws CheckpointError where its text encoder
 * has too few tokens for the vocabulary.
 */
async function tokenizerOf({
  layout,
  path,
  config,
}: StableDiffusionWeights): Promise<ClipTokenizer> {
  const folder = join(path, 'tokenizer');
  const tokenizer = await createClipTokenizer(
    layout === 'diffusers' && existsSync(folder) ? folder : undefined,
  );
  const { vocab_size } = config.textEncoder;
  const { bos, eos, pad } = tokenizer;
  if (unknownId([bos, eos, pad], vocab_size) === undefined) return tokenizer;
  const what = `the text encoder knows ${vocab_size} tokens, fewer than its tokenizer's vocabulary has`;
  throw new CheckpointError([
    {
      where: path,
      what,
      fix: "Put the model's own tokenizer folder beside its text_encoder folder.",
    },
  ]);
}

function* warnings(
  { warnings: ofModel }: StableDiffusionWeights,
  { pictures, heldOut, warnings: found }: PictureSet,
  tokenizer: ClipTokenizer,
  tokens: number,
): Generator<WarningEvent> {
  const room = tokens - 2;
  const long = [...pictures, ...heldOut].flatMap(({ name, caption }): FoundProblem[] => {
    const count = tokenizer.tokenCount(caption);
    if (count <= room) return [];
    const what = `the caption is longer than the ${room} tokens that the text encoder reads; the rest is ignored`;
    return [{ where: name, detail: `${count} tokens`, what }];
  });
  for (const problem of [...ofModel, ...found, ...problemsByKind(long)])
    yield { type: 'warning', problem };
}

/** Pictures of an earlier run that are only measured. */
const besides = ({ compared }: PictureSet) => compared?.besides ?? [];

const planOf = ({ pictures, adapted, memory }: Opened, looks: Looks): OpenTask['plan'] => ({
  samples: pictures.length,
  sampleName: 'picture',
  shapes: bucketCounts(pictures).map(({ width, height, count }) => ({
    label: `${width}×${height}`,
    count,
  })),
  adaptedModules: adapted.modules.length,
  memoryEstimate: memory.bytes,
  microBatch: memory.microBatch,
  ...(looks.plan !== undefined && { validation: looks.plan }),
  ...(looks.every !== undefined && { validationEvery: looks.every }),
});

function taskOf(opened: Opened): OpenTask {
  const { adapted, steps, base } = opened;
  let encoded: EncodedPictures | undefined;
  let hashes: ModelHashes = {};
  const draw = batchOptions(opened);
  const looks = new Looks(opened);
  const ready = () => {
    if (encoded === undefined) throw new InternalError('the pictures are not encoded yet');
    return encoded;
  };
  return {
    plan: planOf(opened, looks),
    lacking: opened.memory.lacking,
    stepsPerEpoch: steps.stepsPerEpoch,
    groups: adapted.groups,
    samples: opened.samples,
    leftOut: opened.leftOut,
    decisions: decisionsOf(opened),
    idle: idleOf(opened),
    frozen: base.weights,
    lossGraph: (key) => adapted.lossGraph(shapeOf(key)),
    async *prepare() {
      yield phase('hashing the base model');
      hashes = modelHashes(base);
      encoded = yield* encode(opened);
    },
    batchesAt: (step) => microBatches(step, steps.batchesOf(step), ready(), draw),
    ...lookedAhead(opened, looks),
    files: (at, tell) => adapterFiles(opened, hashes, at, tell),
    ...lookedAt(looks),
    watch: (step, final, write) => looks.watch(step, final, encoded, write),
    async *finish(write, { step, better }) {
      const seen = yield* looks.finish(step, encoded, write);
      const source = { ...opened, runtime: opened.context.runtime };
      const sheet = yield* drawSheet(source, { step, better: better() });
      const files = sheet && ([['contact sheet', write('contact-sheet.png', sheet)]] as const);
      return new Map([...(files ?? []), ...seen]);
    },
  };
}

const decisionsOf = ({ memory, begun, compared }: Opened) => ({
  microBatch: memory.microBatch,
  begun: begun.decision,
  compared: compared?.decision,
});

/** When the weights are looked at, and what that found. */
const lookedAt = (looks: Looks): Pick<OpenTask, 'history' | 'looks' | 'forgetting'> => ({
  history: looks.history,
  looks: looks.schedule,
  forgetting: looks.forgetting,
});

/** What is asked before the run begins. */
const lookedAhead = (
  opened: Opened,
  looks: Looks,
): Pick<OpenTask, 'shapesAt' | 'rehearsals' | 'smaller'> => ({
  shapesAt: (step) => shapeKeys(opened.steps.batchesOf(step), opened.pictures, shapesIn(opened)),
  rehearsals: imageRehearsals({
    sheet: { ...opened, runtime: opened.context.runtime },
    encoding: {
      pictures: [...opened.pictures, ...opened.heldOut, ...besides(opened)],
      encode: () => encodeOptions(opened),
    },
    look: () => looks.tried(),
    compare: looks.trained,
  }),
  smaller: () => smallerRuns(opened),
});

/** Keys without effect on these data. */
const idleOf = ({ table, heldOut, config }: Opened): OpenTask['idle'] => ({
  ...(table !== undefined && { caption_extension: `the captions are in ${basename(table)}` }),
  ...(heldOut.length === 0 && { validation_steps: 'there is nothing to validate on' }),
  ...(heldOut.length === 0 &&
    (config.sample_every === 0 || config.sample_prompts.length === 0) && {
      stop_when_overfit:
        'nothing is looked at: there is neither anything to validate on nor sample_every with sample_prompts',
    }),
});

const shapesIn = ({ base, memory, tokens }: Opened) => ({
  microBatch: memory.microBatch,
  factor: latentFactor(base.config.vae),
  tokens,
});

/** Latents, of what is held out last, and, where they do not change, text states. */
async function* encode(opened: Opened): AsyncGenerator<TaskEvent, EncodedPictures> {
  const cache = yield* cacheOrWarning();
  const encoded = yield* encodeWith(cache, opened);
  const refusal = cache?.refusal();
  if (refusal !== undefined) yield uncached(refusal);
  return encoded;
}

const encodeOptions = ({ base, context }: Pick<Opened, 'base' | 'context'>) => ({
  ...context,
  weights: base.weights,
  vae: base.config.vae,
  identity: weightsHash(base.weights, 'vae.'),
});

async function* encodeWith(
  cache: TensorCache | undefined,
  opened: Opened,
): AsyncGenerator<TaskEvent, EncodedPictures> {
  const { base, config, context, tokenizer, tokens } = opened;
  const pictures = [...opened.pictures, ...opened.heldOut, ...besides(opened)];
  const { textEncoder } = base.config;
  const common = { ...context, weights: base.weights, cache };
  const vaeOptions = {
    ...encodeOptions({ base, context }),
    cache: config.cache_latents ? common.cache : undefined,
  };
  const moments = yield* encodePictures(pictures, vaeOptions);
  const ids = pictures.map(({ caption }) => tokenizer.encode(caption, tokens));
  const names = pictures.map(({ path }) => path);
  if (config.train_text_encoder) return { moments, ids, names };
  const captions = names.map((name, i) => ({ name: `the caption of ${name}`, ids: ids[i] }));
  const states = yield* encodeCaptions(captions, {
    ...common,
    textEncoder,
    clipSkip: config.clip_skip,
    identity: weightsHash(base.weights, 'text_encoder.'),
  });
  return {
    moments,
    ids,
    names,
    // stopped: not all captions have states, and no step is taken
    states: context.signal.aborted ? [] : statesInOrder(ids, states),
  };
}

/**
 * The cache, or, where its folder cannot be written, a warning: then everything is computed for
 * this run alone. A disk that refuses later is told when all is encoded.
 */
async function* cacheOrWarning(): AsyncGenerator<WarningEvent, TensorCache | undefined> {
  try {
    return await openCache(cacheFolder());
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    yield uncached(error);
    return undefined;
  }
}

function uncached({ problems: [problem] }: SystemError): WarningEvent {
  const fix =
    'What is not kept is computed again in each run. Free some space, or set the environment variable LORA_SCRIPTS_CACHE to another folder.';
  return { type: 'warning', problem: { ...problem, fix } };
}

const batchOptions = ({ base, config, memory }: Opened) => ({
  ...drawOptions(base, config),
  schedule: noiseSchedule(base.config.scheduler),
  microBatch: memory.microBatch,
  samplesPerStep: config.batch_size * config.gradient_accumulation_steps,
});

function adapterFiles(
  { config, pictures, base, adapted, begun, steps }: Opened,
  hashes: ModelHashes,
  at: SavePoint,
  tell: TellNarrowing,
): Map<string, Uint8Array> {
  const metadata = imageMetadata(
    { config, pictures, base, hashes, batchesPerEpoch: steps.batchesPerEpoch },
    at,
  );
  const bytes = writeKohyaLora({
    modules: [...loraWeights(adapted), ...begun.kept],
    metadata,
    dtype: config.save_precision,
    tell,
  });
  if (!at.final)
    return new Map([
      [`${config.output_name}-step${String(at.step).padStart(8, '0')}.safetensors`, bytes],
    ]);
  return new Map([
    [`${config.output_name}.safetensors`, bytes],
    ['pytorch_lora_weights.safetensors', bytes],
  ]);
}
