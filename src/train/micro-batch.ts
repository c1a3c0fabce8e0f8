// How many samples go through a model at once: as many as there is memory for.

import type { Graph } from '../graph/graph.ts';
import type { Activations, Runtime } from '../runtime/runtime.ts';
import type { Weights } from '../tensor/weights.ts';

/**
 * Activations of one micro-batch stay below this where they can, unless a graphics card tells how
 * much memory it has; the same on every machine's processor, so that results are too.
 */
const ACTIVATION_LIMIT = 4 * 2 ** 30;
/** Weight, gradient and two moments of each trained number. */
const BYTES_PER_PARAMETER = 16;
/** What Node and ONNX Runtime hold before any model, and the programs of a few shapes. */
const PROCESS_BYTES = 250 * 2 ** 20;

export interface MicroBatchSize {
  /** Samples in one run of the loss graph. */
  readonly microBatch: number;
  readonly activations: Activations;
  /** Why not even one sample has room; undefined where it has. */
  readonly lacking?: string;
}

/** Halves the largest batch, of `most` samples, until its activations fit. */
export function fittingMicroBatch(
  runtime: Runtime,
  most: number,
  { activationsOf, held }: { activationsOf: (size: number) => Activations; held: number },
): MicroBatchSize {
  let microBatch = most;
  for (;;) {
    const activations = activationsOf(microBatch);
    const lacking = runtime.lacking(activations, held);
    const isSmall = runtime.knowsMemory || activations.live <= ACTIVATION_LIMIT;
    const fits = lacking === undefined && isSmall;
    if (fits || microBatch === 1) return { microBatch, activations, lacking };
    microBatch = Math.ceil(microBatch / 2);
  }
}

/** Bytes of the frozen weights that a graph reads, where they are held outside the process. */
export const heldBytes = (runtime: Runtime, graph: Graph, weights: Weights): number =>
  runtime.weightBytes(graph, weights).get('device') ?? 0;

export interface MemoryNeed {
  readonly parameters: number;
  /** Bytes of the frozen weights in their files. */
  readonly frozen: number;
  /** Bytes that the process holds for the activations. */
  readonly working: number;
}

/** Bytes that a process needs to train. */
export const processNeed = ({ parameters, frozen, working }: MemoryNeed): number =>
  PROCESS_BYTES + frozen + working + BYTES_PER_PARAMETER * parameters;
