// Gelu, Swish and their gradients in terms of elementwise operators.

import type { Builder } from '../builder.ts';
import type { Value } from '../graph.ts';
import type { Decomposition } from './rule.ts';

const SQRT_HALF = Math.SQRT1_2;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const INV_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);
/** Hendrycks & Gimpel, arXiv 1606.08415, §2. */
const CUBIC = 0.044715;

// Φ(x) = (1 + erf(x/√2)) / 2
const normalCdf = (g: Builder, x: Value) => g.mul(g.add(g.erf(g.mul(x, SQRT_HALF)), 1), 0.5);

// tanh(√(2/π) (x + 0.044715 x³)) = tanh(√(2/π) x (1 + 0.044715 x²))
const tanhArm = (g: Builder, x: Value) =>
  g.tanh(g.mul(g.mul(x, SQRT_2_OVER_PI), g.add(g.mul(g.mul(x, x), CUBIC), 1)));

export const gelu: Decomposition<'Gelu'> = (g, [x], { approximate }) => [
  approximate === 'none'
    ? g.mul(x, normalCdf(g, x))
    : g.mul(g.mul(x, 0.5), g.add(tanhArm(g, x), 1)),
];

export const geluGrad: Decomposition<'GeluGrad'> = (g, [x, dy], { approximate }) => [
  g.mul(dy, approximate === 'none' ? geluSlope(g, x) : tanhGeluSlope(g, x)),
];

// Φ(x) + x φ(x)
function geluSlope(g: Builder, x: Value): Value {
  const density = g.mul(g.exp(g.mul(g.mul(x, x), -0.5)), INV_SQRT_2PI);
  return g.add(normalCdf(g, x), g.mul(x, density));
}

// (1 + t)/2 + x/2 (1 − t²) √(2/π) (1 + 3·0.044715 x²)
function tanhGeluSlope(g: Builder, x: Value): Value {
  const t = tanhArm(g, x);
  const inner = g.mul(g.add(g.mul(g.mul(x, x), 3 * CUBIC), 1), SQRT_2_OVER_PI / 2);
  return g.add(g.mul(g.add(t, 1), 0.5), g.mul(g.mul(x, g.sub(1, g.mul(t, t))), inner));
}

export const swish: Decomposition<'Swish'> = (g, [x], { alpha }) => [g.mul(x, gate(g, x, alpha))];

// s (1 + αx (1 − s)) with s = sigmoid(αx)
export const swishGrad: Decomposition<'SwishGrad'> = (g, [x, dy], { alpha }) => {
  const s = gate(g, x, alpha);
  const ax = alpha === 1 ? x : g.mul(x, alpha);
  return [g.mul(g.mul(dy, s), g.add(g.mul(ax, g.sub(1, s)), 1))];
};

const gate = (g: Builder, x: Value, alpha: number) => g.sigmoid(alpha === 1 ? x : g.mul(x, alpha));
