// Scaled-dot-product attention and its gradient, in blocks of query rows so that the score matrix is
// never whole in memory (after FlashAttention, arXiv 2205.14135: P is recomputed, D = rowsum(dO ∘ O)).

import { float32 } from '../../tensor/tensor.ts';
import type { Builder } from '../builder.ts';
import type { NodeOf, Value } from '../graph.ts';
import type { AttentionAttributes } from '../ops.ts';

/** Elements of one block of scores: 64 MiB in float32. */
const BLOCK_ELEMENTS = 1 << 24;
/** Rows of a block where a row sees no keys behind it: a block then leaves out those behind its last row. */
const CAUSAL_ROWS = 128;
/** Added to scores that must not be seen; exp of it is 0 in every float type, and it stays finite. */
const HIDDEN = -1e9;

interface Heads {
  readonly groups: number;
  /** Query heads that share one key head. */
  readonly repeat: number;
}

const headsOf = ({ q_num_heads, kv_num_heads }: AttentionAttributes): Heads => ({
  groups: kv_num_heads,
  repeat: q_num_heads / kv_num_heads,
});

/** [B, S, H·d] as [B, H, S, d], or [B, groups, repeat, S, d] where heads share keys. */
function splitQuery(g: Builder, x: Value, { groups, repeat }: Heads): Value {
  const [b, s, width] = x.shape;
  if (repeat === 1) return g.transpose(g.reshape(x, [b, s, groups, width / groups]), [0, 2, 1, 3]);
  return g.transpose(g.reshape(x, [b, s, groups, repeat, width / groups / repeat]), [0, 2, 3, 1, 4]);
}

/** [B, S, H·d] as [B, groups, S, d]. */
const splitKey = (g: Builder, x: Value, { groups }: Heads): Value => splitQuery(g, x, { groups, repeat: 1 });

/** [B, groups, repeat, S, d] as [B, groups, repeat · S, d]: the heads that share keys meet them in one product. */
function folded(g: Builder, x: Value): Value {
  if (x.shape.length === 4) return x;
  const [b, groups, repeat, s, d] = x.shape;
  return g.reshape(x, [b, groups, repeat * s, d]);
}

function unfolded(g: Builder, x: Value, { repeat }: Heads): Value {
  if (repeat === 1) return x;
  const [b, groups, s, d] = x.shape;
  return g.reshape(x, [b, groups, repeat, s / repeat, d]);
}

function join(g: Builder, x: Value): Value {
  const rank = x.shape.length;
  const [b, s, d] = [x.shape[0], x.shape[rank - 2], x.shape[rank - 1]];
  const heads = x.shape.slice(1, -2).reduce((a, c) => a * c, 1);
  const perm = rank === 4 ? [0, 2, 1, 3] : [0, 3, 1, 2, 4];
  return g.reshape(g.transpose(x, perm), [b, s, heads * d]);
}

/** From `start` to `end` along an axis counted from the last, 1. */
function partOf(g: Builder, x: Value, fromLast: number, start: number, end: number): Value {
  const axis = x.shape.length - fromLast;
  return start === 0 && end === x.shape[axis] ? x : g.slice(x, axis, start, end);
}

const rowsOf = (g: Builder, x: Value, start: number, end: number) => partOf(g, x, 2, start, end);

/** Rows of [B, S, H·d] as [B, groups, repeat · rows, d]. Cut before they are transposed: there the rows of one text lie together. */
const queryRows = (g: Builder, x: Value, heads: Heads, { start, end }: Block): Value => folded(g, splitQuery(g, rowsOf(g, x, start, end), heads));

/** Rows of the blocks one after the other, each [B, groups, repeat · rows, d], as [B, S, H·d]. */
function joinedRows(g: Builder, blocks: readonly Value[], heads: Heads): Value {
  const rows = blocks.map((block) => join(g, unfolded(g, block, heads)));
  return rows.length === 1 ? rows[0] : g.concat(rows, 1);
}

interface Block {
  readonly start: number;
  readonly end: number;
  /** Keys that one of its rows may see: so many from the first. */
  readonly keys: number;
}

/** Equal blocks of query rows, each with at most `elements` scores if one row has no more. */
function blocksOf(q: Value, k: Value, { q_num_heads, is_causal }: AttentionAttributes, elements: number): Block[] {
  const [rows, columns] = [q.shape[1], k.shape[1]];
  const wanted = Math.max(Math.ceil((q.shape[0] * q_num_heads * rows * columns) / elements), is_causal ? Math.floor(rows / CAUSAL_ROWS) : 1);
  const size = Math.ceil(rows / Math.min(rows, wanted));
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => {
    const end = Math.min(rows, (i + 1) * size);
    return { start: i * size, end, keys: is_causal ? Math.min(end, columns) : columns };
  });
}

/** What is added to a block's scores: the given mask, reshaped to meet them, and the causal one. */
function maskOf(g: Builder, mask: Value | undefined, attributes: AttentionAttributes, { start, end, keys }: Block): Value | undefined {
  const given = mask && maskPart(g, fitMask(g, mask, headsOf(attributes)), { start, end, keys });
  if (!attributes.is_causal) return given;
  const causal = causalMask(g, { start, end, keys });
  return given === undefined ? causal : g.add(given, causal);
}

/** Of a mask that may be broadcast along rows or columns. */
function maskPart(g: Builder, mask: Value, { start, end, keys }: Block): Value {
  const [rows, columns] = mask.shape.slice(-2);
  const part = rows === 1 ? mask : rowsOf(g, mask, start, end);
  return columns === 1 ? part : partOf(g, part, 1, 0, keys);
}

