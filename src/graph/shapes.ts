// The shape and dtype of every operator's outputs, after the ONNX operator specifications.

import { InternalError } from '../errors.ts';
import type { DType } from '../tensor/dtype.ts';
import { sameShape, sizeOf, type Shape } from '../tensor/tensor.ts';
import type { ValueType } from './graph.ts';
import type { OpAttributes, OpInputs, OpName, OpOutputs } from './ops.ts';

type In = OpInputs<ValueType>;
type Out = OpOutputs<ValueType>;
type Rule<K extends OpName> = (inputs: In[K], attributes: OpAttributes[K]) => Out[K];

/** Types of the outputs of one operator; throws InternalError where the inputs do not fit it. */
export function inferTypes<K extends OpName>(
  op: K,
  inputs: In[K],
  attributes: OpAttributes[K],
): Out[K] {
  return rules[op](inputs, attributes);
}

/**
 * The shape two shapes broadcast to, aligned at the last axis (ONNX multidirectional broadcasting).
 */
function broadcastShapes(a: Shape, b: Shape): Shape {
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

const typeOf = ({ dtype, shape }: ValueType): ValueType => ({ dtype, shape });

type One = readonly [ValueType];
type Two = readonly [ValueType, ValueType];

/** One output, of the type of the first input. */
const same = ([x]: readonly [ValueType, ...unknown[]]): One => [typeOf(x)];

const elementwise =
  (dtype?: DType) =>
  ([a, b]: Two): One => {
    check(a.dtype === b.dtype, `${a.dtype} and ${b.dtype} do not mix`);
    return [{ dtype: dtype ?? a.dtype, shape: broadcastShapes(a.shape, b.shape) }];
  };

const reduce = ([x]: One, { axes, keepdims }: OpAttributes['ReduceSum']): One => {
  check(
    axes.every((axis) => axis >= 0 && axis < x.shape.length),
    `axes [${axes}] of [${x.shape}]`,
  );
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
  return [
    { dtype: x.dtype, shape: keepdims ? kept : kept.filter((_, axis) => !axes.includes(axis)) },
  ];
};

const matMul: Rule<'MatMul'> = ([a, b]) => {
  check(a.shape.length >= 2 && b.shape.length >= 2, `MatMul of [${a.shape}] and [${b.shape}]`);
  check(a.shape.at(-1) === b.shape.at(-2), `MatMul of [${a.shape}] and [${b.shape}]`);
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return [{ dtype: a.dtype, shape: [...batch, ...a.shape.slice(-2, -1), ...b.shape.slice(-1)] }];
};

const fusedMatMul: Rule<'FusedMatMul'> = ([a, b], { transA, transB }) => {
  const turned = (type: ValueType, swap: boolean) =>
    swap
      ? { ...type, shape: [...type.shape.slice(0, -2), ...type.shape.slice(-2).reverse()] }
      : type;
  return matMul([turned(a, transA), turned(b, transB)], {});
};

const gemm: Rule<'Gemm'> = ([a, b], { transA, transB }) => {
  check(a.shape.length === 2 && b.shape.length === 2, `Gemm of [${a.shape}] and [${b.shape}]`);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [k2, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  check(k === k2, `Gemm of [${a.shape}] and [${b.shape}], transA ${transA}, transB ${transB}`);
  return [{ dtype: a.dtype, shape: [m, n] }];
};

const conv: Rule<'Conv'> = ([x, w], { strides, pads }) => {
  check(
    x.shape.length === 4 && w.shape.length === 4 && x.shape[1] === w.shape[1],
    `Conv of [${x.shape}] by [${w.shape}]`,
  );
  const out = [0, 1].map(
    (i) => Math.floor((x.shape[2 + i] + pads[i] + pads[2 + i] - w.shape[2 + i]) / strides[i]) + 1,
  );
  return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[0], ...out] }];
};

const convTranspose: Rule<'ConvTranspose'> = ([x, w], { strides, pads, output_padding }) => {
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
};

const concat: Rule<'Concat'> = (xs, { axis }) => {
  const [first] = xs;
  const fits = (t: ValueType) =>
    t.shape.length === first.shape.length &&
    t.shape.every((d, i) => i === axis || d === first.shape[i]);
  check(xs.every(fits), `Concat of ${xs.map((t) => `[${t.shape}]`).join(', ')} on axis ${axis}`);
  const total = xs.reduce((sum, t) => sum + t.shape[axis], 0);
  return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? total : dim)) }];
};

