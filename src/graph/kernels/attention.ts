// Attention, its gradient and rotary embedding by explicit loops, in float64.

import type { AttentionAttributes, OpAttributes, OpInputs, OpOutputs } from '../ops.ts';
import { at, f64, ravel, type F64Tensor, type Kernels } from './f64.ts';
import { softmax } from './reduce.ts';

type AttentionInputs = OpInputs<F64Tensor>['Attention'];

/** One query of one head of one sample, and the keys it may see. */
interface Query {
  /** Element number of the query's first channel in q (and dq). */
  readonly q: number;
  /** Element number of its first channel in y (and dy). */
  readonly y: number;
  /** Element numbers of the first channel of each key and each value. */
  readonly k: readonly number[];
  readonly v: readonly number[];
  /** The softmax over the keys. */
  readonly p: readonly number[];
  /** d capped score / d score of each key: 1 without a cap. */
  readonly slopes: readonly number[];
}

interface Sizes extends AttentionAttributes {
  readonly width: number; // channels of one head of q and k
  readonly valueWidth: number; // channels of one head of v and y
}

const sizesOf = (q: F64Tensor, v: F64Tensor, attributes: AttentionAttributes): Sizes => ({
  ...attributes,
  width: q.shape[2] / attributes.q_num_heads,
  valueWidth: v.shape[2] / attributes.kv_num_heads,
});

const dot = (a: F64Tensor, i: number, b: F64Tensor, j: number, length: number): number => {
  let total = 0;
  for (let c = 0; c < length; c++) total += a.data[i + c] * b.data[j + c];
  return total;
};

/**
 * Query `s` of head `h` of sample `b`: p = softmax(cap(scale · q·k) + mask), causal ones see keys 0
 * … s.
 */
function queryAt(
  [b, h, s]: readonly number[],
  [q, k, v, mask]: AttentionInputs,
  sizes: Sizes,
): Query {
  const {
    width,
    valueWidth,
    q_num_heads,
    kv_num_heads,
    scale,
    is_causal,
    softcap = Infinity,
  } = sizes;
  // groups of neighbouring heads share keys and values
  const kvHead = Math.floor(h / (q_num_heads / kv_num_heads));
  const first = ravel([b, s, h * width], q.shape);
  const seen = Array.from(
    { length: is_causal ? Math.min(s + 1, k.shape[1]) : k.shape[1] },
    (_, t) => t,
  );
  const keys = seen.map((t) => ravel([b, t, kvHead * width], k.shape));
  const products = keys.map((key) => scale * dot(q, first, k, key, width));
  const capped =
    softcap === Infinity ? products : products.map((x) => softcap * Math.tanh(x / softcap));
  const scores = capped.map((x, t) => x + (mask === undefined ? 0 : at(mask, [b, h, s, t])));
  return {
    q: first,
    y: (b * q.shape[1] + s) * q_num_heads * valueWidth + h * valueWidth,
    k: keys,
    v: seen.map((t) => ravel([b, t, kvHead * valueWidth], v.shape)),
    p: softmax(scores),
    slopes: capped.map((x) => 1 - (x / softcap) ** 2),
  };
}

function eachQuery(inputs: AttentionInputs, sizes: Sizes, visit: (query: Query) => void): void {
  const [batch, tokens] = inputs[0].shape;
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < sizes.q_num_heads; h++) {
      for (let s = 0; s < tokens; s++) visit(queryAt([b, h, s], inputs, sizes));
    }
  }
}

/** y = Σ_t p_t v_t */
function attention(
  inputs: AttentionInputs,
  attributes: AttentionAttributes,
  shape: readonly number[],
): F64Tensor {
  const [q, , v] = inputs;
  const sizes = sizesOf(q, v, attributes);
  const y = f64(shape);
  eachQuery(inputs, sizes, (query) => {
    query.p.forEach((p, t) => {
      for (let c = 0; c < sizes.valueWidth; c++) y.data[query.y + c] += p * v.data[query.v[t] + c];
    });
  });
  return y;
}

/**
 * dv_t += p_t dy; dp_t = dy · v_t; ds_t = p_t (dp_t − Σ p dp) slope_t; dq += scale ds_t k_t; dk_t
 * += scale ds_t q.
 */
function attentionGrad(
  [q, k, v, mask, , dy]: OpInputs<F64Tensor>['AttentionGrad'],
  attributes: AttentionAttributes,
): OpOutputs<F64Tensor>['AttentionGrad'] {
  const sizes = sizesOf(q, v, attributes);
  const [dq, dk, dv] = [f64(q.shape), f64(k.shape), f64(v.shape)];
  eachQuery([q, k, v, mask], sizes, (query) => {
    const dp = query.v.map((value) => dot(dy, query.y, v, value, sizes.valueWidth));
    const centre = dp.reduce((sum, d, t) => sum + d * query.p[t], 0);
    query.p.forEach((p, t) => {
      const ds = sizes.scale * p * (dp[t] - centre) * query.slopes[t];
      for (let c = 0; c < sizes.valueWidth; c++)
        dv.data[query.v[t] + c] += p * dy.data[query.y + c];
      for (let c = 0; c < sizes.width; c++) {
        dq.data[query.q + c] += ds * k.data[query.k[t] + c];
        dk.data[query.k[t] + c] += ds * q.data[query.q + c];
      }
    });
  });
  return [dq, dk, dv];
}

/**
 * (a, b) → (a cos − b sin, a sin + b cos) for the channel pairs (2i, 2i+1) or (i, i + r/2) of each
 * head.
 */
function rotary(
  x: F64Tensor,
  cos: F64Tensor,
  sin: F64Tensor,
  { num_heads, interleaved }: OpAttributes['RotaryEmbedding'],
): F64Tensor {
  const [batch, tokens, channels] = x.shape;
  const half = cos.shape[cos.shape.length - 1];
  const y = f64(x.shape, x.data.slice());
  for (let token = 0; token < batch * tokens; token++) {
    for (let h = 0; h < num_heads; h++) {
      const head = token * channels + h * (channels / num_heads);
      for (let i = 0; i < half; i++) {
        const [a, b] = interleaved ? [head + 2 * i, head + 2 * i + 1] : [head + i, head + i + half];
        const index = [Math.floor(token / tokens), token % tokens, i];
        const [c, s] = [at(cos, index), at(sin, index)];
        y.data[a] = x.data[a] * c - x.data[b] * s;
        y.data[b] = x.data[a] * s + x.data[b] * c;
      }
    }
  }
  return y;
}

export const attentions: Kernels<'RotaryEmbedding' | 'Attention' | 'AttentionGrad'> = {
  RotaryEmbedding: ([x, cos, sin], attributes) => [rotary(x, cos, sin, attributes)],
  Attention: (inputs, attributes, [{ shape }]) => [attention(inputs, attributes, shape)],
  AttentionGrad: (inputs, attributes) => attentionGrad(inputs, attributes),
};
