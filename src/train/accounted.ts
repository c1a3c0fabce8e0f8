// The account of a run: a consumer of its events, as the log is. Time, energy and memory of this
// start go into account.json, beside those of the starts before it.

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
import type { Expense, ForecastEvent, PlanEvent } from '../events.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RunPlace } from './run-place.ts';
import { PeakMemory } from '../runtime/peak-memory.ts';
import type { TrainEvent } from './events.ts';
import { Forecaster } from './forecast.ts';

export interface AccountOptions {
  readonly config: TrainConfig;
  /** The run's folder; undefined before it is open. */
  readonly folder: () => Pick<RunFolder, 'dir' | 'write'> | undefined;
  /** Seconds of the work after the last step, where they are known. */
  readonly ending?: () => number | undefined;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
  /** Whether a graphics card computes; asked when the plan is known. */
  readonly onCard?: () => boolean;
}

/** Of a run that `place` is told of. */
export const accountOf = (
  { config }: LoadedConfig,
  place: Pick<RunPlace, 'opened' | 'endingSeconds'>,
  runtime: () => Runtime | undefined,
): AccountOptions => ({
  config,
  folder: () => place.opened,
  onCard: () => runtime()?.ownsMemory === true,
  ending: () => place.endingSeconds,
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
      yield event;
      if (forecast !== undefined) yield forecast;
    }
  } finally {
    keeper.write();
  }
}

/** Milliseconds between two looks at memory and power, and between two versions of the file. */
const PAUSES = { look: 1000, write: 30_000 };

class AccountKeeper {
  readonly #options: AccountOptions;
  readonly #clock: () => number;
  readonly #began: number;
  readonly #at = new Date().toISOString();
  #meter: Meter;
  /** Seconds before the meter was opened. */
  #unmetered = 0;
  readonly #memory = new PeakMemory();
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
    const { config, clock = () => performance.now(), ending = () => undefined } = options;
    this.#options = options;
    this.#clock = clock;
    this.#began = clock();
    this.#meter = openMeter({ watts: config.power_watts });
    this.#forecaster = new Forecaster(config, ending);
  }

  get #seconds(): number {
    return (this.#clock() - this.#began) / 1000;
  }

  see(event: TrainEvent): ForecastEvent | undefined {
    if (event.type === 'plan') this.#planned(event);
    const now = this.#clock();
    const isFirst = event.type === 'step' && !this.#hasStepped; // it takes as much as any
    if (isFirst) this.#hasStepped = true;
    if (isFirst || now - this.#lookedAt >= PAUSES.look) this.#look(now);
    if (isFirst || now - this.#writtenAt >= PAUSES.write) this.write();
    const seconds = this.#forecaster.see(event, this.#seconds);
    if (seconds === undefined || event.type !== 'step') return undefined;
    this.#forecast = { step: event.step, seconds };
    return { type: 'forecast', step: event.step, expense: this.#expected(seconds) };
  }

  /** Nothing is done any more; `isWhole`: all steps were taken. */
  end(isWhole: boolean): TrainEvent {
    this.#look(this.#clock());
    this.#isWhole = isWhole;
    this.write();
    return accountEvent(this.#account());
  }

  /** Into the folder, where there is one. A disk that refuses does not end the run. */
  write(): void {
    const folder = this.#options.folder();
    if (folder === undefined) return;
    this.#earlier ??= earlierAccount(folder.dir);
    this.#writtenAt = this.#clock();
    try {
      folder.write(ACCOUNT_FILE, accountText(this.#account()));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error; // the log has said it
    }
  }

  #planned({ memoryEstimate }: PlanEvent): void {
    this.#memoryEstimate = memoryEstimate;
    const { config, onCard } = this.#options;
    if (onCard?.() !== true) return;
    this.#unmetered = this.#seconds;
    this.#meter = openMeter({ watts: config.power_watts, onCard: true });
  }

  #look(now: number): void {
    this.#lookedAt = now;
    this.#memory.look();
    const metered = this.#seconds - this.#unmetered;
    if (metered > 0) this.#joules = (this.#meter.read(metered) * this.#seconds) / metered;
  }

  #expected(seconds: number): Expense {
    this.#look(this.#clock());
    const joules = (this.#joules / this.#seconds) * seconds;
    return expenseOf({ seconds, joules }, this.#meter.source, this.#options.config);
  }

  #account(): RunAccount {
    const { price_per_kwh, currency } = this.#options.config;
    const { how, of } = this.#meter.source;
    const present: StartAccount = {
      at: this.#at,
      seconds: this.#seconds,
      joules: this.#joules,
      power: { how, of },
      ...(price_per_kwh !== undefined && { pricePerKwh: price_per_kwh }),
      ...(currency !== undefined && { currency }),
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
