// A training run from its configuration to its files, as a generator of events. It knows of no kind
// of model.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { placeOf, type LoadedConfig } from '../config/load.ts';
import { located, locatedError } from '../config/located.ts';
import type { TrainConfig } from '../config/schema.ts';
import { InternalError, SystemError, UserError } from '../errors.ts';
import { narrowingNotes, wideningProblems, type Narrowing } from '../adapter-files/narrowing.ts';
import { civilTimeText } from '../util/strftime.ts';
import { cpuRuntime, openRuntime, type Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import type { DoneEvent, PlanEvent, StepEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import { trainingSteps, type StepResult } from './loop.ts';
import { Optimiser } from './optimiser.ts';
import { planWarnings, requireRates } from './plan-check.ts';
import { LossPrograms } from './programs.ts';
import { LOG_FILE, recorded } from './records/record.ts';
import { runId } from '../runs/facts.ts';
import { requireWritable, RunFolder } from '../runs/run-folder.ts';
import { statistics } from './statistics.ts';
import { parameterCount, type OpenTask, type SavePoint } from './task.ts';
import { tasks } from './tasks.ts';
import { requireSoundParameters, unsoundStepError } from './unsound-step.ts';

/** A run in progress. */
interface Run {
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly length: RunLength;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly started: Date;
  /** Paths of the adapters that were saved, the latest first. */
  readonly saved: string[];
  /** Takes the settings of `OpenTask.decided`, which go into the recorded configuration. */
  readonly decide: (settings: Partial<TrainConfig>) => void;
  /** Made when the plan is recorded. */
  readonly folder: () => RunFolder;
}

interface RunLength {
  readonly totalSteps: number;
  readonly epochs: number;
}

export interface TrainOptions {
  /** Aborting it finishes the running step, saves what was learnt and ends with `done`. */
  readonly signal?: AbortSignal;
  /** Default: `openRuntime`. */
  readonly open?: (options: RuntimeOptions) => Promise<Runtime>;
}

/**
 * Trains as `job` says. Everything written lies in `output_dir`: the adapters, logs/, config.yaml,
 * run.json. Throws DataError, CheckpointError, ConfigError or SystemError for what the
 * user can mend.
 */
export async function* train(
  job: LoadedConfig,
  { signal = new AbortController().signal, open = openRuntime }: TrainOptions = {},
): AsyncGenerator<TrainEvent> {
  const { config } = job;
  requireWritable(config.output_dir);
  const started = new Date();
  const dated = withSettings(job, templateDateOf(job, started));
  let runtime: Runtime | undefined;
  let folder: RunFolder | undefined;
  let decided: Partial<TrainConfig> = {};
  const openFolder = () => {
    if (runtime === undefined) throw new InternalError('nothing computes yet');
    folder = new RunFolder(config.output_dir, factsOf(job, started, runtime));
    return { folder, job: withSettings(job, decided) };
  };
  const opened = () => {
    if (folder === undefined) throw new InternalError('the run folder is not open yet');
    return folder;
  };
  const decide = (settings: Partial<TrainConfig>) => (decided = settings);
  const computing = { open, computeOn: (opened: Runtime) => (runtime = opened) };
  const events = runEvents(dated, { signal, started, computing, folder: opened, decide });
  try {
    yield* recorded(events, openFolder);
  } finally {
    folder?.close();
    await runtime?.release();
  }
}

/** What a template that writes today's date takes for today. */
const templateDateOf = ({ config }: LoadedConfig, started: Date): Partial<TrainConfig> =>
  config.task_type === 'text-generation' && config.template_date === undefined
    ? { template_date: civilTimeText(started) }
    : {};

const withSettings = (job: LoadedConfig, settings: Partial<TrainConfig>): LoadedConfig => ({
  ...job,
  config: { ...job.config, ...settings },
  published: { ...job.published, ...settings },
});

function factsOf({ config }: LoadedConfig, started: Date, runtime: Runtime) {
  const { backend, adapter, threads, version } = runtime;
  const versions = {
    'lora-scripts': packageJson.version,
    node: process.versions.node,
    onnxruntime: version,
    platform: `${process.platform} ${process.arch}`,
  };
  return {
    id: runId(started),
    started: started.toISOString(),
    seed: config.seed,
    device: backend,
    ...(adapter !== undefined && { adapter }),
    threads,
    versions,
  };
}

async function* runEvents(
  job: LoadedConfig,
  context: Pick<Run, 'signal' | 'started' | 'folder' | 'decide'> & { computing: Computing },
): AsyncGenerator<TrainEvent> {
  for (const problem of job.warnings) yield { type: 'warning', problem };
  const { task, runtime } = yield* openTask(job, context);
  const run: Run = { ...context, job, task, runtime, length: lengthOf(job, task), saved: [] };
  context.decide(task.decided ?? {});
  const { stepsPerEpoch, groups, idle } = task;
  const facts = { ...run.length, stepsPerEpoch, groups, idle };
  requireRates(job, facts);
  for (const problem of planWarnings(job, facts)) yield { type: 'warning', problem };
  yield planOf(run);
  yield* task.prepare();
  await runtime.trim();
  const optimiser = new Optimiser(task.groups, {
    ...job.config,
    totalSteps: run.length.totalSteps,
  });
  if (!run.signal.aborted) yield* steps(run, optimiser);
  const adapter = optimiser.step > 0 ? yield* save(run, optimiser, true) : undefined;
  const results = run.signal.aborted
    ? new Map<string, string>()
    : yield* keeping(
        run,
        task.finish((name, content) => run.folder().write(name, content)),
      );
  run.folder().finish(new Date());
  yield doneOf(run, { step: optimiser.step, adapter, results: Object.fromEntries(results) });
}

interface Computing {
  readonly open: (options: RuntimeOptions) => Promise<Runtime>;
  /** Told of every runtime that is opened, before anything is computed with it. */
  readonly computeOn: (runtime: Runtime) => void;
}

/** The task with what computes it. Where `auto` took a card that has no room, the processor. */
async function* openTask(
  job: LoadedConfig,
  { signal, computing }: { readonly signal: AbortSignal; readonly computing: Computing },
): AsyncGenerator<TrainEvent, { readonly task: OpenTask; readonly runtime: Runtime }> {
  const { device, num_threads, task_type } = job.config;
  const threads = num_threads ?? availableParallelism();
  const open = (runtime: Runtime) => {
    computing.computeOn(runtime);
    return locating(job, tasks[task_type].open(job, { runtime, signal }));
  };
  const runtime = await opening(job, computing.open({ device, threads }));
  const task = yield* open(runtime);
  if (task.lacking === undefined) return { task, runtime };
  if (device !== 'auto') throw noRoom(job, task.lacking);
  await runtime.release();
  const cpu = cpuRuntime(threads, task.lacking);
  return { task: yield* withoutWarnings(open(cpu)), runtime: cpu };
}

/** Errors of what computes are those of the key `device`. */
async function opening(job: LoadedConfig, runtime: Promise<Runtime>): Promise<Runtime> {
  try {
    return await runtime;
  } catch (error) {
    throw locatedError(error, job.source);
  }
}

function noRoom({ source, config }: LoadedConfig, what: string): SystemError {
  const size = config.task_type === 'image' ? 'resolution' : 'max_seq_length';
  const fix = `Lower ${size}, or write device: cpu.`;
  return new SystemError([{ where: placeOf('device', source), what, fix }]);
}

/** Those that were told before. */
async function* withoutWarnings<T>(events: AsyncGenerator<TrainEvent, T>) {
  for (;;) {
    const { done, value } = await events.next();
    if (done === true) return value;
    if (value.type !== 'warning') yield value;
  }
}

function lengthOf({ config }: LoadedConfig, { stepsPerEpoch }: OpenTask): RunLength {
  const totalSteps = config.max_train_steps ?? config.epochs * stepsPerEpoch;
  return { totalSteps, epochs: Math.ceil(totalSteps / stepsPerEpoch) };
}

function planOf({ job: { config, published }, task, length, runtime }: Run): PlanEvent {
  return {
    type: 'plan',
    outputDir: published.output_dir,
    baseModel: published.base_model,
    ...task.plan,
    batchSize: config.batch_size,
    gradientAccumulation: config.gradient_accumulation_steps,
    ...length,
    firstStep: 0,
    trainableParameters: parameterCount(task.groups),
    device: runtime.description,
    ...(runtime.reason !== undefined && { deviceReason: runtime.reason }),
  };
}

async function* steps(run: Run, optimiser: Optimiser): AsyncGenerator<TrainEvent> {
  const { job, task, length, signal, runtime } = run;
  const trainable = [...optimiser.parameters.keys()];
  const programs = new LossPrograms({
    lossGraph: task.lossGraph,
    trainable,
    weights: task.frozen,
    runtime,
    ...task.programs,
  });
  const statisticsOf = statistics(length.totalSteps);
  try {
    yield* watch(run, 0);
    const results = trainingSteps({
      optimiser,
      batchesAt: task.batchesAt,
      lossOf: (batch, parameters) => programs.run(batch, parameters),
      unsound: (found) => unsoundStepError(found, unsoundSource(run)),
      stop: () => signal.aborted,
    });
    for await (const result of results) {
      yield stepOf(run, result, statisticsOf(result.step, result.loss));
      const isDue = job.config.save_steps > 0 && result.step % job.config.save_steps === 0;
      if (isDue) yield* save(run, optimiser, false);
      yield* keeping(run, watch(run, result.step));
      if (endsEarly(run) !== undefined) return;
    }
  } finally {
    await programs.release();
  }
}

/** Where more training would do harm, if that is to end the run. */
const endsEarly = ({ job, task }: Pick<Run, 'job' | 'task'>): string | undefined =>
  job.config.stop_when_overfit ? task.history?.harm : undefined;

/** What the task wants to see between the steps. */
async function* watch(
  { task, length, signal, folder }: Run,
  step: number,
): AsyncGenerator<TrainEvent> {
  if (task.watch !== undefined && !signal.aborted)
    yield* task.watch(step, step === length.totalSteps, (name, content) =>
      folder().write(name, content),
    );
}

function stepOf(
  { task, length }: Run,
  { step, loss, learningRates, gradNorm }: StepResult,
  more: ReturnType<ReturnType<typeof statistics>>,
): StepEvent {
  return {
    type: 'step',
    step,
    ...length,
    epoch: epochOf(step, task),
    loss,
    learningRates,
    gradNorm,
    ...more,
  };
}

const epochOf = (step: number, { stepsPerEpoch }: OpenTask): number =>
  Math.max(1, Math.ceil(step / stepsPerEpoch));

const unsoundSource = ({ job, task, saved }: Run) => ({
  lossGraph: task.lossGraph,
  weights: task.frozen,
  learningRate: job.config.learning_rate,
  place: placeOf('learning_rate', job.source),
  kept: keptOf(saved),
});

const keptOf = ([latest]: readonly string[]): string =>
  latest === undefined ? 'Nothing was saved yet.' : `The last adapter that was saved: ${latest}`;

/** Events of a task that is being opened: keys are named with their places. */
async function* locating<T>({ source }: LoadedConfig, events: AsyncGenerator<TrainEvent, T>) {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done === true) return value;
      yield value.type === 'warning'
        ? { ...value, problem: located(value.problem, source) }
        : value;
    }
  } catch (error) {
    throw locatedError(error, source);
  }
}