const slice: Rule<'Slice'> = ([x], { axes, starts, ends, steps }) => {
  const shape = [...x.shape];
  axes.forEach((axis, i) => {
    shape[axis] = sliceRange(x.shape[axis], starts[i], ends[i], steps[i]).count;
  });
  return [{ dtype: x.dtype, shape }];
};

const gather: Rule<'Gather'> = ([x, indices], { axis }) => [
  {
    dtype: x.dtype,
    shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
  },
];

const linear: Rule<'Linear'> = ([x, w]) => {
  check(
    w.shape.length === 2 && x.shape.at(-1) === w.shape[1],
    `Linear of [${x.shape}] by [${w.shape}]`,
  );
  return [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), w.shape[0]] }];
};

const linearGradInput: Rule<'LinearGradInput'> = ([dy, w]) => {
  check(dy.shape.at(-1) === w.shape[0], `LinearGradInput of [${dy.shape}] by [${w.shape}]`);
  return [{ dtype: dy.dtype, shape: [...dy.shape.slice(0, -1), w.shape[1]] }];
};

const linearGradWeight: Rule<'LinearGradWeight'> = ([dy, x]) => {
  check(
    sameShape(dy.shape.slice(0, -1), x.shape.slice(0, -1)),
    `LinearGradWeight of [${dy.shape}] and [${x.shape}]`,
  );
  return [{ dtype: dy.dtype, shape: [...dy.shape.slice(-1), ...x.shape.slice(-1)] }];
};

const linearLogSumExp: Rule<'LinearLogSumExp'> = ([x, w]) => {
  check(
    x.shape.length === 2 && w.shape.length === 2 && x.shape[1] === w.shape[1],
    `LinearLogSumExp of [${x.shape}] by [${w.shape}]`,
  );
  return [{ dtype: x.dtype, shape: [x.shape[0], 1] }, typeOf(x)];
};

const attention: Rule<'Attention'> = ([q, k, v], { q_num_heads, kv_num_heads }) => {
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
};

const reshape: Rule<'Reshape'> = ([x], { shape }) => {
  check(sizeOf(x.shape) === sizeOf(shape), `Reshape of [${x.shape}] to [${shape}]`);
  return [{ dtype: x.dtype, shape }];
};

const expand: Rule<'Expand'> = ([x], { shape }) => {
  check(sameShape(broadcastShapes(x.shape, shape), shape), `Expand of [${x.shape}] to [${shape}]`);
  return [{ dtype: x.dtype, shape }];
};

const transpose: Rule<'Transpose'> = ([x], { perm }) => {
  check(perm.length === x.shape.length, `Transpose of [${x.shape}] by [${perm}]`);
  return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]) }];
};

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
  Cast: ([{ shape }], { to }) => [{ dtype: to, shape }],
  Add: elementwise(),
  Sub: elementwise(),
  Mul: elementwise(),
  Div: elementwise(),
  Max: elementwise(),
  Min: elementwise(),
  Equal: elementwise('bool'),
  Less: elementwise('bool'),
  Greater: elementwise('bool'),
  Where: ([c, a, b]) => [
    { dtype: a.dtype, shape: broadcastShapes(c.shape, broadcastShapes(a.shape, b.shape)) },
  ],
  Reshape: reshape,
  Expand: expand,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Pad: ([{ dtype, shape }], { pads }) => [
    { dtype, shape: shape.map((dim, i) => dim + pads[i] + pads[i + shape.length]) },
  ],
  Gather: gather,
  ScatterND: same,
  Resize: ([{ dtype, shape }], { scale }) => [
    { dtype, shape: shape.map((dim, i) => (i < 2 ? dim : dim * scale)) },
  ],
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
  ConvGradInput: ([{ dtype }], { shape }) => [{ dtype, shape }],
  FusedMatMul: fusedMatMul,
  ConvGradWeight: ([{ dtype }], { shape }) => [{ dtype, shape }],
  Gelu: same,
  GeluGrad: same,
  Swish: same,
  SwishGrad: same,
  Standardize: ([x]) => [typeOf(x), { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }],
  LayerNormalization: same,
  LayerNormalizationGrad: ([x, scale]) => [typeOf(x), typeOf(scale), typeOf(scale)],
  GroupNormalization: same,
  GroupNormalizationGrad: ([x, scale]) => [typeOf(x), typeOf(scale), typeOf(scale)],
  RMSNormalization: same,
  RMSNormalizationGrad: ([x, scale]) => [typeOf(x), typeOf(scale)],
  RotaryEmbedding: same,
  Attention: attention,
  AttentionGrad: ([q, k, v]) => [typeOf(q), typeOf(k), typeOf(v)],
};
