// The loss of a language model: the cross-entropy of each trained token, with logits only where a
// label is trained.

import type { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { sizeOf } from '../tensor/tensor.ts';

/** What is learnt of the output head: its weight, an adapter beside it, nothing. */
export type Head = 'trained' | 'adapted' | 'frozen';

export interface CrossEntropyInputs {
  /** What the output head reads: [..., C]. */
  readonly hidden: Value;
  /** Weight of the head: [V, C]. */
  readonly weight: Value;
  /** Cap c of the logits: c · tanh(logit / c). */
  readonly softcap?: number;
  /**
   * The k rows of `hidden`, counted through all its leading axes, at which a token is trained: [k]
   * int32.
   */
  readonly positions: Value;
  /** The token to foresee at each of them: [k] int32, from 0 to V − 1. */
  readonly labels: Value;
  /**
   * By default `trained`. Where it is frozen, logits exist for some tokens of the vocabulary at a
   * time; else for some rows.
   */
  readonly head?: Head;
  /**
   * How many at a time; by default equal parts of about 2²⁴ logits, 2²² where the head is frozen.
   */
  readonly chunk?: number;
}

/**
 * Logits of one chunk of rows, about: 64 MiB. Each chunk packs the head's weight again: half of it
 * takes 12 % longer in the head.
 */
const ROWS_SIZE = 2 ** 24;
/** Of one chunk of the vocabulary: 16 MiB. */
const VOCABULARY_SIZE = 2 ** 22;
/** A row of a multiple of this many numbers is well summed in blocks. */
const WHOLE = 64;

/**
 * Σᵢ weightᵢ · tokenLossᵢ; shape []. `weights` [k] float32, normally 1 / (trained tokens of the
 * whole accumulated batch), and 0 for a place that only fills the room.
 */
export function crossEntropy(g: Builder, inputs: CrossEntropyInputs, weights: Value): Value {
  const losses = tokenLosses(g, inputs);
  return g.scoped('loss', () => g.reduceSum(g.mul(losses, weights), [0]));
}

/**
 * −log p(labelᵢ) of each trained token, in nats; shape [k]. In `differentiate`'s order a chunk's
 * logits are computed when its gradient is, and are gone before the next one's.
 */
export function tokenLosses(
  g: Builder,
  { hidden, positions, ...inputs }: CrossEntropyInputs,
): Value {
  const width = hidden.shape[hidden.shape.length - 1];
  return g.scoped('loss', () => {
    // [k, C]
    const rows = g.gather(g.reshape(hidden, [sizeOf(hidden.shape) / width, width]), positions);
    return inputs.head === 'frozen'
      ? vocabularyInChunks(g, rows, inputs)
      : rowsInChunks(g, rows, inputs);
  });
}

type HeadInputs = Omit<CrossEntropyInputs, 'hidden' | 'positions'>;

/** Each token of the vocabulary is read once, and packed once, for all rows. */
function vocabularyInChunks(g: Builder, rows: Value, inputs: HeadInputs): Value {
  const { weight, softcap } = inputs;
  const [[count], [vocabulary]] = [rows.shape, weight.shape];
  const chunks = Math.max(1, Math.round((count * vocabulary) / VOCABULARY_SIZE));
  const piece = inputs.chunk ?? WHOLE * Math.ceil(vocabulary / chunks / WHOLE);
  const [all] = g.linearLogSumExp(rows, weight, {
    piece,
    ...(softcap !== undefined && { softcap }),
  });
  return g.sub(g.reshape(all, [count]), computed(g, rows, inputs));
}

function rowsInChunks(g: Builder, rows: Value, inputs: HeadInputs): Value {
  const [count] = rows.shape;
  const chunk =
    inputs.chunk ??
    Math.ceil(count / Math.max(1, Math.round((count * inputs.weight.shape[0]) / ROWS_SIZE)));
  const parts = Array.from({ length: Math.ceil(count / chunk) }, (_, i) => {
    const part = (value: Value) =>
      count <= chunk ? value : g.slice(value, 0, i * chunk, Math.min(count, (i + 1) * chunk));
    return g.scoped(`chunk_${i}`, () =>
      chunkLosses(g, part(rows), { ...inputs, labels: part(inputs.labels) }),
    );
  });
  return parts.length === 1 ? parts[0] : g.concat(parts, 0);
}

// log Σᵥ e^zᵥ − z_label
function chunkLosses(g: Builder, rows: Value, inputs: HeadInputs): Value {
  const logits = capped(g, g.linear(rows, inputs.weight), inputs.softcap); // [n, V]
  const wanted =
    inputs.head === 'adapted' ? logitsOf(g, logits, inputs.labels) : computed(g, rows, inputs);
  return g.sub(logSumExp(g, logits), wanted);
}

/**
 * log Σᵥ e^zᵥ of each row: [n, V] -> [n]. Every z is lessened by the whole part of the row's
 * largest, so that no exponential overflows; through whole numbers no gradient flows. The gradient
 * reads the exponentials: they are computed once.
 */
function logSumExp(g: Builder, z: Value): Value {
  const largest = g.cast(g.cast(g.reduceMax(z, [1], true), 'int32'), 'float32'); // [n, 1]
  const sum = g.reduceSum(g.exp(g.sub(z, largest)), [1], true);
  return g.reshape(g.add(g.log(sum), largest), [z.shape[0]]);
}

const capped = (g: Builder, logits: Value, cap: number | undefined): Value =>
  cap === undefined ? logits : g.mul(g.tanh(g.div(logits, cap)), cap);

/** The logits of the labels alone, [n]: their gradient needs no tensor of the vocabulary's size. */
function computed(g: Builder, rows: Value, { weight, labels, softcap }: HeadInputs): Value {
  return capped(g, g.reduceSum(g.mul(rows, g.gather(weight, labels)), [1]), softcap);
}

/** The same numbers, out of all logits: an adapter beside the head has its part in them. */
function logitsOf(g: Builder, logits: Value, labels: Value): Value {
  const [n, vocabulary] = logits.shape;
  const starts = g.constant(
    { dtype: 'int32', shape: [n], data: Int32Array.from({ length: n }, (_, i) => i * vocabulary) },
    'starts',
  );
  return g.gather(g.reshape(logits, [n * vocabulary]), g.add(labels, starts));
}
