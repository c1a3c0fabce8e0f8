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
 * The factor by which `learning_rate` is multiplied at `step` (0 for the first) of `totalSteps`.
 */
export function learningRateFactor(
  step: number,
  totalSteps: number,
  options: ScheduleOptions,
): number {
  const schedule: Schedule = schedules[options.lr_scheduler];
  const warmup = warmupSteps(totalSteps, options);
  if (step < warmup) return step / warmup;
  const progress = (step - warmup) / Math.max(1, totalSteps - warmup);
  return schedule.factor(Math.min(1, progress), options);
}

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
