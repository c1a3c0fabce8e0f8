import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InternalError } from '../errors.ts';
import { float32, tensor } from '../tensor/tensor.ts';
import { Builder } from './builder.ts';
import { evaluate, kernels, toFloat64 } from './evaluate.ts';
import { erf } from './kernels/elementwise.ts';
import { f64 } from './kernels/f64.ts';
import { opNames } from './ops.ts';
import { samples } from './testing/samples.ts';

// The composites are held against PyTorch in autodiff/pytorch.test.ts, all operators against ONNX
// Runtime in runtime/operators.test.ts.

test('every operator has a kernel and samples', () => {
  for (const op of opNames) {
    assert.equal(typeof kernels[op], 'function', op);
    assert.ok(samples[op].length > 0, op);
  }
});

/** Abramowitz & Stegun, Handbook of Mathematical Functions, table 7.1. */
const published = [
  [0, 0],
  [0.1, 0.112462916],
  [0.5, 0.5204998778],
  [1, 0.8427007929],
  [1.5, 0.9661051465],
  [2, 0.995322265],
] as const;

test('erf has its published values', () => {
  for (const [x, y] of published) {
    assert.ok(Math.abs(erf(x) - y) <= 5e-11, `erf ${x}`); // ten digits are published
    assert.equal(erf(-x) + erf(x), 0);
  }
  assert.equal(erf(30), 1);
});

test('a graph is evaluated from inputs, parameters and constants', () => {
  const g = new Builder('sum');
  const x = g.input('x', 'float32', [2]);
  const sum = g.add(g.mul(x, g.parameter('w', [])), g.constant(float32([2], [10, 20])));
  g.output('y', sum);
  g.output('same', sum);
  const outputs = evaluate(g.finish(), {
    x: f64([2], Float64Array.of(1, 2)),
    w: f64([], Float64Array.of(3)),
  });
  const expected = f64([2], Float64Array.of(13, 26));
  assert.deepEqual(outputs, { y: expected, same: expected });
});

test('bindings that are missing or of another shape are named', () => {
  const g = new Builder('one');
  g.output('y', g.neg(g.input('x', 'float32', [2])));
  const graph = g.finish();
  assert.throws(() => evaluate(graph, {}), new InternalError('evaluate: nothing is bound to x'));
  assert.throws(
    () => evaluate(graph, { x: f64([3]) }),
    new InternalError('evaluate: x is bound to [3], not [2]'),
  );
});

test('whole numbers and booleans become the same numbers', () => {
  assert.deepEqual(
    toFloat64(tensor('int64', [2], BigInt64Array.of(-3n, 4n))),
    f64([2], Float64Array.of(-3, 4)),
  );
  assert.deepEqual(
    toFloat64(tensor('bool', [2], Uint8Array.of(0, 1))),
    f64([2], Float64Array.of(0, 1)),
  );
});
