// How many samples go through a model at once: as many as there is memory for.

import type { Runtime } from '../runtime/runtime.ts';
import type { Need, Room } from '../runtime/room.ts';
import { parameterCount } from './task.ts';
import type { ParameterGroup } from './optimiser.ts';

/** Weight, gradient and two moments of each trained number. */
const BYTES_PER_PARAMETER = 16;

/** Bytes of what is trained, while it is trained. */
export const trainedBytes = (groups: readonly ParameterGroup[]): number =>
  BYTES_PER_PARAMETER * parameterCount(groups);

export interface MicroBatchSize {
  /** Samples in one run of the loss graph. */
  readonly microBatch: number;
  /** What such runs have; it lacks some where not even one sample fits. */
  readonly room: Room;
}

export interface MicroBatchSizes {
  /** Of the largest batch. */
  readonly most: number;
  /** What the run was begun with; it is taken as it is. */
  readonly recorded?: number;
}

/** Halves the largest batch until it has room. */
export function fittingMicroBatch(
  runtime: Runtime,
  { most, recorded }: MicroBatchSizes,
  needOf: (size: number) => Need,
): MicroBatchSize {
  let microBatch = recorded ?? most;
  for (;;) {
    const room = runtime.room(needOf(microBatch));
    const isTaken = room.isEnough || microBatch === 1 || recorded !== undefined;
    if (isTaken) return { microBatch, room };
    microBatch = Math.ceil(microBatch / 2);
  }
}
