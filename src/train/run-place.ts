// Where a run is written: a folder of its own, begun when the plan is known, or taken up again.

import { sumOf } from '../account/duration.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { between, stopwatch, type Duration } from '../account/duration.ts';
import { weightsFingerprint } from '../checkpoints/fingerprint.ts';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import { CheckpointError, InternalError, UserError, type Problem } from '../errors.ts';
import type { ForgettingEvent, PlanEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { runId, type NewFacts, type RunFacts, type Start } from '../runs/facts.ts';
import { RunFolder } from '../runs/run-folder.ts';
import { presentSystem } from '../runs/last-seen.ts';
import { writeData } from '../runs/samples.ts';
import { own } from '../util/own.ts';
import { plural } from '../util/plural.ts';
import { numberedRecords } from './state-keeper.ts';
import { recordedSettings } from './resume-rules.ts';
import type { TakenUp } from './take-up.ts';
import type { StartingPoint } from './starting-point.ts';
import type { OpenTask, Trial } from './task.ts';

/** What is known of a run when it begins to train. */
export interface PlannedRun {
  /** With what the run itself decided. */
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly runtime: Runtime;
  readonly plan: PlanEvent;
}

/** How a start ends. */
type How = NonNullable<Start['ended']>['how'];

/** The folder of a run, and what run.json is told of it. */
export class RunPlace {
  /** Of the first start. */
  readonly started: Date;
  readonly id: string;
  #folder: RunFolder | undefined;
  #hasStarted = false;
  readonly #began = stopwatch();
  /** The work after the last step, where it was tried. */
  ending: Trial | undefined;
  /** Steps done, for the record of how the start ended. */
  step: number;

  constructor(
    readonly dir: string,
    readonly takenUp: TakenUp | undefined,
    /** The adapter that the run begins with, where one is named. */
    readonly start?: StartingPoint,
  ) {
    this.#folder = takenUp?.folder;
    this.started = takenUp === undefined ? new Date() : new Date(takenUp.facts.started);
    this.id = takenUp?.facts.id ?? runId(this.started);
    this.step = takenUp?.state?.step ?? 0;
  }

  /** Seconds of this start. */
  get seconds(): number {
    return this.passed.clock;
  }

  /** Of this start. */
  get passed(): Duration {
    return between(this.#began, stopwatch());
  }

  /** Undefined before the plan is known. */
  get opened(): RunFolder | undefined {
    return this.#folder;
  }

  get folder(): RunFolder {
    if (this.#folder === undefined) throw new InternalError('the run folder is not open yet');
    return this.#folder;
  }

  /** Begins the folder, or brings it to where the state of the run stands. */
  open({ job, task, runtime, plan }: PlannedRun): Problem[] {
    const settings = recordedSettings(job.published);
    const facts = { ...factsOf(job, runtime), settings, plan: planFacts(task, plan) };
    const { takenUp } = this;
    if (takenUp === undefined) {
      const { decisions } = task;
      const baseFingerprint = weightsFingerprint(task.frozen);
      const parent = this.start?.parent;
      const first = { id: this.id, started: this.started.toISOString(), decisions, parent };
      this.#folder = RunFolder.begin(this.dir, { ...facts, ...first, baseFingerprint });
    }
    const { folder, step } = this;
    const at = new Date().toISOString();
    const changes = takenUp?.changed.map(({ key, from, to }) => ({ at, step, key, from, to }));
    const start = { at, step, pid: process.pid, ...presentSystem() };
    folder.start(start, facts, changes);
    this.#hasStarted = true;
    writeData(folder, takenUp?.data ?? task);
    return takenUp === undefined ? [] : cutRecords(folder, takenUp);
  }

  /** Passes events on; what is to be known of the run later goes into run.json. */
  async *recording<T>(events: AsyncGenerator<TrainEvent, T>): AsyncGenerator<TrainEvent, T> {
    for (;;) {
      const { done, value } = await events.next();
      if (done === true) return value;
      if (value.type === 'forgetting') this.#learn(value);
      yield value;
    }
  }

  #learn({ type: _, took, ...forgetting }: ForgettingEvent): void {
    this.folder.record({ forgetting: { ...forgetting, reasons: [...forgetting.reasons] } });
    // what was measured before the first step is measured again at the end
    const { ending } = this;
    if (ending !== undefined) this.ending = { ...ending, whole: sumOf([ending.whole, took]) };
  }

  /** Says in run.json how this start ended. */
  end(how: How, reason?: string): void {
    if (!this.#hasStarted) return;
    const { step } = this;
    this.folder.end({ how, step, at: new Date().toISOString(), ...(reason && { reason }) });
  }

  /** As `end`, where the run failed; what hinders that is not told: the failure is. */
  fail(error: unknown, how: How = 'failed'): void {
    const reason = error instanceof UserError ? error.message : 'an error of the program';
    try {
      this.end(how, reason);
    } catch (refused) {
      if (!(refused instanceof UserError)) throw refused;
    }
  }

  close(): void {
    this.#folder?.close();
  }
}

/** Throws CheckpointError where the base is another than that which the run was begun with. */
export function requireSameBase(
  { facts: { baseFingerprint } }: TakenUp,
  task: OpenTask,
  { source, published }: LoadedConfig,
): void {
  if (baseFingerprint === undefined || baseFingerprint === weightsFingerprint(task.frozen)) return;
  const what = `${published.base_model} has other weights than the base model that the interrupted run in output_dir was begun with`;
  const fix = 'Give that model, or add --fresh to begin a new run.';
  throw new CheckpointError([{ where: placeOf('base_model', source), what, fix }]);
}

function factsOf({ published }: LoadedConfig, { backend, adapter, threads, version }: Runtime) {
  const { task_type, train_data, train_data_dir } = published;
  const versions = {
    'lora-scripts': packageJson.version,
    node: process.versions.node,
    onnxruntime: version,
    platform: `${process.platform} ${process.arch}`,
  };
  return {
    task: task_type,
    ...(task_type === 'image' && { name: published.output_name }),
    base: published.base_model,
    data: task_type === 'image' ? [train_data_dir] : train_data.map(({ path }) => path),
    seed: published.seed,
    device: backend,
    adapter,
    threads,
    versions,
  } satisfies Partial<NewFacts>;
}

const planFacts = (task: OpenTask, plan: PlanEvent): RunFacts['plan'] => ({
  totalSteps: plan.totalSteps,
  epochs: plan.epochs,
  stepsPerEpoch: task.stepsPerEpoch,
  samples: plan.samples,
  sampleName: plan.sampleName,
  trainableParameters: plan.trainableParameters,
  memoryEstimate: plan.memoryEstimate,
});

/**
 * Takes what was recorded after the state out of the records: those steps are computed again.
 * Returns what the records lack, where somebody shortened them.
 */
function cutRecords(folder: RunFolder, { state }: TakenUp): Problem[] {
  const sizes = state?.records ?? {};
  for (const name of numberedRecords(folder.dir))
    if (own(sizes, name) === undefined) folder.remove(name);
  const short = Object.entries(sizes).flatMap(([name, size]) => {
    const missing = folder.cutTo(name, size);
    return missing === 0 ? [] : [`${name} (${missing} bytes)`];
  });
  if (short.length === 0) return [];
  const what = `shorter than when the state was saved, so that they have gaps now: ${short.join(', ')}`;
  return [
    { where: folder.dir, what: `${plural(short.length, 'record is', 'records are')} ${what}` },
  ];
}
