// How each composite operator is made of simpler ones; `primitive` for those that are not
// composite.

import type { Builder } from '../builder.ts';
import type { NodeOf, Value } from '../graph.ts';
import type { OpName } from '../ops.ts';
import { gelu, geluGrad, swish, swishGrad } from './activations.ts';
import { attention, attentionGrad } from './attention.ts';
import { linearLogSumExp } from './log-sum-exp.ts';
import {
  groupNormalization,
  groupNormalizationGrad,
  layerNormalization,
  layerNormalizationGrad,
  rmsNormalization,
  rmsNormalizationGrad,
  standardize,
} from './norms.ts';
import {
  convGradInput,
  convGradWeight,
  fusedMatMul,
  linear,
  linearGradInput,
  linearGradWeight,
} from './products.ts';
import { rotaryEmbedding } from './rotary.ts';

/** Emits nodes that compute the outputs of `node`, in order. */
export type Decomposition<K extends OpName> = (g: Builder, node: NodeOf<K>) => Value[];

export const decompositions: { readonly [K in OpName]: Decomposition<K> | 'primitive' } = {
  Identity: 'primitive',
  Neg: 'primitive',
  Abs: 'primitive',
  Sign: 'primitive',
  Exp: 'primitive',
  Log: 'primitive',
  Sqrt: 'primitive',
  Reciprocal: 'primitive',
  Sigmoid: 'primitive',
  Tanh: 'primitive',
  Erf: 'primitive',
  Sin: 'primitive',
  Cos: 'primitive',
  Cast: 'primitive',
  Add: 'primitive',
  Sub: 'primitive',
  Mul: 'primitive',
  Div: 'primitive',
  Max: 'primitive',
  Min: 'primitive',
  Equal: 'primitive',
  Less: 'primitive',
  Greater: 'primitive',
  Where: 'primitive',
  Reshape: 'primitive',
  Expand: 'primitive',
  Transpose: 'primitive',
  Concat: 'primitive',
  Slice: 'primitive',
  Pad: 'primitive',
  Gather: 'primitive',
  ScatterND: 'primitive',
  Resize: 'primitive',
  ReduceSum: 'primitive',
  ReduceMean: 'primitive',
  ReduceMax: 'primitive',
  Softmax: 'primitive',
  LogSoftmax: 'primitive',
  MatMul: 'primitive',
  Gemm: 'primitive',
  Conv: 'primitive',
  ConvTranspose: 'primitive',
  Linear: linear,
  LinearGradInput: linearGradInput,
  LinearGradWeight: linearGradWeight,
  LinearLogSumExp: linearLogSumExp,
  ConvGradInput: convGradInput,
  ConvGradWeight: convGradWeight,
  FusedMatMul: fusedMatMul,
  Gelu: gelu,
  GeluGrad: geluGrad,
  Swish: swish,
  SwishGrad: swishGrad,
  Standardize: standardize,
  LayerNormalization: layerNormalization,
  LayerNormalizationGrad: layerNormalizationGrad,
  GroupNormalization: groupNormalization,
  GroupNormalizationGrad: groupNormalizationGrad,
  RMSNormalization: rmsNormalization,
  RMSNormalizationGrad: rmsNormalizationGrad,
  RotaryEmbedding: rotaryEmbedding,
  Attention: attention,
  AttentionGrad: attentionGrad,
};
