// Opens the task of a run with what computes it: the card or the processor, the same as in earlier
// starts of the run.

import { availableParallelism } from 'node:os';
import { placeOf, type LoadedConfig } from '../config/load.ts';
import { located, locatedError } from '../config/located.ts';
import { SystemError } from '../errors.ts';
import type { WarningEvent } from '../events.ts';
import { cpuRuntime, type Runtime, type RuntimeOptions } from '../runtime/runtime.ts';
import type { TrainEvent } from './events.ts';
import { shownValue } from './resume-rules.ts';
import { requireSameBase, type RunPlace } from './run-place.ts';
import type { TakenUp } from './take-up.ts';
import type { OpenTask, TaskContext } from './task.ts';
import { tasks } from './tasks.ts';

export interface Computing {
  readonly open: (options: RuntimeOptions) => Promise<Runtime>;
  /** Told of every runtime that is opened, before anything is computed with it. */
  readonly computeOn: (runtime: Runtime) => void;
}

export interface OpenContext {
  readonly signal: AbortSignal;
  readonly computing: Computing;
  readonly place: RunPlace;
}

/** The task with what computes it. Where `auto` took a card that has no room, the processor. */
export async function* openTask(
  job: LoadedConfig,
  { signal, computing, place }: OpenContext,
): AsyncGenerator<TrainEvent, { readonly task: OpenTask; readonly runtime: Runtime }> {
  const { device, threads } = computedBy(job, place.takenUp);
  const open = (runtime: Runtime) => {
    computing.computeOn(runtime);
    const recorded = recordedFor(runtime, place.takenUp);
    const task = tasks[job.config.task_type];
    return locating(job, task.open(job, { runtime, signal, recorded, start: place.start }));
  };
  const runtime = await opening(job, computing.open({ device, threads }));
  yield* otherwiseComputed(runtime, place.takenUp);
  const task = yield* open(runtime);
  if (place.takenUp !== undefined) requireSameBase(place.takenUp, task, job);
  if (task.lacking === undefined) return { task, runtime };
  if (device !== 'auto') throw noRoom(job, task.lacking);
  await runtime.release();
  const cpu = cpuRuntime(threads, task.lacking);
  return { task: yield* withoutWarnings(open(cpu)), runtime: cpu };
}

/** A run that goes on keeps what computes it, unless the configuration names another. */
function computedBy({ config, source }: LoadedConfig, takenUp: TakenUp | undefined) {
  const threads = config.num_threads ?? takenUp?.facts.threads ?? availableParallelism();
  const isOpen = config.device === 'auto' || !source.given.has('device');
  return { device: isOpen && takenUp?.facts.device === 'cpu' ? 'cpu' : config.device, threads };
}

/**
 * What earlier starts recorded; where another backend computes now, of their decisions only the
 * adapters that the run began with, and what is compared.
 */
function recordedFor(runtime: Runtime, takenUp: TakenUp | undefined): TaskContext['recorded'] {
  if (takenUp?.data === undefined) return undefined;
  const { facts, data } = takenUp;
  const { begun, compared } = facts.decisions ?? {};
  const decisions = facts.device === runtime.backend ? facts.decisions : { begun, compared };
  return { ...data, decisions };
}

/** What computes a run is part of its last digits. */
function* otherwiseComputed(
  { backend, adapter, threads, version }: Runtime,
  takenUp: TakenUp | undefined,
): Generator<WarningEvent> {
  if (takenUp === undefined) return;
  const { facts } = takenUp;
  const before = {
    device: facts.device,
    card: facts.adapter,
    threads: facts.threads,
    'ONNX Runtime': facts.versions['onnxruntime'],
  };
  const now: typeof before = { device: backend, card: adapter, threads, 'ONNX Runtime': version };
  const differing = (Object.keys(before) as (keyof typeof before)[]).filter(
    // made of these keys
    (key) => before[key] !== now[key],
  );
  if (differing.length === 0) return;
  const listed = differing.map(
    (key) => `${key}: ${shownValue(now[key])}, before ${shownValue(before[key])}`,
  );
  const what = `something else computes the run from here on, so its last digits are not those of a run without a stop: ${listed.join('; ')}`;
  yield { type: 'warning', problem: { where: 'device', what } };
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
