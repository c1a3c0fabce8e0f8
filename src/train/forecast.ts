// How long a run will take, from its own steps: what has passed, the steps left, and the work that
// comes between them and at the end.

import { between, meanOf, NO_TIME, scaled, sumOf, type Duration } from '../account/duration.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { PlanEvent } from '../events.ts';
import type { TrainEvent } from './events.ts';
import type { LookSchedule } from './look-schedule.ts';
import type { OpenTask, Trial } from './task.ts';

/** Work between the steps, by the event that ends it. */
type Aside = 'validation' | 'sample' | 'saved';
const ASIDES: readonly Aside[] = ['validation', 'sample', 'saved'];

/** After which steps something is done; 0: before the first. */
export interface Dues {
  readonly looks?: Pick<LookSchedule, 'validates' | 'previews'>;
  readonly saveSteps: number;
}

/** Of a run, as far as its task is known. */
export const duesOf = (
  { save_steps: saveSteps }: Pick<TrainConfig, 'save_steps'>,
  task: Pick<OpenTask, 'looks'> | undefined,
): Dues => ({ saveSteps, ...(task?.looks !== undefined && { looks: task.looks }) });

const dueAfter = ({ looks, saveSteps }: Dues, step: number, final: boolean): Aside[] => [
  ...(looks?.validates(step, final) === true ? (['validation'] as const) : []),
  ...(looks?.previews(step, final) === true ? (['sample'] as const) : []),
  ...(step > 0 && saveSteps > 0 && step % saveSteps === 0 ? (['saved'] as const) : []),
];

/** How often each comes after the steps from `from` to `total`. */
export function timesAfter(dues: Dues, from: number, total: number): Record<Aside, number> {
  const times = { validation: 0, sample: 0, saved: 0 };
  for (let step = from; step <= total; step++)
    for (const kind of dueAfter(dues, step, step === total)) times[kind]++;
  return times;
}

export interface ForecastParts {
  /** What has passed. */
  readonly passed: Duration;
  readonly stepsLeft: number;
  readonly step: Duration;
  /** Times that each comes still, and how long one takes. */
  readonly asides: readonly { readonly times: number; readonly each: Duration }[];
  /** Of the work after the last step. */
  readonly ending: Duration;
}

/** Of the whole. */
export const wholeDuration = ({
  passed,
  stepsLeft,
  step,
  asides,
  ending,
}: ForecastParts): Duration =>
  sumOf([
    passed,
    scaled(step, stepsLeft),
    ...asides.map(({ times, each }) => scaled(each, times)),
    ending,
  ]);

/** Of one step: the mean of those that opened no program. */
export function typicalStep(steps: readonly Duration[]): Duration {
  const sorted = steps.map(({ clock }) => clock).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  const usual = steps.filter(({ clock }) => clock <= OPENING * median);
  // where programs are opened again and again, that is part of a step
  return meanOf(usual.length >= 0.8 * steps.length ? usual : steps);
}

/** A step that takes so many times the median has opened a program. */
const OPENING = 3;

/** Steps that are looked at before anything is told, or as many as there are in so many seconds. */
const ENOUGH = { steps: 16, seconds: 20, atLeast: 4 };
/** The latest steps that tell how fast it goes. */
const LATEST = 64;
/** A forecast for what is nearly over is none. */
const MOST_OF_RUN = 0.5;

export interface ForecasterOptions {
  /** Asked when the plan is known. */
  readonly dues: () => Dues;
  /** The work after the last step, where it was tried. */
  readonly ending: () => Trial | undefined;
}

/** Sees the events of a run; says once how long it will take, and at every step what is left. */
export class Forecaster {
  readonly #options: ForecasterOptions;
  /** The latest steps. */
  #steps: Duration[] = [];
  #plan: PlanEvent | undefined;
  #first: Duration | undefined;
  #last = NO_TIME;
  #step = 0;
  readonly #seen: Readonly<Record<Aside, Duration[]>> = { validation: [], sample: [], saved: [] };
  /** Since the last step. */
  readonly #here = new Map<Aside, Duration>();
  /** Of phases whose work no event has ended yet. */
  #pending = NO_TIME;
  #phase: string | undefined;
  /** How often each comes after the steps from `from` on. */
  #ahead: { readonly times: Record<Aside, number>; from: number } | undefined;
  #isTold = false;

