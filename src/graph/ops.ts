// The closed vocabulary: every operator a graph may hold, after ONNX (opset 26) and its function
// operators.
//
// Shapes, gradients, decompositions, evaluation and test samples are total tables over `OpName`.
// Arguments that ONNX takes as constant int64 inputs (a Reshape's target, a Slice's bounds) are
// attributes here; the encoder turns them back into inputs.

import type { DType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/tensor.ts';

type None = Record<never, never>;
type Pair = readonly [number, number];
/** [top, left, bottom, right], as ONNX orders them. */
type Pads = readonly [number, number, number, number];

interface Axis {
  readonly axis: number;
}
interface Axes {
  /** Sorted, not negative. */
  readonly axes: readonly number[];
  readonly keepdims: boolean;
}
export interface ConvAttributes {
  readonly strides: Pair;
  readonly pads: Pads;
}
interface Norm {
  readonly epsilon: number;
}
interface GroupNorm extends Norm {
  readonly num_groups: number;
}
export interface AttentionAttributes {
  readonly q_num_heads: number;
  readonly kv_num_heads: number;
  /** Factor of the scores; ONNX's default is 1/sqrt(head width). */
  readonly scale: number;
  readonly is_causal: boolean;
  /**
   * c: a score s becomes c · tanh(s / c) before masks are added. Absent: scores stay as they are.
   */
  readonly softcap?: number;
}

/** The attributes of each operator. */
export interface OpAttributes {
  // elementwise, one input
  Identity: None;
  Neg: None;
  Abs: None;
  Sign: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Reciprocal: None;
  Sigmoid: None;
  Tanh: None;
  Erf: None;
  Sin: None;
  Cos: None;
  Cast: { readonly to: DType };
  // elementwise with broadcasting
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Max: None;
  Min: None;
  Equal: None;
  Less: None;
  Greater: None;
  Where: None;
  // form
  Reshape: { readonly shape: Shape };
  Expand: { readonly shape: Shape };
  Transpose: { readonly perm: readonly number[] };
  Concat: Axis;
  Slice: {
    readonly axes: readonly number[];
    readonly starts: readonly number[];
    /**
     * Exclusive; may be out of range as ONNX allows (-2^31 for "through the first" with a negative
     * step).
     */
    readonly ends: readonly number[];
    readonly steps: readonly number[];
  };
  /** Zero padding: `pads` is [begin of each axis, end of each axis]. */
  Pad: { readonly pads: readonly number[] };
  Gather: Axis;
  /**
   * `data` with `updates` added at rows `indices` of axis 0 (reduction "add"). indices [..., 1].
   */
  ScatterND: None;
  /** Nearest-neighbour enlargement of [N, C, H, W] by a whole factor. */
  Resize: { readonly scale: number };
  // reductions
  ReduceSum: Axes;
  ReduceMean: Axes;
  ReduceMax: Axes;
  Softmax: Axis;
  LogSoftmax: Axis;
  // products
  MatMul: None;
  Gemm: { readonly transA: boolean; readonly transB: boolean };
  Conv: ConvAttributes;
  ConvTranspose: ConvAttributes & { readonly output_padding: Pair };
  // composite: whole until lowering, each with a decomposition into the operators above
  /** y = x Wᵀ + b; x [..., in], W [out, in], b [out]. */
  Linear: None;
  /** dx = dy W; dy [..., out], W [out, in]. */
  LinearGradInput: None;
  /** dW = Σ dyᵀ x over all leading axes; dy [..., out], x [..., in]. */
  LinearGradWeight: None;
  /**
   * y = log Σᵥ exp zᵥ of z = x Wᵀ, and its derivative dy/dx; x [n, in], W [out, in], y [n, 1], the
   * derivative [n, in]. With a softcap c, z = c · tanh(x Wᵀ / c). z exists for `piece` rows of W at
   * a time (Wijmans et al., arXiv 2411.09009); no gradient reaches W.
   */
  LinearLogSumExp: { readonly piece: number; readonly softcap?: number };
  /** dx of Conv, given dy and W; `shape` is x's. */
  ConvGradInput: ConvAttributes & { readonly shape: Shape };
  /** dW of Conv, given dy and x; `shape` is W's. */
  ConvGradWeight: ConvAttributes & { readonly shape: Shape };
  /** alpha times the MatMul with either operand's last two axes exchanged first (com.microsoft). */
  FusedMatMul: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };
  Gelu: { readonly approximate: 'none' | 'tanh' };
  GeluGrad: { readonly approximate: 'none' | 'tanh' };
  /** y = x · sigmoid(alpha x): SiLU for alpha 1, CLIP's "quick gelu" for alpha 1.702. */
  Swish: { readonly alpha: number };
  SwishGrad: { readonly alpha: number };
  /** (x − mean) / √(var + ε) and 1 / √(var + ε) over the last axis, which the second keeps as 1. */
  Standardize: Norm;
  /** Over the last axis. */
  LayerNormalization: Norm;
  LayerNormalizationGrad: Norm;
  /** x [N, C, ...], scale and bias [C]. */
  GroupNormalization: GroupNorm;
  GroupNormalizationGrad: GroupNorm;
  /** Over the last axis. */
  RMSNormalization: Norm;
  RMSNormalizationGrad: Norm;
  /**
   * x [B, S, heads·d], cos and sin [S, r/2] or [B, S, r/2]: rotates the first r channels of each
   * head.
   */
  RotaryEmbedding: { readonly num_heads: number; readonly interleaved: boolean };
  /**
   * q [B, Sq, Hq·d], k [B, Sk, Hkv·d], v [B, Sk, Hkv·dv], mask broadcastable to [B, Hq, Sq, Sk] and
   * added to the scores; causal: query i sees keys 0 … i.
   */
  Attention: AttentionAttributes;
  /** (q, k, v, mask?, y, dy) → dq, dk, dv. */
  AttentionGrad: AttentionAttributes;
}

