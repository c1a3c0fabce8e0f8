// The account of a run: a consumer of its events, as the log is. Time, energy and memory of this
// start go into account.json, beside those of the starts before it.

import { availableParallelism } from 'node:os';
import { between, stopwatch, type Duration, type Stopwatch } from '../account/duration.ts';
import { MachineLoad, type ProcessorUse } from '../account/machine-load.ts';
import { openMeter, type Meter } from '../account/power.ts';
import {
  ACCOUNT_FILE,
  accountEvent,
  accountText,
  expenseOf,
  readAccount,
  type RunAccount,
  type StartAccount,
} from '../account/account.ts';
import type { TrainConfig } from '../config/schema.ts';
import { SystemError, UserError } from '../errors.ts';
import type { ForecastEvent, PlanEvent, StepEvent } from '../events.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunPlace } from './run-place.ts';
import { PeakMemory } from '../runtime/peak-memory.ts';
import type { TrainEvent } from './events.ts';
import { duesOf, Forecaster, type ForecasterOptions } from './forecast.ts';
import type { OpenTask } from './task.ts';

export interface AccountOptions extends ForecasterOptions {
  readonly config: TrainConfig;
  /** The run's folder; undefined before it is open. */
  readonly folder: () => Pick<RunFolder, 'dir' | 'overwrite'> | undefined;
  /** Default: of this process. */
  readonly watch?: Stopwatch;
  /** What computes, when the plan is known. */
  readonly computing?: () => { readonly onCard: boolean; readonly threads: number };
  /** Default: of this machine. */
  readonly use?: () => ProcessorUse | undefined;
}

/** What is known of a run by and by. */
export interface AccountedRun {
  readonly place: Pick<RunPlace, 'opened' | 'ending'>;
  readonly runtime: () => Runtime | undefined;
  readonly task: () => Pick<OpenTask, 'looks'> | undefined;
}

export const accountOf = (
  { config }: LoadedConfig,
  { place, runtime, task }: AccountedRun,
): AccountOptions => ({
  config,
  folder: () => place.opened,
  computing: () => ({
    onCard: runtime()?.ownsMemory === true,
    threads: runtime()?.threads ?? availableParallelism(),
  }),
  dues: () => duesOf(config, task()),
  ending: () => place.ending,
});

/** Passes events on; adds a forecast after the first steps, and the account before the end. */
export async function* accounted(
  events: AsyncIterable<TrainEvent>,
  options: AccountOptions,
): AsyncGenerator<TrainEvent> {
  const keeper = new AccountKeeper(options);
  try {
    for await (const event of events) {
      const forecast = keeper.see(event);
      if (event.type === 'done') yield keeper.end(!event.stopped);
      yield event.type === 'step' ? keeper.paced(event) : event;
      if (forecast !== undefined) yield forecast;
    }
  } finally {
    keeper.write();
  }
}

/** Seconds between two looks at memory and power, and between two versions of the file. */
const PAUSES = { look: 1, write: 30 };

class AccountKeeper {
  readonly #options: AccountOptions;
  readonly #watch: Stopwatch;
  readonly #began: Duration;
  readonly #at = new Date().toISOString();
  #meter: Meter;
  /** Seconds before the meter was opened. */
  #unmetered = 0;
  readonly #memory = new PeakMemory();
  readonly #load: MachineLoad;
  readonly #forecaster: Forecaster;
  #lookedAt = -Infinity;
  #writtenAt = -Infinity;
  #joules = 0;
  #memoryEstimate: number | undefined;
  #forecast: StartAccount['forecast'];
  #isWhole = false;
  #hasStepped = false;
  #earlier: RunAccount | undefined;

  constructor(options: AccountOptions) {
    const { config, watch = stopwatch, use } = options;
    this.#options = options;
    this.#watch = watch;
    this.#began = watch();
    this.#meter = openMeter({ watts: config.power_watts });
    this.#forecaster = new Forecaster(options);
    const threads = () => options.computing?.().threads ?? availableParallelism();
    this.#load = new MachineLoad(threads, use);
  }

