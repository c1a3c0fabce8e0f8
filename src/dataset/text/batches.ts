// The order in which sequences are trained, as a pure function of (sequences, options, seed, step),
// and a batch's tensors.
import { InternalError } from '../../errors.ts';
import { chunks } from '../../util/chunks.ts';
import { permutation, type Seed } from '../../util/philox.ts';
import { streamOf } from '../../util/streams.ts';
import { pack } from './packing.ts';
import type { Sequence } from './sequences.ts';

/** The rows of one step. */
export interface TextBatch {
  /** From 0. */
  readonly epoch: number;
  /** Positions in the list of sequences; a packed row has several. At most one batch of rows. */
  readonly rows: readonly (readonly number[])[];
  /** Tokens a row is padded to. */
  readonly length: number;
}

export interface TextBatchPlan {
  readonly stepsPerEpoch: number;
  /** The rows of step `step` (micro-batches counted from 0 through all epochs). */
  batchAt(step: number): TextBatch;
}

export interface TextBatchOptions {
  /** Tokens of each sequence. */
  readonly lengths: readonly number[];
  /**
   * How often an epoch shows each; default 1. Half of those with 0.5 are shown, others in each
   * epoch.
   */
  readonly weights?: readonly number[];
  readonly batchSize: number;
  readonly maxSeqLength: number;
  readonly seed: Seed;
  /** Several sequences in a row. The order of the rows is new in each epoch. Default false. */
  readonly packing?: boolean;
  /** Sequences of about the same length in a batch. Default false. */
  readonly groupByLength?: boolean;
  /**
   * Rows are as long as a multiple of this, so that few shapes occur. Default: an eighth of
   * maxSeqLength, packed all of it.
   */
  readonly lengthStep?: number;
}

/** Each epoch has as many random streams, one for each thing that is shuffled. */
const STREAMS_PER_EPOCH = 4;
const epochStream = (epoch: number, purpose: number): number =>
  streamOf('textOrder', epoch * STREAMS_PER_EPOCH + purpose);

/**
 * Grouping sorts so many batches at a time: enough to find neighbours, few enough that epochs
 * differ.
 */
const BATCHES_SORTED_TOGETHER = 50;

/**
 * Plans the order of all epochs. Each epoch is drawn when one of its steps is asked for; the last
 * drawn is kept.
 */
export function textBatchPlan(options: TextBatchOptions): TextBatchPlan {
  const { lengths, batchSize, maxSeqLength } = options;
  if (!(batchSize >= 1) || lengths.some((length) => length > maxSeqLength))
    throw new InternalError(
      `batch size ${batchSize}, lengths up to ${Math.max(...lengths)} of ${maxSeqLength}`,
    );
  const packing = options.packing === true ? packedRows(options) : undefined;
  const rowsOf = (epoch: number): readonly (readonly number[])[] =>
    packing?.(epoch) ?? shownIn(options, epoch).map((index) => [index]);
  const count = rowsOf(0).length;
  const stepsPerEpoch = Math.ceil(count / batchSize);
  let drawn: { epoch: number; batches: TextBatch[] } | undefined;
  const batchAt = (step: number): TextBatch => {
    const epoch = Math.floor(step / stepsPerEpoch);
    if (drawn?.epoch !== epoch)
      drawn = { epoch, batches: drawEpoch(rowsOf(epoch), options, epoch) };
    const batch = drawn.batches[step % stepsPerEpoch];
    if (batch === undefined)
      throw new InternalError(`no batch at step ${step} of ${stepsPerEpoch} an epoch`);
    return batch;
  };
  return { stepsPerEpoch, batchAt };
}

/** The sequences of an epoch, each as often as its weight says. */
const shownIn = (options: TextBatchOptions, epoch: number): number[] => [
  ...always(options),
  ...drawnIn(options, epoch),
];

/** What every epoch shows: by the whole part of the weights. */
const always = ({ lengths, weights }: TextBatchOptions): number[] =>
  lengths.flatMap((_, index) =>
    Array.from({ length: Math.floor(weights?.[index] ?? 1) }, () => index),
  );

/**
 * What the rest of the weights adds: of those with the same weight always the same number, others
 * in each epoch.
 */
function drawnIn({ lengths, weights, seed }: TextBatchOptions, epoch: number): number[] {
  const groups = new Map<number, number[]>();
  lengths.forEach((_, index) => {
    const weight = weights?.[index] ?? 1;
    const members = groups.get(weight);
    if (members === undefined) groups.set(weight, [index]);
    else members.push(index);
  });
  return [...groups].flatMap(([weight, members]) => {
    const extra = Math.round(members.length * (weight - Math.floor(weight)));
    return [...permutation(seed, epochStream(epoch, 0), members.length)]
      .slice(0, extra)
      .map((i) => members[i]);
  });
}

/** So many epochs are looked at for the most rows that what is drawn may need. */
const EPOCHS_LOOKED_AT = 8;

/**
 * The rows of an epoch: what is always shown is packed once, what is drawn for each epoch, into the
 * same number of rows.
 */
