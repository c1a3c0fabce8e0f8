// The gradient of every operator; one without is written down as such.

import type { OpName } from '../../graph/ops.ts';
import {
  attention,
  groupNormalization,
  layerNormalization,
  rmsNormalization,
  rotaryEmbedding,
} from './composites.ts';
import { elementwise } from './elementwise.ts';
import { concat, expand, gather, pad, reshape, resize, slice, transpose } from './form.ts';
import { conv, gemm, linear, linearLogSumExp, matMul } from './products.ts';
import { logSoftmax, reduceMax, reduceMean, reduceSum, softmax } from './reductions.ts';
import { notDifferentiable, type GradientRule, type NotDifferentiable } from './rule.ts';

export const gradients: { readonly [K in OpName]: GradientRule<K> | NotDifferentiable } = {
  ...elementwise,
  Sign: notDifferentiable,
  Equal: notDifferentiable,
  Less: notDifferentiable,
  Greater: notDifferentiable,
  Reshape: reshape,
  Expand: expand,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  ScatterND: notDifferentiable,
  Resize: resize,
  ReduceSum: reduceSum,
  ReduceMean: reduceMean,
  ReduceMax: reduceMax,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: notDifferentiable,
  Linear: linear,
  LinearGradInput: notDifferentiable,
  LinearGradWeight: notDifferentiable,
  LinearLogSumExp: linearLogSumExp,
  ConvGradInput: notDifferentiable,
  ConvGradWeight: notDifferentiable,
  FusedMatMul: notDifferentiable,
  GeluGrad: notDifferentiable,
  SwishGrad: notDifferentiable,
  Standardize: notDifferentiable,
  LayerNormalization: layerNormalization,
  LayerNormalizationGrad: notDifferentiable,
  GroupNormalization: groupNormalization,
  GroupNormalizationGrad: notDifferentiable,
  RMSNormalization: rmsNormalization,
  RMSNormalizationGrad: notDifferentiable,
  RotaryEmbedding: rotaryEmbedding,
  Attention: attention,
  AttentionGrad: notDifferentiable,
};
