// What a step's event tells beside its loss: the moving mean, the speed, the time left, the memory.

import { z } from 'zod';
import { processMemory } from '../runtime/memory.ts';
import type { StepEvent } from '../events.ts';
import type { Holder } from '../runs/holder.ts';

/** Weight of the newest value in the moving means, once there are enough. */
const newest = { loss: 0.02, seconds: 0.1 };
/** Milliseconds between two looks at the memory, which costs as much as a small step. */
const memoryPause = 1000;

export type Statistics = Pick<
  StepEvent,
  'lossAverage' | 'secondsPerStep' | 'secondsLeft' | 'memoryBytes'
>;

const mean = z.strictObject({ mean: z.number(), count: z.int().nonnegative() });
const saved = z.strictObject({ loss: mean, seconds: mean });

type Mean = z.output<typeof mean>;
const empty: Mean = { mean: 0, count: 0 };

/** The moving means of a run; `clock` is in milliseconds. */
export class RunStatistics implements Holder {
  #loss = empty;
  #seconds = empty;
  #isFirst = true;
  #last: number;
  #memory = { at: -Infinity, bytes: 0 };

  constructor(readonly clock: () => number = () => performance.now()) {
    this.#last = clock();
  }

  /** Moving mean of the losses; undefined before the first step. */
  get lossAverage(): number | undefined {
    return this.#loss.count === 0 ? undefined : this.#loss.mean;
  }

  /** To be called after each step; `stepsLeft` after it. A loss that is not finite is left out. */
  after(loss: number, stepsLeft: number): Statistics {
    const now = this.clock();
    const seconds = moved(this.#seconds, (now - this.#last) / 1000, newest.seconds);
    this.#last = now;
    // the first step of a start opens the session: what earlier starts found tells more
    if (!this.#isFirst) this.#seconds = seconds;
    this.#isFirst = false;
    const pace = this.#seconds.count === 0 ? NaN : this.#seconds.mean;
    if (Number.isFinite(loss)) this.#loss = moved(this.#loss, loss, newest.loss);
    if (now - this.#memory.at >= memoryPause)
      this.#memory = { at: now, bytes: processMemory().bytes };
    return {
      lossAverage: this.#loss.mean,
      secondsPerStep: pace,
      secondsLeft: stepsLeft * pace,
      memoryBytes: this.#memory.bytes,
    };
  }

  save(): z.output<typeof saved> {
    return { loss: this.#loss, seconds: this.#seconds };
  }

  restore(state: unknown): void {
    ({ loss: this.#loss, seconds: this.#seconds } = saved.parse(state));
  }
}

/**
 * The mean of all values while they are few, then an exponential one with the weight `least` for
 * the newest.
 */
function moved({ mean: before, count }: Mean, value: number, least: number): Mean {
  const share = Math.max(least, 1 / (count + 1));
  return { mean: before + (value - before) * share, count: count + 1 };
}