  constructor(options: ForecasterOptions) {
    this.#options = options;
  }

  /** `passed`: since the start. How long the whole takes, once. */
  see(event: TrainEvent, passed: Duration): Duration | undefined {
    const took = between(this.#last, passed);
    this.#last = passed;
    if (event.type === 'plan') this.#plan = event;
    if (event.type === 'step') return this.#stepped(event.step, took, passed);
    if (event.type === 'phase') this.#phased(event.name, took);
    else if (isAside(event.type)) this.#aside(event.type, took);
    return undefined;
  }

  /** Until the run is over, as far as is known; undefined before the second step. */
  get left(): Duration | undefined {
    if (this.#plan === undefined || this.#steps.length === 0) return undefined;
    return this.#whole(NO_TIME, this.#plan);
  }

  /** What is before the first phase of a kind of work is not of that kind. */
  #phased(name: string, took: Duration): void {
    const isNew = name !== this.#phase;
    this.#phase = name;
    this.#pending = isNew ? NO_TIME : sumOf([this.#pending, took]);
  }

  #aside(kind: Aside, took: Duration): void {
    // before the first step only a phase tells when such work began
    const before = this.#here.get(kind);
    const isKnown = this.#first !== undefined || this.#phase !== undefined || before !== undefined;
    const all = sumOf([before ?? NO_TIME, this.#pending, took]);
    if (isKnown) this.#here.set(kind, all);
    [this.#pending, this.#phase] = [NO_TIME, undefined];
  }

  /** The first step of a start opens what it needs. */
  #stepped(step: number, took: Duration, passed: Duration): Duration | undefined {
    for (const [kind, duration] of this.#here) this.#seen[kind].push(duration);
    this.#here.clear();
    [this.#pending, this.#phase, this.#step] = [NO_TIME, undefined, step];
    if (this.#first === undefined) this.#first = passed;
    else this.#steps = [...this.#steps.slice(1 - LATEST), took];
    return this.#told(passed);
  }

  #told(passed: Duration): Duration | undefined {
    const [plan, count] = [this.#plan, this.#steps.length];
    if (this.#isTold || plan === undefined || this.#first === undefined) return undefined;
    const isLong = passed.clock - this.#first.clock >= ENOUGH.seconds && count >= ENOUGH.atLeast;
    if (count < ENOUGH.steps && !isLong) return undefined;
    this.#isTold = true;
    const isLate = this.#step > MOST_OF_RUN * plan.totalSteps;
    return isLate || this.#options.ending() === undefined ? undefined : this.#whole(passed, plan);
  }

  #whole(passed: Duration, { totalSteps }: PlanEvent): Duration {
    const ending = this.#options.ending();
    const times = this.#timesLeft(totalSteps);
    return wholeDuration({
      passed,
      stepsLeft: totalSteps - this.#step,
      step: typicalStep(this.#steps),
      asides: ASIDES.map((kind) => ({ times: times[kind], each: this.#each(kind) })),
      ending: ending === undefined ? NO_TIME : sumOf([ending.opening, ending.whole]),
    });
  }

  #each(kind: Aside): Duration {
    const seen = this.#seen[kind];
    if (seen.length > 0) return meanOf(seen);
    return (kind === 'sample' ? this.#options.ending()?.preview : undefined) ?? NO_TIME;
  }

  /** Counted once, then step by step. */
  #timesLeft(total: number): Readonly<Record<Aside, number>> {
    const dues = this.#options.dues();
    this.#ahead ??= { times: timesAfter(dues, this.#step, total), from: this.#step };
    const { times, from } = this.#ahead;
    for (let step = from; step < this.#step; step++)
      for (const kind of dueAfter(dues, step, false)) times[kind]--;
    this.#ahead.from = this.#step;
    return times;
  }
}

const isAside = (type: TrainEvent['type']): type is Aside => ASIDES.some((kind) => kind === type);
