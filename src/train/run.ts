// A training run from its configuration to its files, as a generator of events. It knows of no kind
// of model.

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import { CheckpointError, InternalError, SystemError, UserError } from '../errors.ts';
import { narrowingNotes, wideningProblems, type Narrowing } from '../adapter-files/narrowing.ts';
import { civilTimeText } from '../util/strftime.ts';
import { openRuntime, type Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import {
  phase,
  type DoneEvent,
  type PlanEvent,
  type StepEvent,
  type WarningEvent,
} from '../events.ts';
import { isTaken } from '../storage/lock.ts';
import { requireWritable } from '../runs/run-folder.ts';
import type { TrainEvent } from './events.ts';
import { betterCheckpoint, checkpointRecord, type WhySaved } from './best-checkpoint.ts';
import { accountOf, accounted } from './accounted.ts';
import { beforeRun } from './before-run.ts';
import { backupFor, copyEvents } from './copies.ts';
import { dryRun } from './dry-run.ts';
import { triedEnding } from './rehearsal.ts';
import { trainingSteps, type StepResult, type UnsoundStep } from './loop.ts';
import { lastStart } from './last-start.ts';
import { openTask, type OpenContext } from './open-task.ts';
import { Optimiser } from './optimiser.ts';
import { planWarnings, requireRates } from './plan-check.ts';
import { LossPrograms, type MicroBatch } from './programs.ts';
import { LOG_FILE, recorded } from './records/record.ts';
import { Postponed } from './postponed.ts';
import { recordedSettings } from './resume-rules.ts';
import { hasNewRate, resumedOf } from './resumed.ts';
import { RunPlace, type PlannedRun } from './run-place.ts';
import { RunStatistics } from './statistics.ts';
import { startingPoint, type StartingPoint } from './starting-point.ts';
import { isObject } from '../util/is-object.ts';
import { StateKeeper } from './state-keeper.ts';
import { takeUp, withSettings, type ResumeMode, type TakenUp } from './take-up.ts';
import {
  parameterCount,
  type FinishPoint,
  type OpenTask,
  type SavePoint,
  type Write,
} from './task.ts';
import { Watched } from './watched.ts';
import { requireSoundParameters, tooSmall, unsoundStepError } from './unsound-step.ts';

/** A run in progress. */
interface Run {
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly length: RunLength;
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly place: RunPlace;
  readonly optimiser: Optimiser;
  readonly statistics: RunStatistics;
  readonly watched: Watched;
  readonly keeper: StateKeeper;
  readonly unsound: WeakSet<Error>;
  readonly backup: ReturnType<typeof backupFor>;
  readonly postponed: Postponed;
  /** Paths of the adapters that were saved, the latest first. */
  readonly saved: string[];
}

interface RunLength {
  readonly totalSteps: number;
  readonly epochs: number;
}

export interface TrainOptions {
  /** Aborting it finishes the running step, saves what was learnt and ends with `done`. */
  readonly signal?: AbortSignal;
  /** Default: `auto`. */
  readonly resume?: ResumeMode;
  /** Default: `openRuntime`. */
  readonly open?: (options: RuntimeOptions) => Promise<Runtime>;
}

/**
 * Trains as `job` says, or goes on where an earlier start of that run was cut short. Everything
 * written lies in `output_dir`: the adapters, logs/, state/, config.yaml, data.json, run.json.
 * Throws DataError, CheckpointError, ConfigError or SystemError for what the user can mend.
 */
export async function* train(
  job: LoadedConfig,
  { signal = new AbortController().signal, open = openRuntime, resume = 'auto' }: TrainOptions = {},
): AsyncGenerator<TrainEvent> {
  requireWritable(job.config.output_dir);
  if (resume !== 'dry-run') yield* untilFree(job.config.output_dir);
  const { takenUp, warnings } = takeUp(job, resume);
  const given = takenUp?.job ?? job;
  const start = startOf(given, takenUp);
  const place = new RunPlace(given.config.output_dir, takenUp, start);
  const dated = withSettings(given, templateDateOf(given, place.started));
  let runtime: Runtime | undefined;
  let planned: PlannedRun | undefined;
  const openFolder = () => {
    if (planned === undefined) throw new InternalError('nothing is planned yet');
    const problems = place.open(planned);
    return { folder: place.folder, job: planned.job, problems };
  };
  const computing = { open, computeOn: (opened: Runtime) => (runtime = opened) };
  const plan = (run: PlannedRun) => (planned = run);
  const told = { ...dated, warnings: [...dated.warnings, ...warnings] };
  const unsound = new WeakSet<Error>();
  const isDry = resume === 'dry-run';
  const events = runEvents(told, { given, signal, computing, place, plan, unsound, isDry });
  const account = accountOf(given, { place, runtime: () => runtime, task: () => planned?.task });
  try {
    yield* isDry ? events : recorded(accounted(events, account), openFolder);
  } catch (error) {
    place.fail(error, isOf(unsound, error) ? 'diverged' : 'failed');
    throw error;
  } finally {
    place.close();
    await runtime?.release();
  }
}

/** A run that goes on has its adapters in its state, unless it keeps some as they are. */
function startOf(job: LoadedConfig, takenUp: TakenUp | undefined): StartingPoint | undefined {
  const begun = takenUp?.facts.decisions?.['begun'];
  const isNeeded = takenUp === undefined || (isObject(begun) && begun['keeps'] === true);
  try {
    return isNeeded ? startingPoint(job) : undefined;
  } catch (error) {
    takenUp?.folder.close();
    throw error;
  }
}

/** So long is waited for a process that was asked to stop and still saves, in ms. */
const PATIENCE = 10_000;

async function* untilFree(dir: string): AsyncGenerator<TrainEvent> {
  const end = performance.now() + PATIENCE;
  while (isTaken(dir) && performance.now() < end) {
    yield phase('waiting for another process that is using this folder');
    await setTimeout(PATIENCE / 20);
  }
}

const isOf = (errors: WeakSet<Error>, error: unknown): boolean =>
  error instanceof Error && errors.has(error);

/** What a template that writes today's date takes for today. */
const templateDateOf = ({ config }: LoadedConfig, started: Date): Partial<TrainConfig> =>
  config.task_type === 'text-generation' && config.template_date === undefined
    ? { template_date: civilTimeText(started) }
    : {};

interface RunContext extends OpenContext {
  /** Without the day that a template may not ask for. */
  readonly given: LoadedConfig;
  /** Told of the plan, before the event. */
  readonly plan: (run: PlannedRun) => void;
  /** Takes the errors of steps that are not finite. */
  readonly unsound: WeakSet<Error>;
  /** Nothing is trained or written. */
  readonly isDry: boolean;
}

async function* runEvents(job: LoadedConfig, context: RunContext): AsyncGenerator<TrainEvent> {
  for (const problem of job.warnings) yield { type: 'warning', problem };
  const { task, runtime } = yield* openTask(job, context);
  const { takenUp } = context.place;
  const cut = takenUp && lastStart(takenUp, task);
  if (cut !== undefined) yield { type: 'warning', problem: cut };
  const run = runOf(job, context, { task, runtime });
  const { stepsPerEpoch, groups, idle } = task;
  const facts = { ...run.length, stepsPerEpoch, groups, idle };
  requireRates(job, facts);
  for (const problem of [...beforeRun(run), ...planWarnings(job, facts)])
    yield { type: 'warning', problem };
  const plan = planOf(run);
  context.plan({ job: withSettings(context.given, task.decided ?? {}), task, runtime, plan });
  yield plan;
  if (context.isDry) return yield* dryRun(run);
  yield* copyEvents(run.backup?.begin(run.place.folder.facts.checkpoints), run.place.step);
  yield* task.prepare();
  run.place.ending = yield* triedEnding(task, plan.totalSteps - plan.firstStep);
  await runtime.trim();
  const ended = yield* trained(run);
  yield* run.postponed.retry();
  const { step } = run.optimiser;
  const adapter = step > 0 ? yield* save(run, 'final') : undefined;
  const results =
    ended === 'stopped'
      ? new Map<string, string>()
      : yield* keeping(run, task.finish(writer(run), finishPoint(run)));
  run.place.end(ended);
  yield doneOf(run, { step, adapter, results: Object.fromEntries(results) });
}

const finishPoint = ({ optimiser, task, place }: Run): FinishPoint => ({
  step: optimiser.step,
  better: () => betterCheckpoint(task.history, place.folder),
});

/** Writes files of a task. */
const writer =
  ({ place }: Pick<Run, 'place'>): Write =>
  (name, content) =>
    place.folder.write(name, content);

function runOf(
  job: LoadedConfig,
  { given, signal, place, unsound }: RunContext,
  { task, runtime }: Pick<Run, 'task' | 'runtime'>,
): Run {
  const length = lengthOf(job, task);
  const { totalSteps } = length;
  const newRate = hasNewRate(place);
  const optimiser = new Optimiser(task.groups, { ...job.config, totalSteps, newRate });
  const [statistics, watched] = [new RunStatistics(), new Watched()];
  const run = {
    job,
    task,
    length,
    runtime,
    signal,
    place,
    optimiser,
    statistics,
    watched,
    unsound,
    backup: backupFor(job.config.backup_dir, place),
    postponed: new Postponed(),
  };
  const saved = (place.takenUp?.facts.checkpoints ?? []).map(({ files }) =>
    join(place.dir, files[0].name),
  );
  return { ...run, saved: saved.reverse(), keeper: keeperOf(run, given) };
}

/** What changes with the steps; the state is restored where there is one. */
function keeperOf(
  { task, job, optimiser, statistics, watched, place }: Omit<Run, 'keeper' | 'saved'>,
  { published }: LoadedConfig,
): StateKeeper {
  const { history, forgetting } = task;
  const looks = {
    ...(history !== undefined && { history }),
    ...(forgetting !== undefined && { forgetting }),
  };
  const keeper = new StateKeeper({
    optimiser,
    holders: { statistics, watched, ...looks },
    settings: recordedSettings({ ...published, ...task.decided }),
    folder: () => place.folder,
    minutes: job.config.save_minutes,
  });
  const state = place.takenUp?.state;
  if (state !== undefined) keeper.restore(state);
  return keeper;
}

function lengthOf({ config }: LoadedConfig, { stepsPerEpoch }: OpenTask): RunLength {
  const totalSteps = config.max_train_steps ?? config.epochs * stepsPerEpoch;
  return { totalSteps, epochs: Math.ceil(totalSteps / stepsPerEpoch) };
}

function planOf({
  job: { config, published },
  task,
  length,
  runtime,
  optimiser,
  place,
}: Run): PlanEvent {
  const { takenUp } = place;
  return {
    type: 'plan',
    outputDir: published.output_dir,
    baseModel: published.base_model,
    ...task.plan,
    batchSize: config.batch_size,
    gradientAccumulation: config.gradient_accumulation_steps,
    ...length,
    firstStep: optimiser.step,
    ...(takenUp !== undefined && { resumed: resumedOf(takenUp, optimiser) }),
    trainableParameters: parameterCount(task.groups),
    device: runtime.description,
    ...(runtime.reason !== undefined && { deviceReason: runtime.reason }),
  };
}

/** All steps that are left; how they ended. */
async function* trained(run: Run): AsyncGenerator<TrainEvent, 'done' | 'stopped'> {
  const { optimiser, signal, keeper } = run;
  if (!signal.aborted) yield* steps(run);
  yield* keeper.save();
  const isWhole = optimiser.step >= optimiser.totalSteps || endsEarly(run) !== undefined;
  return isWhole ? 'done' : 'stopped';
}

async function* steps(run: Run): AsyncGenerator<TrainEvent> {
  const { job, task, optimiser, signal, runtime, keeper } = run;
  const trainable = [...optimiser.parameters.keys()];
  const programs = new LossPrograms({
    lossGraph: task.lossGraph,
    trainable,
    weights: task.frozen,
    runtime,
    ...task.programs,
  });
  try {
    yield* keeper.save();
    yield* watch(run);
    if (signal.aborted || endsEarly(run) !== undefined) return;
    const results = trainingSteps({
      optimiser,
      batchesAt: task.batchesAt,
      lossOf: (batch, parameters) => programs.run(batch, parameters),
      ...unsoundSteps(run),
      stop: () => signal.aborted,
    });
    for await (const result of results) {
      run.place.step = result.step;
      if (result.skipped !== undefined) yield skippedStep(result.skipped);
      yield stepOf(run, result);
      const { save_steps } = job.config;
      const isDue = save_steps > 0 && result.step % save_steps === 0;
      if (isDue) yield* tolerant(run, save(run, 'between'));
      yield* watch(run);
      yield* keepBest(run, isDue);
      if (isDue || keeper.isDue || result.skipped !== undefined) yield* saveState(run);
      yield* foundGone(run);
      if (endsEarly(run) !== undefined) return;
    }
  } finally {
    await programs.release();
  }
}

function* saveState({ postponed, keeper }: Run): Generator<TrainEvent> {
  yield* postponed.retry();
  yield* keeper.save();
}

/**
 * The best so far has a checkpoint of its own, so that it can be the result. The one before it goes
 * where it was saved for that alone.
 */
async function* keepBest(run: Run, isSaved: boolean): AsyncGenerator<TrainEvent> {
  const { task, optimiser, place, signal } = run;
  const { step, totalSteps } = optimiser;
  if (signal.aborted || task.history?.best !== step) return;
  if (!isSaved && step < totalSteps) yield* tolerant(run, save(run, 'best'));
  place.folder.removeOutdone(step);
}

/** Where more training would do harm, if that is to end the run. */
const endsEarly = ({ job, task }: Pick<Run, 'job' | 'task'>): string | undefined =>
  job.config.stop_when_overfit ? task.history?.harm : undefined;

/** Steps in a row without an update that are tolerated. */
const TOLERATED = 2;

/** A step that is not finite is skipped, unless that cannot help. */
const unsoundSteps = (run: Run) => ({
  unsound: (found: UnsoundStep<MicroBatch>) => {
    const error = unsoundStepError(found, unsoundSource(run));
    run.unsound.add(error);
    return error;
  },
  tolerated: TOLERATED,
  hopeless: (error: Error) => error instanceof CheckpointError,
});

function skippedStep(error: Error): WarningEvent {
  const [{ where, what }] =
    error instanceof UserError ? error.problems : [{ where: 'training', what: error.message }];
  const fix = `The step is skipped: no weight was changed. After ${TOLERATED + 1} such steps in a row the run stops.`;
  return { type: 'warning', problem: { where, what, fix } };
}

/**
 * What the task wants to see of the weights as they are. Where the run is being stopped, the next
 * start looks.
 */
async function* watch(run: Run): AsyncGenerator<TrainEvent> {
  const { task, signal, watched, optimiser, keeper } = run;
  const { step, totalSteps } = optimiser;
  if (signal.aborted || watched.step >= step) return;
  const before = keeper.moment();
  if (task.watch !== undefined)
    yield* keeping(run, task.watch(step, step === totalSteps, writer(run)));
  if (signal.aborted) keeper.goBackTo(before);
  else watched.step = step;
}

/** A disk that refuses a file in between does not end the run, whose weights are worth more. */
async function* tolerant(run: Run, events: AsyncGenerator<TrainEvent, string>) {
  try {
    yield* events;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const [problem] = error.problems;
    const what = `${problem.what}. The run goes on, keeps the adapter of step ${run.optimiser.step} in memory, and tries again later`;
    yield { type: 'warning', problem: { ...problem, what } } satisfies WarningEvent;
  }
}

function* foundGone({ place }: Run): Generator<WarningEvent> {
  const problem = place.folder.vanished();
  if (problem !== undefined) yield { type: 'warning', problem };
}

function stepOf(run: Run, { step, loss, learningRates, gradNorm, skipped }: StepResult): StepEvent {
  const { task, length, statistics, optimiser } = run;
  return {
    type: 'step',
    step,
    ...length,
    epoch: epochOf(step, task),
    loss,
    learningRates,
    gradNorm,
    ...(skipped !== undefined && { skipped: true }),
    ...statistics.after(loss, optimiser.totalSteps - step),
  };
}

const epochOf = (step: number, { stepsPerEpoch }: OpenTask): number =>
  Math.max(1, Math.ceil(step / stepsPerEpoch));

const unsoundSource = ({ job, task, saved, keeper }: Run) => ({
  lossGraph: task.lossGraph,
  weights: task.frozen,
  learningRate: job.config.learning_rate,
  place: placeOf('learning_rate', job.source),
  kept: keptOf(saved, keeper),
});

function keptOf([latest]: readonly string[], { savedStep = 0 }: StateKeeper): string {
  const adapter =
    latest === undefined ? 'Nothing was saved yet.' : `The last adapter that was saved: ${latest}.`;
  return savedStep === 0
    ? adapter
    : `${adapter} The state of step ${savedStep} is saved: the same command goes on from there.`;
}

/** Events of work beside the training; its errors say what of the training is kept. */
async function* keeping<T>(run: Run, events: AsyncGenerator<TrainEvent, T>) {
  try {
    return yield* run.place.recording(events);
  } catch (error) {
    if (!(error instanceof UserError) || run.saved.length === 0) throw error;
    throw error.with(keptOf(run.saved, run.keeper));
  }
}

/** Writes the files of this moment; returns the path of the adapter. */
async function* save(run: Run, why: WhySaved): AsyncGenerator<TrainEvent, string> {
  const { task, length, place, optimiser, statistics } = run;
  const { step, parameters } = optimiser;
  const final = why === 'final';
  const { started, id, folder } = place;
  const at: SavePoint = { ...length, step, epoch: epochOf(step, task), final, started, id };
  requireSoundParameters(parameters, { step, ...unsoundSource(run) });
  const found: Narrowing[] = [];
  const content = task.files(at, (narrowing) => found.push(narrowing));
  const { history } = task;
  const about = { step, loss: statistics.lossAverage, history };
  const record = checkpointRecord(why, about);
  const files = run.postponed.write(step, () => folder.writeCheckpoint(content, record));
  run.saved.unshift(files[0]);
  // at the end, what was written wider is a warning
  const notes = narrowingNotes(final ? found.filter(({ widened }) => !widened) : found);
  const more = { ...(why === 'best' && { isBest: true }), ...(notes.length > 0 && { notes }) };
  yield { type: 'saved', step, files, ...more };
  yield* copyEvents(run.backup?.copy(folder.facts.checkpoints), step);
  if (final)
    for (const problem of wideningProblems(found, tooSmall(run.job.config)))
      yield { type: 'warning', problem };
  return files[0];
}

function doneOf(
  { job, task, signal, length, place }: Run,
  { step, adapter, results }: Pick<DoneEvent, 'step' | 'adapter' | 'results'>,
): DoneEvent {
  const isCut = step < length.totalSteps && !signal.aborted;
  const ended = isCut ? endsEarly({ job, task }) : undefined;
  const best = betterCheckpoint(task.history, place.folder);
  return {
    type: 'done',
    stopped: step < length.totalSteps && ended === undefined,
    ...(ended !== undefined && { ended }),
    step,
    totalSteps: length.totalSteps,
    adapter,
    ...(best !== undefined && { best }),
    log: join(place.dir, LOG_FILE),
    results,
    seconds: place.seconds,
  };
}
