// Scaled-dot-product attention and its gradient, in blocks of query rows so that the score matrix
// is never whole in memory (after FlashAttention, arXiv 2205.14135: P is recomputed, D = rowsum(dO
// ∘ O)).

import { float32 } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { AttentionAttributes, OpInputs, OpOutputs } from '../ops.ts';
import { HIDDEN } from '../hidden.ts';
import {
  halves,
  headRows,
  joined,
  joinedRows,
  sharedConstant,
  sumOfHalves,
  unfolded,
  whole,
  type Heads,
} from './attention-rows.ts';
import type { Decomposition } from './rule.ts';

/** Elements of one block of scores: 64 MiB in float32. */
const BLOCK_ELEMENTS = 1 << 24;
/**
 * Rows of a block where a row sees no keys behind it: a block then leaves out those behind its last
 * row.
 */
const CAUSAL_ROWS = 128;

const headsOf = ({ q_num_heads, kv_num_heads }: AttentionAttributes): Heads => ({
  groups: kv_num_heads,
  repeat: q_num_heads / kv_num_heads,
});

/** From `start` to `end` along an axis counted from the last, 1. */
function partOf(g: Builder, x: Value, fromLast: number, start: number, end: number): Value {
  const axis = x.shape.length - fromLast;
  return start === 0 && end === x.shape[axis] ? x : g.slice(x, axis, start, end);
}

interface Block {
  readonly start: number;
  readonly end: number;
  /** Keys that one of its rows may see: so many from the first. */
  readonly keys: number;
}

/** Equal blocks of query rows, each with at most `elements` scores if one row has no more. */
function blocksOf(
  q: Value,
  k: Value,
  { q_num_heads, is_causal }: AttentionAttributes,
  elements: number,
): Block[] {
  const [rows, columns] = [q.shape[1], k.shape[1]];
  const wanted = Math.max(
    Math.ceil((q.shape[0] * q_num_heads * rows * columns) / elements),
    is_causal ? Math.floor(rows / CAUSAL_ROWS) : 1,
  );
  const size = Math.ceil(rows / Math.min(rows, wanted));
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
    const end = Math.min(rows, (i + 1) * size);
    return { start: i * size, end, keys: is_causal ? Math.min(end, columns) : columns };
  });
}

/** What is added to a block's scores: the given mask, reshaped to meet them, and the causal one. */
function maskOf(
  g: Builder,
  mask: Value | undefined,
  attributes: AttentionAttributes,
  { start, end, keys }: Block,
): Value | undefined {
  const given = mask && maskPart(g, fitMask(g, mask, headsOf(attributes)), { start, end, keys });
  if (!attributes.is_causal) return given;
  const causal = causalMask(g, { start, end, keys });
  return given === undefined ? causal : g.add(given, causal);
}

/** Of a mask that may be broadcast along rows or columns. */
function maskPart(g: Builder, mask: Value, { start, end, keys }: Block): Value {
  const [rows, columns] = mask.shape.slice(-2);
  const part = rows === 1 ? mask : partOf(g, mask, 2, start, end);
  return columns === 1 ? part : partOf(g, part, 1, 0, keys);
}

function fitMask(g: Builder, mask: Value, { groups, repeat }: Heads): Value {
  if (repeat === 1 || mask.shape.length < 3) return mask;
  const heads = mask.shape[mask.shape.length - 3];
  const batch = mask.shape.length === 4 ? [mask.shape[0]] : [];
  return g.reshape(mask, [
    ...batch,
    ...(heads === 1 ? [1, 1] : [groups, repeat]),
    ...mask.shape.slice(-2),
  ]);
}

/**
 * Row i sees columns 0 … i, also where there are more columns than rows, or fewer (ONNX
 * Attention-23: upper left alignment).
 */
function causalMask(g: Builder, { start, end, keys }: Block): Value {
  return sharedConstant(g, `causal_mask ${start} ${end} ${keys}`, () =>
    float32([end - start, keys], causalRows({ start, end, keys })),
  );
}

function causalRows({ start, end, keys }: Block): Float32Array {
  const data = new Float32Array((end - start) * keys);
  for (let i = start; i < end; i++)
    data.fill(HIDDEN, (i - start) * keys + Math.min(i + 1, keys), (i - start + 1) * keys);
  return data;
}

interface Probabilities {
  readonly p: Value;
  /** tanh(score / softcap), where there is a cap. */
  readonly bent?: Value;
}

/**
 * softmax(cap(scale · q kᵀ) + mask) for a block: its rows of q, and the keys it sees, as `halves`
 * lays them.
 */
function probabilities(
  g: Builder,
  q: Value,
  k: Value,
  mask: Value | undefined,
  { softcap, scale, ...attributes }: AttentionAttributes,
): Probabilities {
  const product = g.fusedMatMul(q, k, {
    transB: true,
    alpha: softcap === undefined ? scale : scale / softcap,
  });
  const bent = softcap === undefined ? undefined : g.tanh(product);
  const scores = softcap === undefined || bent === undefined ? product : g.mul(bent, softcap);
  return {
    p: g.softmax(
      mask === undefined ? scores : masked(g, scores, mask, headsOf({ scale, ...attributes })),
    ),
    bent,
  };
}

function masked(g: Builder, scores: Value, mask: Value, heads: Heads): Value {
  const byHead = unfolded(g, whole(g, scores), heads);
  const sum = g.add(byHead, mask);
  return byHead === scores ? sum : g.reshape(sum, scores.shape);
}

