// Gradients of the elementwise operators.

import type { Builder } from '../../graph/builder.ts';
import type { Value } from '../../graph/graph.ts';
import type { OpName } from '../../graph/ops.ts';
import type { GradientRule } from './rule.ts';

type Term = (g: Builder, dy: Value, x: Value, y: Value) => Value;

/** dx as a formula of dy, x and y. */
function unary<K extends OpName>(term: Term): GradientRule<K> {
  // one input, one output
  return (g, node, [dy]) => [term(g, dy as Value, node.inputs[0] as Value, node.outputs[0])];
}

type BinaryTerm = (g: Builder, dy: Value, a: Value, b: Value, y: Value) => Value;

/** da and db as formulas of dy, a, b and y. */
function binary<K extends OpName>(da: BinaryTerm, db: BinaryTerm): GradientRule<K> {
  return (g, node, [dy], needs) => {
    const [a, b] = node.inputs as [Value, Value]; // two inputs, one output
    const term = (f: BinaryTerm, wanted: boolean) =>
      wanted ? f(g, dy as Value, a, b, node.outputs[0]) : undefined;
    return [term(da, needs[0]), term(db, needs[1])];
  };
}

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

export const elementwise = {
  Identity: unary<'Identity'>((_, dy) => dy),
  // d(-x) = -dx
  Neg: unary<'Neg'>((g, dy) => g.neg(dy)),
  // d|x| = sign(x) dx
  Abs: unary<'Abs'>((g, dy, x) => g.mul(dy, g.sign(x))),
  // d(eˣ) = eˣ dx
  Exp: unary<'Exp'>((g, dy, _, y) => g.mul(dy, y)),
  // d(ln x) = dx / x
  Log: unary<'Log'>((g, dy, x) => g.div(dy, x)),
  // d√x = dx / (2√x)
  Sqrt: unary<'Sqrt'>((g, dy, _, y) => g.div(g.mul(dy, 0.5), y)),
  // d(1/x) = -y² dx
  Reciprocal: unary<'Reciprocal'>((g, dy, _, y) => g.neg(g.mul(dy, g.mul(y, y)))),
  // dσ = σ (1 − σ) dx
  Sigmoid: unary<'Sigmoid'>((g, dy, _, y) => g.mul(dy, g.mul(y, g.sub(1, y)))),
  // d tanh = (1 − tanh²) dx
  Tanh: unary<'Tanh'>((g, dy, _, y) => g.mul(dy, g.sub(1, g.mul(y, y)))),
  // d erf = 2/√π · exp(−x²) dx
  Erf: unary<'Erf'>((g, dy, x) => g.mul(g.mul(dy, g.exp(g.neg(g.mul(x, x)))), TWO_OVER_SQRT_PI)),
  Sin: unary<'Sin'>((g, dy, x) => g.mul(dy, g.cos(x))),
  Cos: unary<'Cos'>((g, dy, x) => g.neg(g.mul(dy, g.sin(x)))),
  Cast: unary<'Cast'>((g, dy, x) => g.cast(dy, x.dtype)),
  Add: binary<'Add'>(
    (_, dy) => dy,
    (_, dy) => dy,
  ),
  Sub: binary<'Sub'>(
    (_, dy) => dy,
    (g, dy) => g.neg(dy),
  ),
  Mul: binary<'Mul'>(
    (g, dy, _, b) => g.mul(dy, b),
    (g, dy, a) => g.mul(dy, a),
  ),
  // d(a/b) = da/b − y db/b
  Div: binary<'Div'>(
    (g, dy, _, b) => g.div(dy, b),
    (g, dy, _, b, y) => g.neg(g.div(g.mul(dy, y), b)),
  ),
  // the larger (smaller) input takes the gradient; b where both are equal
  Max: binary<'Max'>(
    (g, dy, a, b) => g.where(g.greater(a, b), dy, 0),
    (g, dy, a, b) => g.where(g.greater(a, b), 0, dy),
  ),
  Min: binary<'Min'>(
    (g, dy, a, b) => g.where(g.less(a, b), dy, 0),
    (g, dy, a, b) => g.where(g.less(a, b), 0, dy),
  ),
  Gelu: ((g, node, [dy]) =>
    g.emit('GeluGrad', [node.inputs[0], dy], node.attributes)) satisfies GradientRule<'Gelu'>,
  Swish: ((g, node, [dy]) =>
    g.emit('SwishGrad', [node.inputs[0], dy], node.attributes)) satisfies GradientRule<'Swish'>,
  Where: ((g, node, [dy], needs) => {
    const [condition] = node.inputs as [Value]; // arity of the operator table
    return [
      undefined,
      needs[1] ? g.where(condition, dy as Value, 0) : undefined,
      needs[2] ? g.where(condition, 0, dy as Value) : undefined,
    ];
  }) satisfies GradientRule<'Where'>,
};
