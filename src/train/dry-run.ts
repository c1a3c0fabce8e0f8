// What a run would take, without training: a short calibration, from which time and energy follow.

import { expenseOf } from '../account/account.ts';
import { openMeter } from '../account/power.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TrainEvent } from './events.ts';
import { LossPrograms } from './programs.ts';
import { rehearsedRun } from './rehearsal.ts';
import type { OpenTask } from './task.ts';

/** A run that is planned. */
export interface DryRunOptions {
  readonly job: LoadedConfig;
  readonly task: OpenTask;
  readonly runtime: Runtime;
  readonly length: { readonly totalSteps: number };
  readonly signal: AbortSignal;
  /** Seconds since the start. */
  readonly place: { readonly seconds: number };
}

/** The forecast of the whole run; nothing is kept of what is computed for it. */
export async function* dryRun(options: DryRunOptions): AsyncGenerator<TrainEvent> {
  const { job, task, runtime, length, signal, place } = options;
  const { config } = job;
  const { totalSteps } = length;
  const passed = () => place.seconds;
  const meter = openMeter({ watts: config.power_watts, onCard: runtime.ownsMemory });
  const began = passed();
  const programs = new LossPrograms({
    lossGraph: task.lossGraph,
    trainable: task.groups.flatMap(({ parameters }) => [...parameters.keys()]),
    weights: task.frozen,
    runtime,
    ...task.programs,
  });
  try {
    const rehearsal = { task, totalSteps, programs, signal, passed };
    const settings = { optimiser: { ...config, totalSteps }, previewEvery: config.sample_every };
    const seconds = yield* rehearsedRun(task.rehearsals ?? {}, { ...rehearsal, ...settings });
    if (signal.aborted) return;
    const tried = passed() - began;
    const expense = expenseOf(
      { seconds, joules: (meter.read(tried) / tried) * seconds },
      meter.source,
      config,
    );
    yield { type: 'forecast', step: 0, expense };
  } finally {
    await programs.release();
  }
}