function packedRows(options: TextBatchOptions): (epoch: number) => readonly (readonly number[])[] {
  const fixed = packed(always(options), options, 0);
  const drawn = (epoch: number): number[][] => packed(drawnIn(options, epoch), options, epoch);
  const most = Math.max(
    ...Array.from({ length: EPOCHS_LOOKED_AT }, (_, epoch) => drawn(epoch).length),
  );
  return (epoch) => (most === 0 ? fixed : [...fixed, ...dividedInto(drawn(epoch), most)]);
}

function packed(
  shown: readonly number[],
  { lengths, seed, maxSeqLength }: TextBatchOptions,
  epoch: number,
): number[][] {
  const order = permutation(seed, epochStream(epoch, 1), shown.length);
  return pack(
    shown.map((index) => lengths[index]),
    order,
    maxSeqLength,
  ).map((row) => row.map((i) => shown[i]));
}

/** `count` rows: the fullest are divided until there are so many; more than that are left out. */
function dividedInto(rows: readonly number[][], count: number): number[][] {
  const result = [...rows];
  while (result.length < count) {
    const fullest = result.reduce(
      (best, row, i) => (row.length > result[best].length ? i : best),
      0,
    );
    const row = result[fullest];
    if (row.length < 2) break;
    result.splice(fullest, 1, row.slice(0, row.length >> 1), row.slice(row.length >> 1));
  }
  return result.slice(0, count);
}

function drawEpoch(
  rows: readonly (readonly number[])[],
  options: TextBatchOptions,
  epoch: number,
): TextBatch[] {
  const { seed, batchSize } = options;
  const order = [...permutation(seed, epochStream(epoch, 2), rows.length)].map((i) => rows[i]);
  const parts =
    options.groupByLength === true && options.packing !== true
      ? grouped(order, options, epoch)
      : chunks(order, batchSize);
  return parts.map((part) => ({ epoch, rows: part, length: rowLength(part, options) }));
}

/**
 * Batches of neighbours in length, in an order of their own; the one that is not full comes last.
 */
function grouped(
  order: readonly (readonly number[])[],
  { lengths, batchSize, seed }: TextBatchOptions,
  epoch: number,
): (readonly number[])[][] {
  const sorted = chunks(order, batchSize * BATCHES_SORTED_TOGETHER).map((part) =>
    part.toSorted(([a], [b]) => lengths[b] - lengths[a]),
  );
  const parts = sorted.flatMap((part) => chunks(part, batchSize));
  return [...permutation(seed, epochStream(epoch, 3), parts.length)].map((i) => parts[i]);
}

function rowLength(
  rows: readonly (readonly number[])[],
  { lengths, maxSeqLength, packing, lengthStep = Math.ceil(maxSeqLength / 8) }: TextBatchOptions,
): number {
  const longest = Math.max(
    ...rows.map((row) => row.reduce((sum, index) => sum + lengths[index], 0)),
  );
  return packing === true
    ? maxSeqLength
    : Math.min(maxSeqLength, Math.ceil(longest / lengthStep) * lengthStep);
}

// ---- tensors

/** A label that the loss leaves out. */
export const NO_LABEL = -100;

/** What a model takes of a batch, each [rows, length]. */
export interface TextTensors {
  readonly rows: number;
  readonly length: number;
  readonly ids: Int32Array;
  /**
   * The token that follows, where it is trained and of the same sequence; else NO_LABEL. Already
   * shifted: position t predicts t + 1.
   */
  readonly targets: Int32Array;
  /** From 0 in each sequence. */
  readonly positions: Int32Array;
  /**
   * 1, 2, … for the sequences of a row, 0 for padding. Token q sees token k where segments are
   * equal and k ≤ q.
   */
  readonly segments: Int32Array;
  /** Number of targets. The loss of an accumulated batch is divided by the sum of these. */
  readonly targetCount: number;
}

/**
 * Writes a batch's rows. What follows a row's last sequence is hidden and never trained, so any id
 * of the vocabulary serves: 0, whatever the tokenizer calls its padding token.
 */
export function textTensors(sequences: readonly Sequence[], batch: TextBatch): TextTensors {
  const rows = batch.rows.length;
  const size = rows * batch.length;
  const [ids, targets, positions, segments] = [
    new Int32Array(size),
    new Int32Array(size).fill(NO_LABEL),
    new Int32Array(size),
    new Int32Array(size),
  ];
  batch.rows.forEach((row, r) => {
    let at = r * batch.length;
    row.forEach((index, segment) => {
      const { ids: tokens, trained } = sequences[index];
      ids.set(tokens, at);
      tokens.forEach((_, i) => {
        positions[at + i] = i;
        segments[at + i] = segment + 1;
        if (i > 0 && trained[i] === 1) targets[at + i - 1] = tokens[i];
      });
      at += tokens.length;
    });
  });
  return {
    rows,
    length: batch.length,
    ids,
    targets,
    positions,
    segments,
    targetCount: targets.reduce((sum, target) => sum + (target === NO_LABEL ? 0 : 1), 0),
  };
}
