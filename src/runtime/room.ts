// Whether a run has room where it computes, what it takes there, and what may be spent on speed.

import { machineMemory } from './memory.ts';

/** Of one run of a graph, in bytes. */
export interface Activations {
  /** The most that all computed tensors have at a time. */
  readonly live: number;
  /** Of the largest of them. */
  readonly largest: number;
  /** Memory that they take at most, with what the allocator keeps besides. */
  readonly taken: number;
  /** What the process holds of the program that computes them. */
  readonly program: number;
}

/** What a graph needs while it runs, in bytes. */
export interface WorkNeed {
  readonly activations: Activations;
  /** At its peak, where it computes: computed tensors, and weights outside their files. */
  readonly working: number;
}

/** What a run needs, in bytes. */
export interface Need extends WorkNeed {
  /** Frozen weights in their files. */
  readonly frozen: number;
  /** What its process holds besides, such as the trained weights with their moments. */
  readonly own: number;
}

export interface Room {
  /** Predicted need of what computes, in bytes: of the process, or of the graphics card. */
  readonly bytes: number;
  /** Whether it is enough; where not, fewer samples at once may be. */
  readonly isEnough: boolean;
  /** Why there is none at all; undefined where there is. A sentence without its full stop. */
  readonly lacking?: string;
  /** Bytes that may be spent on speed besides. */
  readonly spare: number;
}

/**
 * Live activations stay below this where they can, unless a graphics card tells how much memory it
 * has; the same on every machine's processor, so that results are too.
 */
const MOST_ACTIVATIONS = 4 * 2 ** 30;
/** What Node, of which 94 MiB are its file, and ONNX Runtime hold in a long run without a model. */
const PROCESS_BYTES = 210 * 2 ** 20;
/** Of a session for each of its nodes: 4.2 to 4.8 KB were measured (docs/experiments.md). */
export const BYTES_PER_NODE = 4600;
/** Share of a device's memory that a run may count on. */
const USABLE = 0.9;

/** In the process. `machine`: bytes that it may have; a half of them are not spent on speed. */
export function processRoom(
  { activations, working, frozen, own }: Need,
  machine: number = machineMemory(),
): Room {
  const bytes = PROCESS_BYTES + frozen + working + own;
  return {
    bytes,
    isEnough: activations.live <= MOST_ACTIVATIONS,
    spare: Math.max(0, machine / 2 - bytes),
  };
}

/**
 * Of works one after another, of whichever needs the most. `isEnough` is that of the first, whose
 * samples may be fewer.
 */
export const roomForAll = ([first, ...others]: readonly [Room, ...Room[]]): Room =>
  others.reduce(
    (all, room) => ({
      bytes: Math.max(all.bytes, room.bytes),
      isEnough: all.isEnough,
      lacking: all.lacking ?? room.lacking,
      spare: Math.min(all.spare, room.spare),
    }),
    first,
  );

/** The most of each, of runs of several graphs one after another. */
export const largestOf = (all: readonly Activations[]): Activations =>
  all.reduce((most, each) => ({
    live: Math.max(most.live, each.live),
    largest: Math.max(most.largest, each.largest),
    taken: Math.max(most.taken, each.taken),
    program: Math.max(most.program, each.program),
  }));

/** In bytes. */
interface DeviceLimits {
  readonly largestTensor: number;
  readonly memory?: number;
}

/**
 * In the memory of a device, for people called `device`: of all of it, not of what is free just
 * now, since results depend on it. Nothing there is spent on speed.
 */
export function deviceRoom(limits: DeviceLimits, device: string, need: Need): Room {
  const { activations, working } = need;
  const lacking = lackingOn(limits, device, need);
  const isKnown = limits.memory !== undefined;
  const isEnough = lacking === undefined && (isKnown || activations.live <= MOST_ACTIVATIONS);
  return { bytes: working, isEnough, lacking, spare: 0 };
}

function lackingOn(
  { memory = Infinity, largestTensor }: DeviceLimits,
  device: string,
  { activations, working }: Need,
): string | undefined {
  if (activations.largest > largestTensor)
    return `one tensor of this run takes ${sizeText(activations.largest, Math.ceil)}, more than the ${sizeText(largestTensor, Math.floor)} that ${device} takes at once`;
  if (working <= USABLE * memory) return undefined;
  return `this run takes about ${sizeText(working, Math.ceil)} of memory, too much for the ${sizeText(memory, Math.floor)} of ${device}`;
}

/** `round` up what is needed and down what there is, so that they never look the same. */
const sizeText = (bytes: number, round: (size: number) => number): string =>
  bytes < 2 ** 30
    ? `${round(bytes / 2 ** 20)} MiB`
    : `${(round((10 * bytes) / 2 ** 30) / 10).toFixed(1)} GiB`;
