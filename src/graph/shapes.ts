// The shape and dtype of every operator's outputs, after the ONNX operator specifications.

import { InternalError } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import { sameShape, sizeOf, type Shape } from '../tensor/tensor.ts';
import type { ValueType } from './graph.ts';
import type { OpAttributes, OpName } from './ops.ts';

type In = readonly (ValueType | undefined)[];
type Rule<K extends OpName> = (inputs: In, attributes: OpAttributes[K]) => ValueType[];

/** Types of the outputs of one operator; throws InternalError where the inputs do not fit it. */
export function inferTypes<K extends OpName>(
  op: K,
  inputs: In,
  attributes: OpAttributes[K],
): ValueType[] {
  return rules[op](inputs, attributes);
}

/**
 * The shape two shapes broadcast to, aligned at the last axis (ONNX multidirectional broadcasting).
 */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    check(x === y || x === 1 || y === 1, `[${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** Indices that a Slice takes of an axis of length `dim`, as ONNX clamps them. */
export function sliceRange(
  dim: number,
  start: number,
  end: number,
  step: number,
): { first: number; count: number } {
  const clamp = (index: number) => {
    const at = index < 0 ? index + dim : index;
    return step > 0 ? Math.min(Math.max(at, 0), dim) : Math.min(Math.max(at, -1), dim - 1);
  };
  const first = clamp(start);
  return { first, count: Math.max(0, Math.ceil((clamp(end) - first) / step)) };
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InternalError(`shape: ${message}`);
}

function need(inputs: In, index: number): ValueType {
  const type = inputs[index];
  check(type !== undefined, `input ${index} is absent`);
  return type;
}

const same = (inputs: In): ValueType[] => [
  { dtype: need(inputs, 0).dtype, shape: need(inputs, 0).shape },
];

const elementwise =
  (dtype?: DType) =>
  (inputs: In): ValueType[] => {
    const [a, b] = [need(inputs, 0), need(inputs, 1)];
    check(a.dtype === b.dtype, `${a.dtype} and ${b.dtype} do not mix`);
    return [{ dtype: dtype ?? a.dtype, shape: broadcastShapes(a.shape, b.shape) }];
  };

const reduce = (
  inputs: In,
  { axes, keepdims }: { axes: readonly number[]; keepdims: boolean },
): ValueType[] => {
  const x = need(inputs, 0);
  check(
    axes.every((axis) => axis >= 0 && axis < x.shape.length),
    `axes [${axes}] of [${x.shape}]`,
  );
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return [
    { dtype: x.dtype, shape: keepdims ? kept : kept.filter((_, axis) => !axes.includes(axis)) },
  ];
};

/** Each output has the type of the input whose index is listed. */
const like =
  (...indices: number[]) =>
  (inputs: In): ValueType[] =>
    indices.map((index) => ({
      dtype: need(inputs, index).dtype,
      shape: need(inputs, index).shape,
    }));

function matMul(inputs: In): ValueType[] {
  const [a, b] = [need(inputs, 0), need(inputs, 1)];
  check(a.shape.length >= 2 && b.shape.length >= 2, `MatMul of [${a.shape}] and [${b.shape}]`);
  check(a.shape.at(-1) === b.shape.at(-2), `MatMul of [${a.shape}] and [${b.shape}]`);
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return [{ dtype: a.dtype, shape: [...batch, ...a.shape.slice(-2, -1), ...b.shape.slice(-1)] }];
}

function fusedMatMul(inputs: In, { transA, transB }: OpAttributes['FusedMatMul']): ValueType[] {
  const turned = (type: ValueType, swap: boolean) =>
    swap
      ? { ...type, shape: [...type.shape.slice(0, -2), ...type.shape.slice(-2).reverse()] }
      : type;
  return matMul([turned(need(inputs, 0), transA), turned(need(inputs, 1), transB)]);
}

function gemm(inputs: In, { transA, transB }: OpAttributes['Gemm']): ValueType[] {
  const [a, b] = [need(inputs, 0), need(inputs, 1)];
  check(a.shape.length === 2 && b.shape.length === 2, `Gemm of [${a.shape}] and [${b.shape}]`);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  check(k === k2, `Gemm of [${a.shape}] and [${b.shape}], transA ${transA}, transB ${transB}`);
  return [{ dtype: a.dtype, shape: [m, n] }];
}

function conv(inputs: In, { strides, pads }: OpAttributes['Conv']): ValueType[] {
  const [x, w] = [need(inputs, 0), need(inputs, 1)];
  check(
    x.shape.length === 4 && w.shape.length === 4 && x.shape[1] === w.shape[1],
    `Conv of [${x.shape}] by [${w.shape}]`,
  );
  const out = [0, 1].map(
    (i) => Math.floor((x.shape[2 + i] + pads[i] + pads[2 + i] - w.shape[2 + i]) / strides[i]) + 1,
  );
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[0], ...out] }];
}

function convTranspose(
  inputs: In,
  { strides, pads, output_padding }: OpAttributes['ConvTranspose'],
): ValueType[] {
  const [x, w] = [need(inputs, 0), need(inputs, 1)];
  check(x.shape[1] === w.shape[0], `ConvTranspose of [${x.shape}] by [${w.shape}]`);
  const out = [0, 1].map(
    (i) =>
      (x.shape[2 + i] - 1) * strides[i] +
      output_padding[i] +
      w.shape[2 + i] -
      pads[i] -
      pads[2 + i],
  );
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[1], ...out] }];
}

function concat(inputs: In, { axis }: OpAttributes['Concat']): ValueType[] {
  const types = inputs.map((_, index) => need(inputs, index));
  const [first] = types;
  const fits = (t: ValueType) =>
    t.shape.length === first.shape.length &&
    t.shape.every((d, i) => i === axis || d === first.shape[i]);
  check(
    types.every(fits),
    `Concat of ${types.map((t) => `[${t.shape}]`).join(', ')} on axis ${axis}`,
  );
  const total = types.reduce((sum, t) => sum + t.shape[axis], 0);
  return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? total : dim)) }];
}

function slice(inputs: In, { axes, starts, ends, steps }: OpAttributes['Slice']): ValueType[] {
  const x = need(inputs, 0);
  const shape = [...x.shape];
  axes.forEach((axis, i) => {
    shape[axis] = sliceRange(x.shape[axis], starts[i], ends[i], steps[i]).count;
  });
  return [{ dtype: x.dtype, shape }];
}

function gather(inputs: In, { axis }: OpAttributes['Gather']): ValueType[] {
  const [x, indices] = [need(inputs, 0), need(inputs, 1)];
  return [
    {
      dtype: x.dtype,
      shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
    },
  ];
}

function linear(inputs: In): ValueType[] {
  const [x, w] = [need(inputs, 0), need(inputs, 1)];
  check(
    w.shape.length === 2 && x.shape.at(-1) === w.shape[1],
    `Linear of [${x.shape}] by [${w.shape}]`,
  );
  return [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), w.shape[0]] }];
}

function linearGradInput(inputs: In): ValueType[] {
  const [dy, w] = [need(inputs, 0), need(inputs, 1)];
  check(dy.shape.at(-1) === w.shape[0], `LinearGradInput of [${dy.shape}] by [${w.shape}]`);
  return [{ dtype: dy.dtype, shape: [...dy.shape.slice(0, -1), w.shape[1]] }];
}

function linearGradWeight(inputs: In): ValueType[] {
  const [dy, x] = [need(inputs, 0), need(inputs, 1)];
  check(
    sameShape(dy.shape.slice(0, -1), x.shape.slice(0, -1)),
    `LinearGradWeight of [${dy.shape}] and [${x.shape}]`,
  );
  return [{ dtype: dy.dtype, shape: [...dy.shape.slice(-1), ...x.shape.slice(-1)] }];
}

function linearLogSumExp(inputs: In): ValueType[] {
  const [x, w] = [need(inputs, 0), need(inputs, 1)];
  check(
    x.shape.length === 2 && w.shape.length === 2 && x.shape[1] === w.shape[1],
    `LinearLogSumExp of [${x.shape}] by [${w.shape}]`,
  );
  return [{ dtype: x.dtype, shape: [x.shape[0], 1] }, x];
}

function attention(
  inputs: In,
  { q_num_heads, kv_num_heads }: OpAttributes['Attention'],
): ValueType[] {
  const [q, k, v] = [need(inputs, 0), need(inputs, 1), need(inputs, 2)];
  check(
    [q, k, v].every((t) => t.shape.length === 3),
    'Attention takes [batch, tokens, heads·width]',
  );
  check(
    q.shape[2] / q_num_heads === k.shape[2] / kv_num_heads && k.shape[1] === v.shape[1],
    `Attention of [${q.shape}], [${k.shape}], [${v.shape}]`,
  );
  return [
    { dtype: q.dtype, shape: [q.shape[0], q.shape[1], (v.shape[2] / kv_num_heads) * q_num_heads] },
  ];
}

function reshape(inputs: In, { shape }: OpAttributes['Reshape']): ValueType[] {
  const x = need(inputs, 0);
  check(sizeOf(x.shape) === sizeOf(shape), `Reshape of [${x.shape}] to [${shape}]`);
  return [{ dtype: x.dtype, shape }];
}

function where(inputs: In): ValueType[] {
  const [c, a, b] = [need(inputs, 0), need(inputs, 1), need(inputs, 2)];
  return [{ dtype: a.dtype, shape: broadcastShapes(c.shape, broadcastShapes(a.shape, b.shape)) }];
}

function transpose(inputs: In, { perm }: OpAttributes['Transpose']): ValueType[] {
  const x = need(inputs, 0);
  check(perm.length === x.shape.length, `Transpose of [${x.shape}] by [${perm}]`);
  return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]) }];
}

function pad(inputs: In, { pads }: OpAttributes['Pad']): ValueType[] {
  const x = need(inputs, 0);
  return [
    { dtype: x.dtype, shape: x.shape.map((dim, i) => dim + pads[i] + pads[i + x.shape.length]) },
  ];
}

function resize(inputs: In, { scale }: OpAttributes['Resize']): ValueType[] {
  const x = need(inputs, 0);
  return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i < 2 ? dim : dim * scale)) }];
}

const norm = like(0);

const rules: { readonly [K in OpName]: Rule<K> } = {
  Identity: same,
  Neg: same,
  Abs: same,
  Sign: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Reciprocal: same,
  Sigmoid: same,
  Tanh: same,
  Erf: same,
  Sin: same,
  Cos: same,
  Cast: (inputs, { to }) => [{ dtype: to, shape: need(inputs, 0).shape }],
  Add: elementwise(),
  Sub: elementwise(),
  Mul: elementwise(),
  Div: elementwise(),
  Max: elementwise(),
  Min: elementwise(),
  Equal: elementwise('bool'),
  Less: elementwise('bool'),
  Greater: elementwise('bool'),
  Where: where,
  Reshape: reshape,
  Expand: (inputs, { shape }) => {
    check(
      sameShape(broadcastShapes(need(inputs, 0).shape, shape), shape),
      `Expand of [${need(inputs, 0).shape}] to [${shape}]`,
    );
    return [{ dtype: need(inputs, 0).dtype, shape }];
  },
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  ScatterND: same,
  Resize: resize,
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  Softmax: same,
  LogSoftmax: same,
  MatMul: matMul,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: convTranspose,
  Linear: linear,
  LinearGradInput: linearGradInput,
  LinearGradWeight: linearGradWeight,
  LinearLogSumExp: linearLogSumExp,
  ConvGradInput: (inputs, { shape }) => [{ dtype: need(inputs, 0).dtype, shape }],
  FusedMatMul: fusedMatMul,
  ConvGradWeight: (inputs, { shape }) => [{ dtype: need(inputs, 0).dtype, shape }],
  Gelu: same,
  GeluGrad: same,
  Swish: same,
  SwishGrad: same,
  Standardize: (inputs) => {
    const x = need(inputs, 0);
    return [x, { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }];
  },
  LayerNormalization: norm,
  LayerNormalizationGrad: like(0, 1, 1),
  GroupNormalization: norm,
  GroupNormalizationGrad: like(0, 1, 1),
  RMSNormalization: norm,
  RMSNormalizationGrad: like(0, 1),
  RotaryEmbedding: norm,
  Attention: attention,
  AttentionGrad: like(0, 1, 2),
};