export const attention: Decomposition<'Attention'> = (g, inputs, attributes) =>
  attentionInBlocks(g, inputs, attributes, BLOCK_ELEMENTS);

/** The same in blocks of at most so many scores. */
export function attentionInBlocks(
  g: Builder,
  [q3, k3, v3, mask]: OpInputs<Value>['Attention'],
  attributes: AttentionAttributes,
  elements: number,
): OpOutputs<Value>['Attention'] {
  const rowsOf = blockRows(g, [q3, k3, v3], attributes);
  const blocks = blocksOf(q3, k3, attributes, elements).map((block) => {
    const { queries, seen } = rowsOf(block);
    const [keys, values] = seen();
    const [q] = queries(q3);
    const { p } = probabilities(g, q, keys, maskOf(g, mask, attributes, block), attributes);
    return whole(g, g.matMul(p, values));
  });
  return [joinedRows(g, blocks, headsOf(attributes))];
}

export const attentionGrad: Decomposition<'AttentionGrad'> = (g, inputs, attributes) =>
  attentionGradInBlocks(g, inputs, attributes, BLOCK_ELEMENTS);

/** The same in blocks of at most so many scores. */
export function attentionGradInBlocks(
  g: Builder,
  [q3, k3, v3, mask, y3, dy3]: OpInputs<Value>['AttentionGrad'],
  attributes: AttentionAttributes,
  elements: number,
): OpOutputs<Value>['AttentionGrad'] {
  const rowsOf = blockRows(g, [q3, k3, v3], attributes);
  const dots = rowDots(g, dy3, y3, attributes);
  const blocks = blocksOf(q3, k3, attributes, elements).map((block) => {
    const { queries, seen } = rowsOf(block);
    const [q, dy, d] = queries(q3, dy3, dots);
    const [keys, values] = seen();
    return blockGrad(
      g,
      { q, dy, d, keys, values, mask: maskOf(g, mask, attributes, block) },
      attributes,
    );
  });
  const sumOf = (parts: readonly Value[]) => joined(g, sumOfRows(g, parts, k3.shape[1]));
  return [
    joinedRows(
      g,
      blocks.map(({ dq }) => dq),
      headsOf(attributes),
    ),
    sumOf(blocks.map(({ dk }) => dk)),
    sumOf(blocks.map(({ dv }) => dv)),
  ];
}

/** A block's rows of tensors like q, and the keys and values that they see, laid to meet them. */
function blockRows(
  g: Builder,
  [q, k, v]: readonly [Value, Value, Value],
  attributes: AttentionAttributes,
) {
  const heads = headsOf(attributes);
  const [keysOf, valuesOf] = [keyRows(g, k, heads), keyRows(g, v, heads)];
  return (block: Block) => {
    const { rows, seen } = halves(q, heads, block, attributes);
    return {
      queries: (...xs: readonly Value[]) =>
        xs.map((x) => headRows(g, x, heads, { ...block, form: rows })),
      seen: () => [keysOf(block.keys, seen), valuesOf(block.keys, seen)] as const,
    };
  };
}

interface BlockInputs {
  readonly q: Value;
  readonly dy: Value;
  /** D of each row. */
  readonly d: Value;
  readonly keys: Value;
  readonly values: Value;
  readonly mask: Value | undefined;
}

/** What one block of query rows adds to the three gradients. */
function blockGrad(
  g: Builder,
  { q, dy, d, keys, values, mask }: BlockInputs,
  attributes: AttentionAttributes,
) {
  const { scale: alpha } = attributes;
  const { p, bent } = probabilities(g, q, keys, mask, attributes);
  // dS = P ∘ (dO Vᵀ − D), and d cap(s) / ds = 1 − tanh²(s / softcap)
  const dCapped = g.mul(p, g.sub(g.fusedMatMul(dy, values, { transB: true }), d));
  const dS = bent === undefined ? dCapped : g.mul(dCapped, g.sub(1, g.mul(bent, bent)));
  return {
    dq: whole(g, g.fusedMatMul(dS, keys, { alpha })),
    dk: sumOfHalves(g, g.fusedMatMul(dS, q, { transA: true, alpha })),
    dv: sumOfHalves(g, g.fusedMatMul(p, dy, { transA: true })),
  };
}

/** D = rowsum(dO ∘ O) of each head: [B, S, H]. */
function rowDots(g: Builder, dy: Value, y: Value, { q_num_heads }: AttentionAttributes): Value {
  const [b, s, width] = y.shape;
  return g.reduceSum(g.reshape(g.mul(dy, y), [b, s, q_num_heads, width / q_num_heads]), [3]);
}

/** So many of the first rows of k or v, [B, groups, rows, d] or of another form, each once. */
function keyRows(
  g: Builder,
  x: Value,
  { groups }: Heads,
): (count: number, form: readonly number[] | undefined) => Value {
  const known = new Map<string, Value>();
  return (count, form) => {
    const key = `${count} ${form}`;
    const rows =
      known.get(key) ?? headRows(g, x, { groups, repeat: 1 }, { start: 0, end: count, form });
    known.set(key, rows);
    return rows;
  };
}

/**
 * Σ of tensors [B, groups, so many rows, d], each from the first row on -> [B, groups, rows, d].
 */
function sumOfRows(g: Builder, parts: readonly Value[], rows: number): Value {
  const filled = parts.map((part) => {
    const missing = rows - part.shape[2];
    return missing === 0 ? part : g.pad(part, [0, 0, 0, 0, 0, 0, missing, 0]);
  });
  return filled.reduce((sum, part) => g.add(sum, part));
}
