// Activations and their derivatives in closed form, in float64.

import { erf, sigmoid } from './elementwise.ts';
import { map, type Kernels } from './f64.ts';

type Activation = 'Gelu' | 'GeluGrad' | 'Swish' | 'SwishGrad';

const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const cumulative = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2;

const CUBIC = 0.044715; // Hendrycks & Gimpel, "Gaussian error linear units", 2016
const inner = (x: number): number => Math.tanh(Math.sqrt(2 / Math.PI) * (x + CUBIC * x ** 3));

/** Value and derivative of each form of GELU. */
const gelu = {
  // x Φ(x);  Φ(x) + x φ(x)
  none: {
    value: (x: number) => x * cumulative(x),
    slope: (x: number) => cumulative(x) + x * density(x),
  },
  // x (1 + t)/2;  (1 + t)/2 + x (1 − t²)/2 · √(2/π) (1 + 3 · 0.044715 x²)
  tanh: {
    value: (x: number) => (x * (1 + inner(x))) / 2,
    slope: (x: number) => {
      const t = inner(x);
      return (
        (1 + t) / 2 + ((x * (1 - t * t)) / 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * CUBIC * x * x)
      );
    },
  },
} as const;

export const activation: Kernels<Activation> = {
  Gelu: ([x], { approximate }) => [map(x, gelu[approximate].value)],
  GeluGrad: ([x, dy], { approximate }) => [
    map(x, (value, i) => dy.data[i] * gelu[approximate].slope(value)),
  ],
  Swish: ([x], { alpha }) => [map(x, (value) => value * sigmoid(alpha * value))],
  // s + αx s(1 − s), s = sigmoid(αx)
  SwishGrad: ([x, dy], { alpha }) => [
    map(x, (value, i) => {
      const s = sigmoid(alpha * value);
      return dy.data[i] * (s + alpha * value * s * (1 - s));
    }),
  ],
};
