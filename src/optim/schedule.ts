// The course of the learning rate: a factor for each step, as diffusers and kohya's scripts name
// them.

export interface ScheduleOptions {
  readonly lr_scheduler: ScheduleName;
  /** Steps, or a share of all steps when below 1. */
  readonly lr_warmup_steps: number;
  readonly lr_num_cycles: number;
  readonly lr_power: number;
}

interface Schedule {
  /** The options that it reads; the others have no effect. */
  readonly settings: readonly Exclude<keyof ScheduleOptions, 'lr_scheduler'>[];
  /** progress in [0, 1] of the steps behind the warm-up → factor. */
  factor(progress: number, options: Pick<ScheduleOptions, 'lr_num_cycles' | 'lr_power'>): number;
}

export const schedules = {
  /** As in diffusers, without warm-up. */
  constant: { settings: [], factor: () => 1 },
  constant_with_warmup: { settings: ['lr_warmup_steps'], factor: () => 1 },
  linear: { settings: ['lr_warmup_steps'], factor: (p) => 1 - p },
  cosine: { settings: ['lr_warmup_steps'], factor: (p) => 0.5 * (1 + cosine(Math.PI * p)) },
  cosine_with_restarts: {
    settings: ['lr_warmup_steps', 'lr_num_cycles'],
    factor: (p, { lr_num_cycles }) =>
      p >= 1 ? 0 : 0.5 * (1 + cosine(Math.PI * ((p * lr_num_cycles) % 1))),
  },
  /** Falls to 0; in diffusers to 1e-7. */
  polynomial: {
    settings: ['lr_warmup_steps', 'lr_power'],
    factor: (p, { lr_power }) => power(1 - p, lr_power),
  },
} as const satisfies Readonly<Record<string, Schedule>>;

export type ScheduleName = keyof typeof schedules;

// The table is made of exactly these; Object.keys only promises strings.
export const scheduleNames = Object.keys(schedules) as [ScheduleName, ...ScheduleName[]];

/**
 * The course of the rate of a run, as it is kept with the run: plain data. A run that was taken up
 * again with another length or schedule has another course from there on (`continuedCourse`).
 */
export interface Course extends ScheduleOptions {
  /** Optimiser steps of the whole run. */
  readonly totalSteps: number;
  /** The step at which this course begins; its warm-up, in steps, is counted from there. */
  readonly from: number;
  /** How much of the schedule is over at its beginning, in [0, 1). */
  readonly start: number;
  /** Every factor is multiplied by it. */
  readonly scale: number;
}

/** The course of a run that begins at step `from`. */
export function courseOf(totalSteps: number, options: ScheduleOptions, from = 0): Course {
  const { lr_scheduler, lr_num_cycles, lr_power } = options;
  const lr_warmup_steps = warmupSteps(totalSteps - from, options);
  return {
    ...{ lr_scheduler, lr_warmup_steps, lr_num_cycles, lr_power },
    ...{ totalSteps, from, start: 0, scale: 1 },
  };
}

/** The factor by which `learning_rate` is multiplied at `step` (0 for the first). */
export function courseFactor(course: Course, step: number): number {
  const { lr_warmup_steps: warmup, from, scale } = course;
  if (step - from < warmup) return scale * ((step - from) / warmup);
  const schedule: Schedule = schedules[course.lr_scheduler];
  return scale * schedule.factor(progressAt(course, step), course);
}

/** How much of the schedule is over at `step`, behind the warm-up: in [0, 1]. */
function progressAt({ totalSteps, from, start, lr_warmup_steps }: Course, step: number): number {
  const begin = from + lr_warmup_steps;
  const progress = (step - begin) / Math.max(1, totalSteps - begin);
  return Math.min(1, start + (1 - start) * progress);
}

/**
 * The course from `step` on where a run gets another length or another schedule. The rate does not
 * jump: it goes on from where it stands and comes to its end at the new last step.
 *
 * - During the warm-up, the warm-up is finished as it was begun.
 * - The same schedule goes on from the share that is over; a cosine is not stretched backwards.
 * - Another schedule begins at its top, which is where the rate stands now; where the rate itself
 *   was given anew, it is that rate.
 * - Where the rate had fallen to 0, a new course begins, with its own warm-up.
 */
export function continuedCourse(
  course: Course,
  step: number,
  totalSteps: number,
  options: ScheduleOptions & { readonly newRate?: boolean },
): Course {
  const isSame = isSameSchedule(course, options);
  if (isSame && totalSteps === course.totalSteps) return course;
  const { from, lr_warmup_steps, scale, start } = course;
  const fresh = courseOf(totalSteps, options, step);
  if (step - from < lr_warmup_steps) return { ...fresh, from, lr_warmup_steps, scale, start };
  const factor = courseFactor(course, step);
  if (factor === 0) return fresh;
  const on = { ...fresh, lr_warmup_steps: 0 };
  if (isSame) return { ...on, scale, start: progressAt(course, step) };
  return options.newRate === true ? on : { ...on, scale: factor / courseFactor(on, step) };
}

/** Whether the options that the schedule reads, its warm-up aside, are the same. */
function isSameSchedule(a: ScheduleOptions, b: ScheduleOptions): boolean {
  const { settings }: Schedule = schedules[a.lr_scheduler];
  return (
    a.lr_scheduler === b.lr_scheduler &&
    settings.every((name) => name === 'lr_warmup_steps' || a[name] === b[name])
  );
}

/**
 * The factor by which `learning_rate` is multiplied at `step` (0 for the first) of `totalSteps`.
 */
export const learningRateFactor = (
  step: number,
  totalSteps: number,
  options: ScheduleOptions,
): number => courseFactor(courseOf(totalSteps, options), step);

/** The steps over which the rate rises; 0 where the schedule has no warm-up. */
export function warmupSteps(
  totalSteps: number,
  {
    lr_scheduler,
    lr_warmup_steps: given,
  }: Pick<ScheduleOptions, 'lr_scheduler' | 'lr_warmup_steps'>,
): number {
  const { settings }: Schedule = schedules[lr_scheduler];
  if (!settings.includes('lr_warmup_steps')) return 0;
  return given < 1 ? Math.floor(given * totalSteps) : Math.min(given, totalSteps);
}

/**
 * cos on [0, π] by its Taylor series around the nearest of 0, π/2, π: only products and sums, so
 * the same bits everywhere.
 */
function cosine(x: number): number {
  if (x > (3 * Math.PI) / 4) return -cosine(Math.PI - x);
  if (x > Math.PI / 4) return sineSeries(Math.PI / 2 - x);
  const square = x * x;
  let [term, sum] = [1, 1];
  for (let k = 2; k <= 22; k += 2) {
    term *= -square / ((k - 1) * k);
    sum += term;
  }
  return sum;
}

function sineSeries(x: number): number {
  const square = x * x;
  let [term, sum] = [x, x];
  for (let k = 3; k <= 23; k += 2) {
    term *= -square / ((k - 1) * k);
    sum += term;
  }
  return sum;
}

/**
 * Whole exponents by products, so the same bits everywhere; others as the machine's library has it.
 */
function power(base: number, exponent: number): number {
  if (!Number.isInteger(exponent)) return Math.pow(base, exponent);
  let result = 1;
  for (let i = 0; i < exponent; i++) result *= base;
  return result;
}
