// The course of the learning rate: a factor for each step, as diffusers and kohya's scripts name
// them.

export interface ScheduleOptions {
  readonly lr_scheduler:
    | 'constant'
    | 'constant_with_warmup'
    | 'linear'
    | 'cosine'
    | 'cosine_with_restarts'
    | 'polynomial';
  /** Steps, or a share of all steps when below 1. */
  readonly lr_warmup_steps: number;
  readonly lr_num_cycles: number;
  readonly lr_power: number;
}

/** progress in [0, 1) of the steps behind the warm-up → factor. */
type Course = (progress: number, options: ScheduleOptions) => number;

const courses: { readonly [K in ScheduleOptions['lr_scheduler']]: Course } = {
  constant: () => 1,
  constant_with_warmup: () => 1,
  linear: (p) => 1 - p,
  cosine: (p) => 0.5 * (1 + cosine(Math.PI * p)),
  cosine_with_restarts: (p, { lr_num_cycles }) =>
    0.5 * (1 + cosine(Math.PI * ((p * lr_num_cycles) % 1))),
  polynomial: (p, { lr_power }) => power(1 - p, lr_power),
};

/**
 * The factor by which `learning_rate` is multiplied at `step` (0 for the first) of `totalSteps`.
 */
export function learningRateFactor(
  step: number,
  totalSteps: number,
  options: ScheduleOptions,
): number {
  const warmup =
    options.lr_scheduler === 'constant' ? 0 : warmupSteps(totalSteps, options.lr_warmup_steps);
  if (step < warmup) return step / warmup;
  const progress = (step - warmup) / Math.max(1, totalSteps - warmup);
  return courses[options.lr_scheduler](Math.min(1, progress), options);
}

export function warmupSteps(totalSteps: number, given: number): number {
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