export type OpName = keyof OpAttributes;

interface OpInfo {
  /** Names of the inputs; `x?` may be absent, `x...` stands for one or more. */
  readonly inputs: readonly string[];
  readonly outputs: readonly [string, ...string[]];
  /** Kept whole until lowering, then decomposed where a backend has no kernel of its own. */
  readonly composite: boolean;
}
type Inputs = OpInfo['inputs'];
type Outputs = OpInfo['outputs'];

const primitive = <const I extends Inputs, const O extends Outputs>(inputs: I, outputs: O) =>
  ({ inputs, outputs, composite: false }) as const;
const composite = <const I extends Inputs, const O extends Outputs>(inputs: I, outputs: O) =>
  ({ inputs, outputs, composite: true }) as const;

const unary = primitive(['x'], ['y']);
const binary = primitive(['a', 'b'], ['y']);

/** What each operator takes and gives; the types of its inputs and outputs follow from it. */
export const ops = {
  Identity: unary,
  Neg: unary,
  Abs: unary,
  Sign: unary,
  Exp: unary,
  Log: unary,
  Sqrt: unary,
  Reciprocal: unary,
  Sigmoid: unary,
  Tanh: unary,
  Erf: unary,
  Sin: unary,
  Cos: unary,
  Cast: unary,
  Add: binary,
  Sub: binary,
  Mul: binary,
  Div: binary,
  Max: binary,
  Min: binary,
  Equal: binary,
  Less: binary,
  Greater: binary,
  Where: primitive(['condition', 'a', 'b'], ['y']),
  Reshape: unary,
  Expand: unary,
  Transpose: unary,
  Concat: primitive(['x...'], ['y']),
  Slice: unary,
  Pad: unary,
  Gather: primitive(['data', 'indices'], ['y']),
  ScatterND: primitive(['data', 'indices', 'updates'], ['y']),
  Resize: unary,
  ReduceSum: unary,
  ReduceMean: unary,
  ReduceMax: unary,
  Softmax: unary,
  LogSoftmax: unary,
  MatMul: binary,
  Gemm: primitive(['a', 'b', 'c?'], ['y']),
  Conv: primitive(['x', 'weight', 'bias?'], ['y']),
  ConvTranspose: primitive(['x', 'weight'], ['y']),
  Linear: composite(['x', 'weight', 'bias?'], ['y']),
  LinearGradInput: composite(['dy', 'weight'], ['dx']),
  LinearGradWeight: composite(['dy', 'x'], ['dweight']),
  LinearLogSumExp: composite(['x', 'weight'], ['y', 'derivative']),
  ConvGradInput: composite(['dy', 'weight'], ['dx']),
  ConvGradWeight: composite(['dy', 'x'], ['dweight']),
  FusedMatMul: composite(['a', 'b'], ['y']),
  Gelu: composite(['x'], ['y']),
  GeluGrad: composite(['x', 'dy'], ['dx']),
  Swish: composite(['x'], ['y']),
  SwishGrad: composite(['x', 'dy'], ['dx']),
  Standardize: composite(['x'], ['xhat', 'rstd']),
  LayerNormalization: composite(['x', 'scale', 'bias'], ['y']),
  LayerNormalizationGrad: composite(['x', 'scale', 'dy'], ['dx', 'dscale', 'dbias']),
  GroupNormalization: composite(['x', 'scale', 'bias'], ['y']),
  GroupNormalizationGrad: composite(['x', 'scale', 'dy'], ['dx', 'dscale', 'dbias']),
  RMSNormalization: composite(['x', 'scale'], ['y']),
  RMSNormalizationGrad: composite(['x', 'scale', 'dy'], ['dx', 'dscale']),
  RotaryEmbedding: composite(['x', 'cos', 'sin'], ['y']),
  Attention: composite(['q', 'k', 'v', 'mask?'], ['y']),
  AttentionGrad: composite(['q', 'k', 'v', 'mask?', 'y', 'dy'], ['dq', 'dk', 'dv']),
} satisfies { readonly [K in OpName]: OpInfo };

// `ops` has exactly the keys of OpName
export const opNames = Object.keys(ops) as readonly OpName[];

/** A T for each name: `x` is there, `x?` may be undefined, `x...` stands for any number of them. */
type Tuple<Names extends readonly string[], T> = Names extends readonly [`${string}...`]
  ? readonly T[]
  : { readonly [I in keyof Names]: Names[I] extends `${string}?` ? T | undefined : T };

/** The inputs of each operator, each a T: `OpInputs<Value>['Conv']` is [x, weight, bias?]. */
export type OpInputs<T> = { readonly [K in OpName]: Tuple<(typeof ops)[K]['inputs'], T> };
/** Its outputs, each a T. */
export type OpOutputs<T> = { readonly [K in OpName]: Tuple<(typeof ops)[K]['outputs'], T> };