function fitMask(g: Builder, mask: Value, { groups, repeat }: Heads): Value {
  if (repeat === 1 || mask.shape.length < 3) return mask;
  const heads = mask.shape[mask.shape.length - 3];
  const batch = mask.shape.length === 4 ? [mask.shape[0]] : [];
  return g.reshape(mask, [...batch, ...(heads === 1 ? [1, 1] : [groups, repeat]), ...mask.shape.slice(-2)]);
}

/** Of each graph, by block: a mask of its own for each layer would take more memory than all else that is constant. */
const causalMasks = new WeakMap<Builder, Map<string, Value>>();

/** Row i sees columns 0 … i, also where there are more columns than rows, or fewer (ONNX Attention-23: upper left alignment). */
function causalMask(g: Builder, { start, end, keys }: Block): Value {
  const known = causalMasks.get(g) ?? new Map<string, Value>();
  causalMasks.set(g, known);
  const name = `${start} ${end} ${keys}`;
  const mask = known.get(name) ?? g.constant(float32([end - start, keys], causalRows({ start, end, keys })), 'causal_mask');
  known.set(name, mask);
  return mask;
}

function causalRows({ start, end, keys }: Block): Float32Array {
  const data = new Float32Array((end - start) * keys);
  for (let i = start; i < end; i++) data.fill(HIDDEN, (i - start) * keys + Math.min(i + 1, keys), (i - start + 1) * keys);
  return data;
}

interface Probabilities {
  readonly p: Value;
  /** tanh(score / softcap), where there is a cap. */
  readonly bent?: Value;
}

/** softmax(cap(scale · q kᵀ) + mask) for a block: its rows of q, folded, and the keys it sees. */
function probabilities(g: Builder, q: Value, k: Value, mask: Value | undefined, { softcap, scale, ...attributes }: AttentionAttributes): Probabilities {
  const product = g.fusedMatMul(q, k, { transB: true, alpha: softcap === undefined ? scale : scale / softcap });
  const bent = softcap === undefined ? undefined : g.tanh(product);
  const scores = softcap === undefined || bent === undefined ? product : g.mul(bent, softcap);
  const masked = mask === undefined ? scores : folded(g, g.add(unfolded(g, scores, headsOf({ scale, ...attributes })), mask));
  return { p: g.softmax(masked), bent };
}

export function attention(g: Builder, node: NodeOf<'Attention'>, blockElements = BLOCK_ELEMENTS): Value[] {
  const [q3, k3, v3, mask] = node.inputs as [Value, Value, Value, Value | undefined]; // arity of the operator table
  const heads = headsOf(node.attributes);
  const [k, v] = [k3, v3].map((x) => splitKey(g, x, heads));
  const blocks = blocksOf(q3, k3, node.attributes, blockElements).map((block) => {
    const { p } = probabilities(g, queryRows(g, q3, heads, block), rowsOf(g, k, 0, block.keys), maskOf(g, mask, node.attributes, block), node.attributes);
    return g.matMul(p, rowsOf(g, v, 0, block.keys));
  });
  return [joinedRows(g, blocks, heads)];
}

export function attentionGrad(g: Builder, node: NodeOf<'AttentionGrad'>, blockElements = BLOCK_ELEMENTS): Value[] {
  const [q3, k3, v3, mask, y3, dy3] = node.inputs as [Value, Value, Value, Value | undefined, Value, Value]; // arity of the operator table
  const { scale: alpha } = node.attributes;
  const heads = headsOf(node.attributes);
  const [k, v] = [k3, v3].map((x) => splitKey(g, x, heads));
  const dot3 = rowDots(g, dy3, y3, node.attributes);
  const blocks = blocksOf(q3, k3, node.attributes, blockElements).map((block) => {
    const [q, dy, d] = [q3, dy3, dot3].map((x) => queryRows(g, x, heads, block));
    const [keys, values] = [k, v].map((x) => rowsOf(g, x, 0, block.keys));
    const { p, bent } = probabilities(g, q, keys, maskOf(g, mask, node.attributes, block), node.attributes);
    // dS = P ∘ (dO Vᵀ − D), and d cap(s) / ds = 1 − tanh²(s / softcap)
    const dCapped = g.mul(p, g.sub(g.fusedMatMul(dy, values, { transB: true }), d));
    const dS = bent === undefined ? dCapped : g.mul(dCapped, g.sub(1, g.mul(bent, bent)));
    return { dq: g.fusedMatMul(dS, keys, { alpha }), dk: g.fusedMatMul(dS, q, { transA: true, alpha }), dv: g.fusedMatMul(p, dy, { transA: true }) };
  });
  return [
    joinedRows(g, blocks.map(({ dq }) => dq), heads),
    join(g, sumOfRows(g, blocks.map(({ dk }) => dk), k3.shape[1])),
    join(g, sumOfRows(g, blocks.map(({ dv }) => dv), k3.shape[1])),
  ];
}

/** D = rowsum(dO ∘ O) of each head: [B, S, H]. */
function rowDots(g: Builder, dy: Value, y: Value, { q_num_heads }: AttentionAttributes): Value {
  const [b, s, width] = y.shape;
  return g.reduceSum(g.reshape(g.mul(dy, y), [b, s, q_num_heads, width / q_num_heads]), [3]);
}

/** Σ of tensors [B, groups, so many rows, d], each from the first row on -> [B, groups, rows, d]. */
function sumOfRows(g: Builder, parts: readonly Value[], rows: number): Value {
  const filled = parts.map((part) => {
    const missing = rows - part.shape[2];
    return missing === 0 ? part : g.pad(part, [0, 0, 0, 0, 0, 0, missing, 0]);
  });
  return filled.reduce((sum, part) => g.add(sum, part));
}
