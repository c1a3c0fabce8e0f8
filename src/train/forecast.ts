// How long a run will take, from its first steps: what has passed, the steps left, and the work
// that comes between them and at the end.

import type { TrainConfig } from '../config/schema.ts';
import type { PlanEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';

/** Work between the steps. */
type Aside = 'validation' | 'sample' | 'saved';

/** How many more steps come between two of each; 0: none. */
type AsidesEvery = Readonly<Record<Aside, number>>;

const asidesOf = (config: TrainConfig, plan: PlanEvent): AsidesEvery => ({
  validation: plan.validationEvery ?? 0,
  sample: config.sample_every,
  saved: config.save_steps,
});

export interface ForecastParts {
  /** Seconds that have passed. */
  readonly passed: number;
  readonly stepsLeft: number;
  readonly secondsPerStep: number;
  /** Times that each comes still, and seconds of one. */
  readonly asides: readonly { readonly times: number; readonly seconds: number }[];
  /** Seconds of the work after the last step. */
  readonly ending: number;
}

/** Seconds of the whole. */
export const wholeSeconds = (parts: ForecastParts): number =>
  parts.passed +
  parts.stepsLeft * parts.secondsPerStep +
  parts.asides.reduce((sum, { times, seconds }) => sum + times * seconds, 0) +
  parts.ending;

/** How often something that comes every so many steps does so after `done` of `total`. */
export const timesLeft = (every: number, done: number, total: number): number =>
  every === 0 ? 0 : Math.floor(total / every) - Math.floor(done / every);

/** Seconds of one step: the mean of those that opened no program. */
export function typicalStep(seconds: readonly number[]): number {
  const sorted = [...seconds].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const usual = seconds.filter((one) => one <= OPENING * median);
  // where programs are opened again and again, that is part of a step
  const counted = usual.length >= 0.8 * seconds.length ? usual : seconds;
  return counted.reduce((sum, one) => sum + one, 0) / counted.length;
}

/** A step that takes so many times the median has opened a program. */
const OPENING = 3;

/** Steps that are looked at, or as many as there are in so many seconds, but some. */
const ENOUGH = { steps: 16, seconds: 20, atLeast: 4 };
/** A forecast for what is nearly over is none. */
const MOST_OF_RUN = 0.5;

/** Sees the events of a run; says once how long it will take. */
export class Forecaster {
  readonly #steps: number[] = [];
  readonly #asides = new Map<string, number[]>();
  #plan: PlanEvent | undefined;
  #first: number | undefined;
  #last = 0;
  #isTold = false;

  /** `ending`: seconds of the work after the last step, where they are known. */
  constructor(
    readonly config: TrainConfig,
    readonly ending: () => number | undefined,
  ) {}

  /** `passed`: seconds since the start. Seconds of the whole, once. */
  see(event: TrainEvent, passed: number): number | undefined {
    if (event.type === 'plan') this.#plan = event;
    const took = passed - this.#last;
    if (event.type === 'step') this.#step(took, passed);
    else if (this.#first !== undefined || event.type === 'validation') this.#add(event.type, took);
    this.#last = passed;
    return event.type === 'step' ? this.#told(event.step, passed) : undefined;
  }

  /** The first step of a start opens what it needs. */
  #step(took: number, passed: number): void {
    if (this.#first === undefined) this.#first = passed;
    else this.#steps.push(took);
  }

  #add(kind: string, took: number): void {
    this.#asides.set(kind, [...(this.#asides.get(kind) ?? []), took]);
  }

  #told(step: number, passed: number): number | undefined {
    const [plan, count] = [this.#plan, this.#steps.length];
    if (this.#isTold || plan === undefined || this.#first === undefined) return undefined;
    const isLong = passed - this.#first >= ENOUGH.seconds && count >= ENOUGH.atLeast;
    if (count < ENOUGH.steps && !isLong) return undefined;
    this.#isTold = true;
    if (step > MOST_OF_RUN * plan.totalSteps) return undefined;
    const every = asidesOf(this.config, plan);
    return wholeSeconds({
      passed,
      stepsLeft: plan.totalSteps - step,
      secondsPerStep: typicalStep(this.#steps),
      asides: (['validation', 'sample', 'saved'] as const).map((kind) => ({
        times: timesLeft(every[kind], step, plan.totalSteps),
        seconds: typicalOf(this.#asides.get(kind)),
      })),
      ending: this.ending() ?? 0,
    });
  }
}

const typicalOf = (seconds: readonly number[] | undefined): number =>
  seconds === undefined ? 0 : seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
