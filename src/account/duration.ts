// How long work takes: by the clock, and on the processor, where it matters less what else runs.

export interface Duration {
  /** Seconds by the clock. */
  readonly clock: number;
  /** Seconds of the processor: of all threads of this process together. */
  readonly processor: number;
}

/** The time since some moment; never goes back. */
export type Stopwatch = () => Duration;

/** Of this process. */
export const stopwatch: Stopwatch = () => {
  const { user, system } = process.cpuUsage();
  return { clock: performance.now() / 1000, processor: (user + system) / 1e6 };
};

export const NO_TIME: Duration = { clock: 0, processor: 0 };

export const sumOf = (durations: Iterable<Duration>): Duration => {
  let [clock, processor] = [0, 0];
  for (const one of durations) [clock, processor] = [clock + one.clock, processor + one.processor];
  return { clock, processor };
};

export const scaled = ({ clock, processor }: Duration, by: number): Duration => ({
  clock: clock * by,
  processor: processor * by,
});

/** Of none: no time. */
export const meanOf = (durations: readonly Duration[]): Duration =>
  scaled(sumOf(durations), 1 / Math.max(1, durations.length));

export const between = (begin: Duration, end: Duration): Duration => ({
  clock: end.clock - begin.clock,
  processor: end.processor - begin.processor,
});

/** How much longer `long` is than `short`; no time where it is not. */
export const longerBy = (long: Duration, short: Duration): Duration => ({
  clock: Math.max(0, long.clock - short.clock),
  processor: Math.max(0, long.processor - short.processor),
});

/** The least of each. */
export const leastOf = ([first, ...others]: readonly [Duration, ...Duration[]]): Duration =>
  others.reduce(
    (least, one) => ({
      clock: Math.min(least.clock, one.clock),
      processor: Math.min(least.processor, one.processor),
    }),
    first,
  );

export async function timed(work: () => Promise<unknown>, watch = stopwatch): Promise<Duration> {
  const began = watch();
  await work();
  return between(began, watch());
}
