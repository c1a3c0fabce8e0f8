// Elementwise operators in float64.

import type { DType } from '../../tensor/dtype.ts';
import { isFloat } from '../../tensor/dtype.ts';
import { sameShape } from '../../tensor/tensor.ts';
import type { ValueType } from '../graph.ts';
import { at, f64, generate, map, type F64Tensor, type Kernels } from './f64.ts';

/**
 * erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms have one sign, so nothing cancels.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x); // 1 − erf 6 < 2⁻⁵³
  let term = x;
  let sum = 0;
  for (let n = 0; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Number as `dtype` holds it; rounding to a shorter float is no business of a float64 judge. */
function cast(x: number, to: DType): number {
  if (to === 'bool') return x === 0 ? 0 : 1;
  return isFloat(to) ? x : Math.trunc(x);
}

const unary =
  (f: (x: number) => number) =>
  ([x]: readonly [F64Tensor]): [F64Tensor] => [map(x, (value) => f(value))];

function zip(
  a: F64Tensor,
  b: F64Tensor,
  shape: readonly number[],
  f: (a: number, b: number) => number,
): F64Tensor {
  if (sameShape(a.shape, b.shape))
    return f64(
      shape,
      a.data.map((value, i) => f(value, b.data[i])),
    );
  return generate(shape, (index) => f(at(a, index), at(b, index)));
}

const binary =
  (f: (a: number, b: number) => number) =>
  (
    [a, b]: readonly [F64Tensor, F64Tensor],
    _: unknown,
    [{ shape }]: readonly [ValueType],
  ): [F64Tensor] => [zip(a, b, shape, f)];

type Elementwise =
  | 'Identity' | 'Neg' | 'Abs' | 'Sign' | 'Exp' | 'Log' | 'Sqrt' | 'Reciprocal' | 'Sigmoid' | 'Tanh' | 'Erf' | 'Sin' | 'Cos' | 'Cast'
  | 'Add' | 'Sub' | 'Mul' | 'Div' | 'Max' | 'Min' | 'Equal' | 'Less' | 'Greater' | 'Where'; // prettier-ignore

export const elementwise: Kernels<Elementwise> = {
  Identity: unary((x) => x),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sign: unary(Math.sign),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary(sigmoid),
  Tanh: unary(Math.tanh),
  Erf: unary(erf),
  Sin: unary(Math.sin),
  Cos: unary(Math.cos),
  Cast: ([x], { to }) => [map(x, (value) => cast(value, to))],
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Max: binary(Math.max),
  Min: binary(Math.min),
  Equal: binary((a, b) => Number(a === b)),
  Less: binary((a, b) => Number(a < b)),
  Greater: binary((a, b) => Number(a > b)),
  Where: ([c, a, b], _, [{ shape }]) => [
    generate(shape, (index) => (at(c, index) === 0 ? at(b, index) : at(a, index))),
  ],
};
