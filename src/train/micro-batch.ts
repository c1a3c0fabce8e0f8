// How many samples go through a model at once: as many as there is memory for.

import type { Runtime } from '../runtime/runtime.ts';
import type { Activations, Need, Room } from '../runtime/room.ts';
import { parameterCount } from './task.ts';
import type { ParameterGroup } from './optimiser.ts';

/** Weight and two moments of each trained number; gradients are results of the graph. */
const BYTES_PER_PARAMETER = 12;

/** Share of the training's memory that malloc keeps when it is over; 0.8 was measured. */
const KEPT = 0.8;

/** Results that nobody reads any more, until they are collected: as many as V8 lets there be. */
export const GARBAGE = 64 * 2 ** 20;
/** While steps are taken: 23 to 54 MiB were measured. */
const STEPS_GARBAGE = GARBAGE / 2;

export interface ProcessPhases {
  readonly activations: Activations;
  /** Programs of the training that are alive at a time. */
  readonly programs: number;
  /** What is taken after the training, in bytes, such as by drawing. */
  readonly after: number;
  /** Of the training's memory, what is not given back or used again after it; by default 0.8. */
  readonly kept?: number;
  /** What is taken between the steps, while the training's programs are alive. */
  readonly between?: number;
}

/** What a process holds at its peak besides the activations of the training. */
export function besidesBytes(phases: ProcessPhases): number {
  const { activations, programs, after, between = 0, kept = KEPT } = phases;
  const training = activations.taken + programs * activations.program;
  const peak = Math.max(training + Math.max(between, STEPS_GARBAGE), kept * training + after);
  return peak - activations.taken;
}

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
