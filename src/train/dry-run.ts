// What a run would take, without training: a short calibration, from which time and energy follow.

import { expenseOf } from '../account/account.ts';
import { between, stopwatch, type Duration } from '../account/duration.ts';
import { MachineLoad } from '../account/machine-load.ts';
import { openMeter, type PowerSource } from '../account/power.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { ForecastEvent } from '../events.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TrainEvent } from './events.ts';
import { duesOf } from './forecast.ts';
import { LossPrograms } from './programs.ts';
import { rehearsedRun } from './rehearsal.ts';
import type { RunPlace } from './run-place.ts';
import type { OpenTask } from './task.ts';

/** A run that is planned. */
export interface DryRunOptions {
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly runtime: Runtime;
  readonly length: { readonly totalSteps: number };
  readonly signal: AbortSignal;
  readonly place: Pick<RunPlace, 'passed'>;
}

/** The forecast of the whole run; nothing is kept of what is computed for it. */
export async function* dryRun(options: DryRunOptions): AsyncGenerator<TrainEvent> {
  const { job, task, runtime, length, signal, place } = options;
  const { config } = job;
  const { totalSteps } = length;
  const meter = openMeter({ watts: config.power_watts, onCard: runtime.ownsMemory });
  const began = stopwatch();
  const load = new MachineLoad(() => runtime.threads);
  const programs = new LossPrograms({
    lossGraph: task.lossGraph,
    trainable: task.groups.flatMap(({ parameters }) => [...parameters.keys()]),
    weights: task.frozen,
    runtime,
    ...task.programs,
  });
  try {
    const passed = () => place.passed;
    const rehearsal = { task, totalSteps, programs, signal, passed };
    const settings = { optimiser: { ...config, totalSteps }, dues: duesOf(config, task) };
    const whole = yield* rehearsedRun(task.rehearsals ?? {}, { ...rehearsal, ...settings });
    if (signal.aborted) return;
    const { clock: tried } = between(began, stopwatch());
    yield forecastOf(whole, {
      joulesPerSecond: meter.read(tried) / tried,
      source: meter.source,
      config,
      load,
    });
  } finally {
    await programs.release();
  }
}

interface Tried {
  readonly joulesPerSecond: number;
  readonly source: PowerSource;
  readonly config: TrainConfig;
  readonly load: MachineLoad;
}

function forecastOf(
  { clock: seconds, processor }: Duration,
  { joulesPerSecond, source, config, load: { share: load } }: Tried,
): ForecastEvent {
  return {
    type: 'forecast',
    step: 0,
    expense: expenseOf({ seconds, joules: joulesPerSecond * seconds }, source, config),
    processorSeconds: processor,
    ...(load !== undefined && { load }),
    ...(source.hint !== undefined && { hint: source.hint }),
  };
}
