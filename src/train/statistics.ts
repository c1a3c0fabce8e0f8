// What a step's event tells beside its loss: the moving mean, the speed, the time left, the memory.

import { processMemory } from '../runtime/memory.ts';
import type { StepEvent } from '../events.ts';

/** Weight of the newest value in the moving means, once there are enough. */
const newest = { loss: 0.02, seconds: 0.1 };
/** Milliseconds between two looks at the memory, which costs as much as a small step. */
const memoryPause = 1000;

export type Statistics = Pick<
  StepEvent,
  'lossAverage' | 'secondsPerStep' | 'secondsLeft' | 'memoryBytes'
>;

/** Returns a function to be called after each step; `clock` is in milliseconds. */
export function statistics(
  totalSteps: number,
  clock: () => number = () => performance.now(),
): (step: number, loss: number) => Statistics {
  const meanLoss = movingMean(newest.loss);
  let meanSeconds = movingMean(newest.seconds);
  let [last, memoryAt, memoryBytes] = [clock(), -Infinity, 0];
  return (step, loss) => {
    const now = clock();
    const secondsPerStep = meanSeconds((now - last) / 1000);
    last = now;
    if (step === 1) meanSeconds = movingMean(newest.seconds); // the first step opened the session
    if (now - memoryAt >= memoryPause) [memoryAt, memoryBytes] = [now, processMemory().bytes];
    return {
      lossAverage: meanLoss(loss),
      secondsPerStep,
      secondsLeft: (totalSteps - step) * secondsPerStep,
      memoryBytes,
    };
  };
}

/**
 * The mean of all values while they are few, then an exponential one with the weight `least` for
 * the newest.
 */
function movingMean(least: number): (value: number) => number {
  let [mean, count] = [0, 0];
  return (value) => {
    count++;
    mean += (value - mean) * Math.max(least, 1 / count);
    return mean;
  };
}
