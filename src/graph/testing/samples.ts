// Samples of every operator: the inputs and attributes that all suites run, whatever implementation
// they test.

import type { DType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/tensor.ts';
import { kernels } from '../evaluate.ts';
import type { F64Tensor } from '../kernels/f64.ts';
import type { OpAttributes, OpInputs, OpName } from '../ops.ts';
import { inferTypes } from '../shapes.ts';
import { convSamples } from './conv-samples.ts';
import { draw, type Kind } from './draw.ts';

export interface SampleInput {
  readonly shape: Shape;
  readonly kind: Kind;
  readonly dtype: DType;
  readonly below?: number;
  /** Not drawn but computed from the inputs before it. */
  readonly computed?: (inputs: readonly F64Tensor[]) => F64Tensor;
}

/**
 * One use of an operator. Attributes are float32 numbers, so that no implementation rounds them.
 */
export interface Sample<K extends OpName> {
  readonly inputs: OpInputs<SampleInput>[K];
  readonly attributes: OpAttributes[K];
}

export type Samples = { readonly [K in OpName]: readonly Sample<K>[] };

/** The tensors of a sample's inputs, by position. */
export function drawInputs(
  inputs: readonly (SampleInput | undefined)[],
  seed: number,
): (F64Tensor | undefined)[] {
  const tensors: (F64Tensor | undefined)[] = [];
  inputs.forEach((input, i) => {
    if (input === undefined) return tensors.push(undefined);
    // required inputs come before the computed one
    tensors.push(
      input.computed === undefined ? draw(input, seed, i) : input.computed(tensors as F64Tensor[]),
    );
  });
  return tensors;
}

export const x = (shape: Shape, kind: Kind = 'smooth', dtype: DType = 'float32'): SampleInput => ({
  shape,
  kind,
  dtype,
});
const indices = (shape: Shape, below: number): SampleInput => ({
  shape,
  kind: 'index',
  dtype: 'int32',
  below,
});
const of = <A, I extends readonly (SampleInput | undefined)[]>(attributes: A, ...inputs: I) => ({
  inputs,
  attributes,
});

const unary = (kind: Kind = 'smooth') => [of({}, x([2, 3, 4], kind)), of({}, x([], kind))];
const binary = (kind: Kind = 'smooth', second = kind) => [
  of({}, x([2, 3], kind), x([2, 3], second)),
  of({}, x([2, 3, 4], kind), x([4], second)),
  of({}, x([3, 1], kind), x([2, 1, 4], second)),
  of({}, x([2, 3], kind), x([], second)),
  of({}, x([], kind), x([1, 2], second)),
];
const axes = (kind: Kind = 'smooth') => [
  of({ axes: [1], keepdims: true }, x([2, 3, 4], kind)),
  of({ axes: [0, 2], keepdims: false }, x([2, 3, 4], kind)),
  of({ axes: [0, 1], keepdims: true }, x([2, 4], kind)),
  of({ axes: [0, 1], keepdims: false }, x([4, 2], kind)),
];
const axis = [
  of({ axis: 2 }, x([2, 3, 4])),
  of({ axis: 1 }, x([2, 3, 4])),
  of({ axis: 0 }, x([5])),
];
const shapes: Shape[] = [[2, 3, 4], [6], [2, 2, 1, 3]];

const EPSILON = 2 ** -10;
const norms = (...shapes: Shape[]) =>
  shapes.map((shape) => ({ shape, channels: [shape[shape.length - 1]] }));
const lastAxis = norms([2, 3, 8], [1, 6], [2, 2, 2, 5]);
const groups: readonly { shape: Shape; num_groups: number }[] = [
  { shape: [2, 6, 3, 2], num_groups: 3 },
  { shape: [1, 4, 2, 2], num_groups: 1 },
  { shape: [2, 4, 5], num_groups: 4 },
];

const rotary: Samples['RotaryEmbedding'] = [true, false].flatMap((interleaved) => [
  of({ num_heads: 2, interleaved }, x([2, 3, 16]), x([3, 4]), x([3, 4])),
  of({ num_heads: 1, interleaved }, x([2, 3, 8]), x([2, 3, 4]), x([2, 3, 4])),
  of({ num_heads: 3, interleaved }, x([1, 2, 24]), x([2, 2]), x([2, 2])), // half of each head turns
]);

type AttentionSample = {
  q: Shape;
  k: Shape;
  v: Shape;
  mask?: Shape;
  attributes: OpAttributes['Attention'];
};
const heads = (
  q_num_heads: number,
  kv_num_heads = q_num_heads,
  is_causal = false,
  scale = 0.5,
) => ({ q_num_heads, kv_num_heads, scale, is_causal });
const attentions: readonly AttentionSample[] = [
  { q: [2, 3, 8], k: [2, 3, 8], v: [2, 3, 8], attributes: heads(2) },
  // cross-attention
  { q: [2, 4, 8], k: [2, 7, 8], v: [2, 7, 8], attributes: heads(2, 2, false, 0.375) },
  { q: [1, 3, 4], k: [1, 5, 4], v: [1, 5, 6], attributes: heads(1) }, // values of another width
  { q: [2, 4, 8], k: [2, 4, 8], v: [2, 4, 8], attributes: heads(2, 2, true) },
  { q: [1, 3, 4], k: [1, 5, 4], v: [1, 5, 4], attributes: heads(1, 1, true) },
  { q: [1, 5, 4], k: [1, 3, 4], v: [1, 3, 4], attributes: heads(1, 1, true) },
  { q: [2, 3, 16], k: [2, 3, 8], v: [2, 3, 8], attributes: heads(4, 2) }, // two queries share a key
  { q: [1, 4, 12], k: [1, 4, 4], v: [1, 4, 4], attributes: heads(3, 1, true) },
  { q: [2, 3, 8], k: [2, 4, 8], v: [2, 4, 8], mask: [3, 4], attributes: heads(2) },
  { q: [2, 3, 8], k: [2, 4, 8], v: [2, 4, 8], mask: [2, 1, 1, 4], attributes: heads(2) },
  { q: [2, 3, 8], k: [2, 3, 4], v: [2, 3, 4], mask: [2, 4, 3, 3], attributes: heads(4, 2) },
  { q: [2, 3, 8], k: [2, 3, 4], v: [2, 3, 4], mask: [1, 3, 3], attributes: heads(4, 2, true) },
  { q: [2, 3, 8], k: [2, 4, 8], v: [2, 4, 8], attributes: { ...heads(2), softcap: 2 } },
  {
    q: [2, 3, 8],
    k: [2, 3, 4],
    v: [2, 3, 4],
    mask: [2, 4, 3, 3],
    attributes: { ...heads(4, 2, true), softcap: 0.5 },
  },
];
const attentionInputs = ({ q, k, v, mask }: AttentionSample) =>
  [x(q), x(k), x(v), mask && x(mask)] as const;

function attentionGrad(sample: AttentionSample): Sample<'AttentionGrad'> {
  const { attributes } = sample;
  const inputs = attentionInputs(sample);
  const types = inferTypes('Attention', inputs, attributes);
  const y = {
    ...x(types[0].shape),
    computed: ([q, k, v, mask]: readonly F64Tensor[]) =>
      kernels.Attention([q, k, v, mask], attributes, types)[0],
  };
  return { inputs: [...inputs, y, x(types[0].shape)], attributes };
}

export const samples: Samples = {
  Identity: unary(),
  Neg: unary(),
  Abs: unary('nonzero'),
  Sign: unary('whole'),
  Exp: unary(),
  Log: unary('positive'),
  Sqrt: unary('positive'),
  Reciprocal: unary('nonzero'),
  Sigmoid: unary(),
  Tanh: unary(),
  Erf: unary(),
  Sin: unary(),
  Cos: unary(),
  Cast: [
    of({ to: 'float32' }, x([2, 3])),
    of({ to: 'float32' }, x([2, 3], 'whole', 'int32')),
    of({ to: 'float32' }, x([2, 3], 'flag', 'bool')),
    of({ to: 'int32' }, x([2, 3])),
    of({ to: 'bool' }, x([2, 3], 'whole')),
    of({ to: 'int32' }, x([4], 'whole', 'int64')),
  ],
  Add: [...binary(), of({}, x([3], 'whole', 'int32'), x([2, 1], 'whole', 'int32'))],
  Sub: binary(),
  Mul: binary(),
  Div: binary('smooth', 'nonzero'),
  Max: binary('distinct'),
  Min: binary('distinct'),
  Equal: [...binary('whole'), of({}, x([6], 'whole', 'int32'), x([6], 'whole', 'int32'))],
  Less: binary('whole'),
  Greater: binary('whole'),
  Where: [
    of({}, x([2, 3], 'flag', 'bool'), x([2, 3]), x([2, 3])),
    of({}, x([3], 'flag', 'bool'), x([2, 1]), x([])),
    of({}, x([2, 3], 'flag', 'bool'), x([]), x([3])),
  ],
  Reshape: [
    of({ shape: [3, 8] }, x([2, 3, 4])),
    of({ shape: [] }, x([1, 1])),
    of({ shape: [2, 1, 3] }, x([6])),
  ],
  Expand: [
    of({ shape: [2, 3, 4] }, x([3, 1])),
    of({ shape: [2, 2] }, x([])),
    of({ shape: [2, 3] }, x([2, 3])),
  ],
  Transpose: [
    of({ perm: [1, 0] }, x([2, 3])),
    of({ perm: [2, 0, 1] }, x([2, 3, 4])),
    of({ perm: [0, 3, 1, 2] }, x([2, 3, 1, 4])),
  ],
  Concat: [
    of({ axis: 1 }, x([2, 3]), x([2, 1]), x([2, 2])),
    of({ axis: 0 }, x([2]), x([3])),
    of({ axis: 2 }, x([1, 2, 3])),
  ],
  Slice: [
    of({ axes: [1], starts: [1], ends: [3], steps: [1] }, x([2, 4])),
    of({ axes: [0, 2], starts: [0, 1], ends: [1, 7], steps: [1, 3] }, x([2, 2, 8])),
    of({ axes: [1], starts: [-1], ends: [-(2 ** 31)], steps: [-1] }, x([2, 5])),
    of({ axes: [0, 1], starts: [5, -2], ends: [0, -(2 ** 31)], steps: [-2, -2] }, x([6, 7])),
    of({ axes: [0], starts: [-3], ends: [100], steps: [2] }, x([5, 2])),
  ],
  Pad: [
    of({ pads: [1, 0, 2, 3] }, x([2, 3])),
    of({ pads: [0, 0, 1, 2, 0, 0, 0, 1] }, x([1, 2, 2, 2])),
  ],
  Gather: [
    of({ axis: 0 }, x([5, 3]), indices([2, 4], 5)),
    of({ axis: 1 }, x([2, 4, 3]), indices([3], 4)),
    of({ axis: 2 }, x([2, 3, 4]), indices([2, 2], 4)),
    of({ axis: 0 }, x([4]), indices([], 4)),
  ],
  ScatterND: [
    of({}, x([4, 3]), indices([6, 1], 4), x([6, 3])),
    of({}, x([3, 2, 2]), indices([2, 2, 1], 3), x([2, 2, 2, 2])),
  ],
  Resize: [of({ scale: 2 }, x([2, 3, 2, 3])), of({ scale: 3 }, x([1, 1, 1, 2]))],
  ReduceSum: axes('positive'), // so that no sum cancels
  ReduceMean: axes('positive'),
  ReduceMax: axes('distinct'),
  Softmax: axis,
  LogSoftmax: axis,
  MatMul: [
    of({}, x([2, 3]), x([3, 4])),
    of({}, x([2, 2, 3]), x([3, 4])),
    of({}, x([2, 1, 2, 3]), x([4, 3, 2])),
    of({}, x([3, 4]), x([2, 4, 1])),
  ],
  FusedMatMul: [
    of({ transA: false, transB: false, alpha: 1 }, x([2, 2, 3]), x([3, 4])),
    of({ transA: true, transB: false, alpha: 1 }, x([2, 3, 2]), x([2, 3, 4])),
    of({ transA: false, transB: true, alpha: 0.375 }, x([2, 1, 2, 3]), x([4, 5, 3])),
    of({ transA: true, transB: true, alpha: 0.375 }, x([2, 3, 2]), x([4, 3])),
  ],
  Gemm: [false, true].flatMap((transA) =>
    [false, true].flatMap((transB) =>
      [undefined, x([2, 4]), x([4]), x([2, 1])].map((c) =>
        of({ transA, transB }, x(transA ? [3, 2] : [2, 3]), x(transB ? [4, 3] : [3, 4]), c),
      ),
    ),
  ),
  ...convSamples,
  Linear: [
    of({}, x([2, 3]), x([4, 3]), x([4])),
    of({}, x([2, 3, 5]), x([2, 5]), undefined),
    of({}, x([2, 1, 3, 2]), x([3, 2]), x([3])),
  ],
  LinearGradInput: shapes
    .slice(0, 1)
    .concat([[3, 6]])
    .map((shape) => of({}, x(shape), x([shape[shape.length - 1], 5]))),
  LinearGradWeight: [
    of({}, x([2, 3]), x([2, 4])),
    of({}, x([2, 3, 4]), x([2, 3, 5])),
    of({}, x([2, 1, 2, 3]), x([2, 1, 2, 2])),
  ],
  LinearLogSumExp: [
    of({ piece: 2, softcap: 2 }, x([3, 4]), x([5, 4])),
    of({ piece: 3 }, x([2, 3]), x([6, 3])),
    of({ piece: 8 }, x([1, 3]), x([7, 3])),
  ],
  Gelu: shapes.flatMap((shape) => [
    of({ approximate: 'none' }, x(shape)),
    of({ approximate: 'tanh' }, x(shape)),
  ]),
  GeluGrad: shapes.flatMap((s) => [
    of({ approximate: 'none' }, x(s), x(s)),
    of({ approximate: 'tanh' }, x(s), x(s)),
  ]),
  Swish: shapes.flatMap((shape) => [1, Math.fround(1.702)].map((alpha) => of({ alpha }, x(shape)))),
  SwishGrad: shapes.flatMap((shape) =>
    [1, Math.fround(1.702)].map((alpha) => of({ alpha }, x(shape), x(shape))),
  ),
  Standardize: lastAxis.map(({ shape }) => of({ epsilon: EPSILON }, x(shape))),
  LayerNormalization: lastAxis.map(({ shape, channels }) =>
    of({ epsilon: EPSILON }, x(shape), x(channels), x(channels)),
  ),
  LayerNormalizationGrad: lastAxis.map(({ shape, channels }) =>
    of({ epsilon: EPSILON }, x(shape), x(channels), x(shape)),
  ),
  GroupNormalization: groups.map(({ shape, num_groups }) =>
    of({ num_groups, epsilon: EPSILON }, x(shape), x([shape[1]]), x([shape[1]])),
  ),
  GroupNormalizationGrad: groups.map(({ shape, num_groups }) =>
    of({ num_groups, epsilon: EPSILON }, x(shape), x([shape[1]]), x(shape)),
  ),
  RMSNormalization: lastAxis.map(({ shape, channels }) =>
    of({ epsilon: EPSILON }, x(shape), x(channels)),
  ),
  RMSNormalizationGrad: lastAxis.map(({ shape, channels }) =>
    of({ epsilon: EPSILON }, x(shape), x(channels), x(shape)),
  ),
  RotaryEmbedding: rotary,
  Attention: attentions.map((sample) => ({
    inputs: attentionInputs(sample),
    attributes: sample.attributes,
  })),
  AttentionGrad: attentions.map(attentionGrad),
};
