// Gradients of matrix products, linear layers and convolutions.

import { InternalError } from '../../errors.ts';
import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

const swapLast = (g: Builder, x: Value) => {
  const axes = x.shape.map((_, axis) => axis);
  return g.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
};

// dA = dY Bᵀ, dB = Aᵀ dY
export const matMul: GradientRule<'MatMul'> = (g, [a, b], [dy], { needs }) => [
  needs[0] ? g.matMul(dy, swapLast(g, b)) : undefined,
  needs[1] ? g.matMul(swapLast(g, a), dy) : undefined,
];

// Y = op(A) op(B) + C
export const gemm: GradientRule<'Gemm'> = (g, [a, b], [dy], { attributes, needs }) => {
  const { transA, transB } = attributes;
  const da = () =>
    transA ? g.gemm(b, dy, { transA: transB, transB: true }) : g.gemm(dy, b, { transB: !transB });
  const db = () =>
    transB ? g.gemm(dy, a, { transA: true, transB: transA }) : g.gemm(a, dy, { transA: !transA });
  return [needs[0] ? da() : undefined, needs[1] ? db() : undefined, needs[2] ? dy : undefined];
};

/** The derivative by x is there already. The weight is frozen: its gradient would need all of z. */
export const linearLogSumExp: GradientRule<'LinearLogSumExp'> = (
  g,
  _,
  [dy, again],
  { outputs },
) => {
  if (dy === undefined || again !== undefined)
    throw new InternalError('a derivative of LinearLogSumExp is not differentiable');
  return [g.mul(outputs[1], dy), undefined];
};

export const linear: GradientRule<'Linear'> = (g, [x, weight], [dy], { needs }) => {
  const leading = dy.shape.slice(0, -1).map((_, axis) => axis);
  return [
    needs[0] ? g.add1('LinearGradInput', [dy, weight], {}) : undefined,
    needs[1] ? g.add1('LinearGradWeight', [dy, x], {}) : undefined,
    needs[2] ? g.reduceSum(dy, leading) : undefined,
  ];
};

export const conv: GradientRule<'Conv'> = (g, [x, weight], [dy], { attributes, needs }) => [
  needs[0] ? g.add1('ConvGradInput', [dy, weight], { ...attributes, shape: x.shape }) : undefined,
  needs[1] ? g.add1('ConvGradWeight', [dy, x], { ...attributes, shape: weight.shape }) : undefined,
  needs[2] ? g.reduceSum(dy, [0, 2, 3]) : undefined,
];
