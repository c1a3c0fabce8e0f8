// Scaled-dot-product attention and its gradient, in blocks of query rows so that the score matrix is
// never whole in memory (after FlashAttention, arXiv 2205.14135: P is recomputed, D = rowsum(dO ∘ O)).

import type { Builder } from '../builder.ts';
import type { NodeOf, Value } from '../graph.ts';
import type { AttentionAttributes } from '../ops.ts';

/** Elements of one block of scores: 64 MiB in float32. */
const BLOCK_ELEMENTS = 1 << 24;
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

/** [B, S, H·d] as [B, H, S, d], or [B, groups, 1, S, d]. */
function splitKey(g: Builder, x: Value, { groups, repeat }: Heads): Value {
  const [b, s, width] = x.shape;
  if (repeat === 1) return g.transpose(g.reshape(x, [b, s, groups, width / groups]), [0, 2, 1, 3]);
  return g.transpose(g.reshape(x, [b, s, groups, 1, width / groups]), [0, 2, 3, 1, 4]);
}

function joinQuery(g: Builder, x: Value): Value {
  const rank = x.shape.length;
  const [b, s, d] = [x.shape[0], x.shape[rank - 2], x.shape[rank - 1]];
  const heads = x.shape.slice(1, -2).reduce((a, c) => a * c, 1);
  const perm = rank === 4 ? [0, 2, 1, 3] : [0, 3, 1, 2, 4];
  return g.reshape(g.transpose(x, perm), [b, s, heads * d]);
}

/** Sums over the query heads that shared a key head, then joins as joinQuery. */
function joinKey(g: Builder, x: Value): Value {
  return joinQuery(g, x.shape.length === 4 ? x : g.reduceSum(x, [2], false));
}

const rowsOf = (g: Builder, x: Value, start: number, end: number) => {
  const axis = x.shape.length - 2;
  return start === 0 && end === x.shape[axis] ? x : g.slice(x, axis, start, end);
};

interface Block {
  readonly start: number;
  readonly end: number;
}

/** Equal blocks of query rows, each with at most `elements` scores if one row has no more. */
function blocksOf(q: Value, k: Value, { q_num_heads }: AttentionAttributes, elements: number): Block[] {
  const rows = q.shape[1];
  const wanted = Math.ceil((q.shape[0] * q_num_heads * rows * k.shape[1]) / elements);
  const size = Math.ceil(rows / Math.min(rows, wanted));
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) => ({ start: i * size, end: Math.min(rows, (i + 1) * size) }));
}

/** What is added to the scores: the given mask, reshaped to meet them, and the causal one. */
function maskOf(g: Builder, mask: Value | undefined, q: Value, k: Value, attributes: AttentionAttributes): Value | undefined {
  const given = mask === undefined ? undefined : fitMask(g, mask, headsOf(attributes));
  if (!attributes.is_causal) return given;
  const causal = causalMask(g, q.shape[1], k.shape[1]);
  return given === undefined ? causal : g.add(given, causal);
}

function fitMask(g: Builder, mask: Value, { groups, repeat }: Heads): Value {
  if (repeat === 1 || mask.shape.length < 3) return mask;
  const heads = mask.shape[mask.shape.length - 3];
  const batch = mask.shape.length === 4 ? [mask.shape[0]] : [];
  return g.reshape(mask, [...batch, ...(heads === 1 ? [1, 1] : [groups, repeat]), ...mask.shape.slice(-2)]);
}

/** Row i sees columns 0 … i, also where there are more columns than rows, or fewer (ONNX Attention-23: upper left alignment). */
function causalMask(g: Builder, rows: number, columns: number): Value {
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) data.fill(HIDDEN, i * columns + Math.min(i + 1, columns), (i + 1) * columns);
  return g.constant({ dtype: 'float32', shape: [rows, columns], data }, 'causal_mask');
}

interface Probabilities {
  readonly p: Value;
  /** tanh(score / softcap), where there is a cap. */
  readonly bent?: Value;
}

/** softmax(cap(scale · q kᵀ) + mask) for a block of rows. */
function probabilities(g: Builder, q: Value, k: Value, mask: Value | undefined, { scale, softcap }: AttentionAttributes, { start, end }: Block): Probabilities {
  const product = g.fusedMatMul(g.mul(rowsOf(g, q, start, end), softcap === undefined ? scale : scale / softcap), k, { transB: true });
  const bent = softcap === undefined ? undefined : g.tanh(product);
  const scores = softcap === undefined || bent === undefined ? product : g.mul(bent, softcap);
  if (mask === undefined) return { p: g.softmax(scores), bent };
  return { p: g.softmax(g.add(scores, mask.shape[mask.shape.length - 2] === 1 ? mask : rowsOf(g, mask, start, end))), bent };
}

export function attention(g: Builder, node: NodeOf<'Attention'>, blockElements = BLOCK_ELEMENTS): Value[] {
  const [q3, k3, v3, mask3] = node.inputs as [Value, Value, Value, Value | undefined]; // arity of the operator table
  const heads = headsOf(node.attributes);
  const q = splitQuery(g, q3, heads);
  const k = splitKey(g, k3, heads);
  const v = splitKey(g, v3, heads);
  const mask = maskOf(g, mask3, q3, k3, node.attributes);
  const parts = blocksOf(q3, k3, node.attributes, blockElements).map((block) =>
    g.matMul(probabilities(g, q, k, mask, node.attributes, block).p, v),
  );
  return [joinQuery(g, parts.length === 1 ? parts[0] : g.concat(parts, parts[0].shape.length - 2))];
}

export function attentionGrad(g: Builder, node: NodeOf<'AttentionGrad'>, blockElements = BLOCK_ELEMENTS): Value[] {
  const [q3, k3, v3, mask3, y3, dy3] = node.inputs as [Value, Value, Value, Value | undefined, Value, Value]; // arity of the operator table
  const heads = headsOf(node.attributes);
  const [q, dy, y] = [q3, dy3, y3].map((x) => splitQuery(g, x, heads));
  const [k, v] = [k3, v3].map((x) => splitKey(g, x, heads));
  const mask = maskOf(g, mask3, q3, k3, node.attributes);
  const dQ: Value[] = [];
  let dK: Value | undefined;
  let dV: Value | undefined;
  for (const block of blocksOf(q3, k3, node.attributes, blockElements)) {
    const rows = (x: Value) => rowsOf(g, x, block.start, block.end);
    const { p, bent } = probabilities(g, q, k, mask, node.attributes, block);
    const dYrows = rows(dy);
    // D = rowsum(dO ∘ O); dS = P ∘ (dO Vᵀ − D) · scale, and d cap(s) / ds = 1 − tanh²(s / softcap)
    const d = g.reduceSum(g.mul(dYrows, rows(y)), [dy.shape.length - 1], true);
    const dCapped = g.mul(g.mul(p, g.sub(g.fusedMatMul(dYrows, v, { transB: true }), d)), node.attributes.scale);
    const dS = bent === undefined ? dCapped : g.mul(dCapped, g.sub(1, g.mul(bent, bent)));
    dQ.push(g.matMul(dS, k));
    const partK = g.fusedMatMul(dS, rows(q), { transA: true });
    const partV = g.fusedMatMul(p, dYrows, { transA: true });
    dK = dK === undefined ? partK : g.add(dK, partK);
    dV = dV === undefined ? partV : g.add(dV, partV);
  }
  const dq = dQ.length === 1 ? dQ[0] : g.concat(dQ, q.shape.length - 2);
  return [joinQuery(g, dq), joinKey(g, dK as Value), joinKey(g, dV as Value)]; // there is at least one block
}
