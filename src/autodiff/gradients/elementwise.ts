// Gradients of the elementwise operators.

import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { GradientRule } from './rule.ts';

type One = readonly [Value];
type Term = (g: Builder, dy: Value, x: Value, y: Value) => Value;

/** dx as a formula of dy, x and y. */
const unary =
  (term: Term) =>
  (g: Builder, [x]: One, [dy]: One, { outputs: [y] }: { readonly outputs: One }): One => [
    term(g, dy, x, y),
  ];

type BinaryTerm = (g: Builder, dy: Value, a: Value, b: Value, y: Value) => Value;

/** da and db as formulas of dy, a, b and y. */
const binary =
  (da: BinaryTerm, db: BinaryTerm) =>
  (
    ...[
      g,
      [a, b],
      [dy],
      {
        outputs: [y],
        needs,
      },
    ]: Parameters<GradientRule<'Add'>>
  ) =>
    [needs[0] ? da(g, dy, a, b, y) : undefined, needs[1] ? db(g, dy, a, b, y) : undefined] as const;

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

export const elementwise = {
  Identity: unary((_, dy) => dy),
  // d(-x) = -dx
  Neg: unary((g, dy) => g.neg(dy)),
  // d|x| = sign(x) dx
  Abs: unary((g, dy, x) => g.mul(dy, g.sign(x))),
  // d(eˣ) = eˣ dx
  Exp: unary((g, dy, _, y) => g.mul(dy, y)),
  // d(ln x) = dx / x
  Log: unary((g, dy, x) => g.div(dy, x)),
  // d√x = dx / (2√x)
  Sqrt: unary((g, dy, _, y) => g.div(g.mul(dy, 0.5), y)),
  // d(1/x) = -y² dx
  Reciprocal: unary((g, dy, _, y) => g.neg(g.mul(dy, g.mul(y, y)))),
  // dσ = σ (1 − σ) dx
  Sigmoid: unary((g, dy, _, y) => g.mul(dy, g.mul(y, g.sub(1, y)))),
  // d tanh = (1 − tanh²) dx
  Tanh: unary((g, dy, _, y) => g.mul(dy, g.sub(1, g.mul(y, y)))),
  // d erf = 2/√π · exp(−x²) dx
  Erf: unary((g, dy, x) => g.mul(g.mul(dy, g.exp(g.neg(g.mul(x, x)))), TWO_OVER_SQRT_PI)),
  Sin: unary((g, dy, x) => g.mul(dy, g.cos(x))),
  Cos: unary((g, dy, x) => g.neg(g.mul(dy, g.sin(x)))),
  Cast: unary((g, dy, x) => g.cast(dy, x.dtype)),
  Add: binary(
    (_, dy) => dy,
    (_, dy) => dy,
  ),
  Sub: binary(
    (_, dy) => dy,
    (g, dy) => g.neg(dy),
  ),
  Mul: binary(
    (g, dy, _, b) => g.mul(dy, b),
    (g, dy, a) => g.mul(dy, a),
  ),
  // d(a/b) = da/b − y db/b
  Div: binary(
    (g, dy, _, b) => g.div(dy, b),
    (g, dy, _, b, y) => g.neg(g.div(g.mul(dy, y), b)),
  ),
  // the larger (smaller) input takes the gradient; b where both are equal
  Max: binary(
    (g, dy, a, b) => g.where(g.greater(a, b), dy, 0),
    (g, dy, a, b) => g.where(g.greater(a, b), 0, dy),
  ),
  Min: binary(
    (g, dy, a, b) => g.where(g.less(a, b), dy, 0),
    (g, dy, a, b) => g.where(g.less(a, b), 0, dy),
  ),
  Gelu: ((g, [x], [dy], { attributes }) =>
    g.emit('GeluGrad', [x, dy], attributes)) satisfies GradientRule<'Gelu'>,
  Swish: ((g, [x], [dy], { attributes }) =>
    g.emit('SwishGrad', [x, dy], attributes)) satisfies GradientRule<'Swish'>,
  Where: ((g, [condition], [dy], { needs }) => [
    undefined,
    needs[1] ? g.where(condition, dy, 0) : undefined,
    needs[2] ? g.where(condition, 0, dy) : undefined,
  ]) satisfies GradientRule<'Where'>,
};