  /** Of this start. */
  get #passed(): Duration {
    return between(this.#began, this.#watch());
  }

  see(event: TrainEvent): ForecastEvent | undefined {
    if (event.type === 'plan') this.#planned(event);
    const { clock: now } = this.#passed;
    const isFirst = event.type === 'step' && !this.#hasStepped; // it takes as much as any
    if (isFirst) this.#hasStepped = true;
    if (isFirst || now - this.#lookedAt >= PAUSES.look) this.#look();
    if (isFirst || now - this.#writtenAt >= PAUSES.write) this.write();
    const whole = this.#forecaster.see(event, this.#passed);
    if (whole === undefined || event.type !== 'step') return undefined;
    return this.#told(event.step, whole);
  }

  /** With the time that is left, the work besides the steps included. */
  paced(event: StepEvent): StepEvent {
    const { left } = this.#forecaster;
    return left === undefined ? event : { ...event, secondsLeft: left.clock };
  }

  /** Nothing is done any more; `isWhole`: all steps were taken. */
  end(isWhole: boolean): TrainEvent {
    this.#look();
    this.#isWhole = isWhole;
    this.write();
    const { hint } = this.#meter.source;
    const isNew = this.#forecast === undefined && hint !== undefined;
    return { ...accountEvent(this.#account()), ...(isNew && { hint }) };
  }

  /** Into the folder, where there is one. A disk that refuses does not end the run. */
  write(): void {
    const folder = this.#options.folder();
    if (folder === undefined) return;
    this.#earlier ??= earlierAccount(folder.dir);
    this.#writtenAt = this.#passed.clock;
    try {
      folder.overwrite(ACCOUNT_FILE, accountText(this.#account()));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // the log has said it
    }
  }

  #planned({ memoryEstimate }: PlanEvent): void {
    this.#memoryEstimate = memoryEstimate;
    const { config, computing } = this.#options;
    if (computing?.().onCard !== true) return;
    this.#unmetered = this.#passed.clock;
    this.#meter = openMeter({ watts: config.power_watts, onCard: true });
  }

  #look(): void {
    const { clock: seconds } = this.#passed;
    this.#lookedAt = seconds;
    this.#memory.look();
    const metered = seconds - this.#unmetered;
    if (metered > 0) this.#joules = (this.#meter.read(metered) * seconds) / metered;
  }

  #told(step: number, { clock: seconds, processor }: Duration): ForecastEvent {
    this.#look();
    const joules = (this.#joules / this.#passed.clock) * seconds;
    const { source } = this.#meter;
    const { share: load } = this.#load;
    const said = { processorSeconds: processor, ...(load !== undefined && { load }) };
    this.#forecast = { step, seconds, joules, ...said };
    return {
      type: 'forecast',
      step,
      expense: expenseOf({ seconds, joules }, source, this.#options.config),
      ...said,
      ...(source.hint !== undefined && { hint: source.hint }),
    };
  }

  #account(): RunAccount {
    const { price_per_kwh, currency } = this.#options.config;
    const { how, of } = this.#meter.source;
    const { clock: seconds, processor: processorSeconds } = this.#passed;
    const { share: load } = this.#load;
    const present: StartAccount = {
      at: this.#at,
      seconds,
      joules: this.#joules,
      power: { how, of },
      ...(price_per_kwh !== undefined && { pricePerKwh: price_per_kwh }),
      ...(currency !== undefined && { currency }),
      processorSeconds,
      ...(load !== undefined && { load }),
      peakMemory: this.#memory.bytes,
      ...(this.#memoryEstimate !== undefined && { memoryEstimate: this.#memoryEstimate }),
      ...(this.#forecast !== undefined && { forecast: this.#forecast }),
      whole: this.#isWhole,
    };
    return { starts: [...(this.#earlier?.starts ?? []), present] };
  }
}

/** A damaged one is begun anew. */
function earlierAccount(dir: string): RunAccount {
  try {
    return readAccount(dir);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { starts: [] };
  }
}