/** Events of work beside the training; its errors say what of the training is kept. */
async function* keeping<T>(run: Run, events: AsyncGenerator<TrainEvent, T>) {
  try {
    return yield* events;
  } catch (error) {
    if (!(error instanceof UserError) || run.saved.length === 0) throw error;
    throw error.with(keptOf(run.saved));
  }
}

/** Writes the files of this moment; returns the path of the adapter. */
async function* save(
  run: Run,
  { step, parameters }: Optimiser,
  final: boolean,
): AsyncGenerator<TrainEvent, string> {
  const { task, length, started, folder } = run;
  const at: SavePoint = { ...length, step, epoch: epochOf(step, task), final, started };
  requireSoundParameters(parameters, { step, ...unsoundSource(run) });
  const found: Narrowing[] = [];
  const files = folder().writeTogether(task.files(at, (narrowing) => found.push(narrowing)));
  run.saved.unshift(files[0]);
  // at the end, what was written wider is a warning
  const notes = narrowingNotes(final ? found.filter(({ widened }) => !widened) : found);
  yield { type: 'saved', step, files, ...(notes.length > 0 && { notes }) };
  if (final)
    for (const problem of wideningProblems(found, tooSmall(run)))
      yield { type: 'warning', problem };
  return files[0];
}

const tooSmall = ({ job: { config } }: Run): string =>
  `Nothing is lost in float32, but numbers that ${config.save_precision} cannot hold hardly change a model, or ruin it. Check learning_rate (${config.learning_rate}) and lora_alpha.`;

function doneOf(
  { job, task, signal, length, started, folder }: Run,
  { step, adapter, results }: Pick<DoneEvent, 'step' | 'adapter' | 'results'>,
): DoneEvent {
  const isCut = step < length.totalSteps && !signal.aborted;
  const ended = isCut ? endsEarly({ job, task }) : undefined;
  return {
    type: 'done',
    stopped: step < length.totalSteps && ended === undefined,
    ...(ended !== undefined && { ended }),
    step,
    totalSteps: length.totalSteps,
    adapter,
    log: join(folder().dir, LOG_FILE),
    results,
    seconds: (Date.now() - started.getTime()) / 1000,
  };
}
