// The order of training: which samples make up which step, as a pure function of (samples, batch
// size, seed, step).
import { InternalError } from '../errors.ts';
import { chunks } from '../util/chunks.ts';
import { permutation, type Seed } from '../util/philox.ts';
import { streamOf } from '../util/streams.ts';
import type { Size } from './buckets.ts';

/** What the order needs to know of a sample. */
export interface Bucketed {
  readonly bucket: Size;
  readonly repeats: number;
}

/**
 * The samples of one step. `indices` may be fewer than the batch size: the last batch of a bucket
 * is not dropped.
 */
export interface Batch {
  /** From 0. */
  readonly epoch: number;
  readonly bucket: Size;
  /** Positions in the list of samples, at most one batch of them. */
  readonly indices: readonly number[];
}

export interface BatchPlan {
  /** The sum over the buckets of ceil(pictures * repeats / batch size). */
  readonly stepsPerEpoch: number;
  /** The samples of step `step` (micro-batches counted from 0 through all epochs). */
  batchAt(step: number): Batch;
}

export interface BatchPlanOptions {
  readonly samples: readonly Bucketed[];
  readonly batchSize: number;
  readonly seed: Seed;
  /** How many batches of one bucket follow each other at most before another bucket's turn. */
  readonly runLength?: number;
}

/**
 * Batches of one bucket come in runs of `runLength` (default 8), because each bucket may need a
 * session of its own that costs seconds to open: a trainer that keeps two sessions, the present one
 * and the one before, opens at most one for each run. Runs are short so that no bucket has the end
 * of an epoch to itself.
 */
const DEFAULT_RUN = 8;

/** Each epoch has one random stream for its runs and one for each bucket. */
const STREAMS_PER_EPOCH = 1024;

interface Bucket {
  readonly size: Size;
  /** Sample indices, each as often as it repeats. */
  readonly indices: readonly number[];
}

/**
 * Plans the order of all epochs. Each epoch is drawn when one of its steps is asked for; the last
 * drawn is kept.
 */
export function batchPlan({
  samples,
  batchSize,
  seed,
  runLength = DEFAULT_RUN,
}: BatchPlanOptions): BatchPlan {
  if (!(batchSize >= 1)) throw new InternalError(`batch size ${batchSize}`);
  const buckets = groupByBucket(samples);
  const stepsPerEpoch = buckets.reduce(
    (sum, { indices }) => sum + Math.ceil(indices.length / batchSize),
    0,
  );
  let drawn: { epoch: number; batches: Batch[] } | undefined;
  const batchAt = (step: number): Batch => {
    const epoch = Math.floor(step / stepsPerEpoch);
    if (drawn?.epoch !== epoch)
      drawn = { epoch, batches: drawEpoch(buckets, batchSize, seed, epoch, runLength) };
    const batch = drawn.batches[step % stepsPerEpoch];
    if (batch === undefined)
      throw new InternalError(`no batch at step ${step} of ${stepsPerEpoch} an epoch`);
    return batch;
  };
  return { stepsPerEpoch, batchAt };
}

/** Buckets sorted by width, then height, so that the order of the samples is all that matters. */
function groupByBucket(samples: readonly Bucketed[]): Bucket[] {
  const groups = new Map<string, { size: Size; indices: number[] }>();
  samples.forEach(({ bucket, repeats }, index) => {
    const name = bucket.join('x');
    const group = groups.get(name) ?? { size: bucket, indices: [] };
    groups.set(name, group);
    for (let i = 0; i < repeats; i++) group.indices.push(index);
  });
  return [...groups.values()].sort((a, b) => a.size[0] - b.size[0] || a.size[1] - b.size[1]);
}

function drawEpoch(
  buckets: readonly Bucket[],
  batchSize: number,
  seed: Seed,
  epoch: number,
  runLength: number,
): Batch[] {
  const stream = (i: number) => streamOf('pictureOrder', epoch * STREAMS_PER_EPOCH + i);
  const runs = buckets.flatMap((bucket, i) =>
    chunks(shuffled(bucket, batchSize, seed, epoch, stream(1 + i)), runLength),
  );
  return [...permutation(seed, stream(0), runs.length)].flatMap((i) => runs[i]);
}

function shuffled(
  { size, indices }: Bucket,
  batchSize: number,
  seed: Seed,
  epoch: number,
  stream: number,
): Batch[] {
  const order = [...permutation(seed, stream, indices.length)].map((i) => indices[i]);
  return chunks(order, batchSize).map((part) => ({ epoch, bucket: size, indices: part }));
}
