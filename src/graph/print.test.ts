import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float32, int32 } from '../tensor/tensor.ts';
import { Builder } from './builder.ts';
import { printGraph } from './print.ts';

/** Nodes in three scopes, parameters, arrays and numbers. */
function example() {
  const g = new Builder('example');
  const x = g.input('x', 'float32', [2, 4, 8, 8]);
  const y = g.scoped('block.0', () => {
    const conv = g.conv(
      x,
      g.parameter('conv.weight', [6, 4, 3, 3]),
      g.parameter('conv.bias', [6]),
      { strides: [2, 2], pads: [0, 0, 1, 1] },
    );
    return g.swish(g.mul(conv, 1 / 3));
  });
  const rows = g.scoped('chosen', () =>
    g.gather(y, g.constant(int32([2, 3], [0, 1, 0, 1, 1, 0]), 'order')),
  );
  const scaled = g.gemm(
    g.reshape(rows, [6, 96]),
    g.constant(float32([96, 1], new Array(96).fill(0.5))),
  );
  g.output('y', y);
  g.output('total', g.reduceSum(scaled, [0, 1]));
  return g.finish();
}

test('a graph is printed by scope, one line a node', () => {
  assert.equal(
    printGraph(example()),
    `graph example
  inputs
    %x: f32[2,4,8,8]
  parameters
    %block.0.conv.weight: f32[6,4,3,3]
    %block.0.conv.bias: f32[6]
  constants
    %order: i32[2,3] = [0, 1, 0, 1, …]
    %const: f32[96,1] = [0.5, 0.5, 0.5, 0.5, …]
  block.0
    %Conv: f32[2,6,4,4] = Conv(%x, %conv.weight, %conv.bias) {strides=[2,2], pads=[0,0,1,1]}
    %Mul: f32[2,6,4,4] = Mul(%Conv, 0.3333333)
    %Swish: f32[2,6,4,4] = Swish(%Mul) {alpha=1}
  chosen
    %Gather: f32[2,3,6,4,4] = Gather(%block.0/Swish, %order) {axis=0}
  (no scope)
    %Reshape: f32[6,96] = Reshape(%chosen/Gather) {shape=[6,96]}
    %Gemm: f32[6,1] = Gemm(%Reshape, %const) {transA=false, transB=false}
    %ReduceSum: f32[] = ReduceSum(%Gemm) {axes=[0,1], keepdims=false}
  outputs
    y = %block.0/Swish
    total = %ReduceSum
`,
  );
});

test('a part of a graph is printed, long runs cut short', () => {
  assert.equal(
    printGraph(example(), { scope: 'block', limit: 1, declarations: false }),
    `graph example
  block.0
    %Conv: f32[2,6,4,4] = Conv(%x, %conv.weight, %conv.bias) {strides=[2,2], pads=[0,0,1,1]}
    … 2 more
`,
  );
});

test('several outputs and absent inputs keep their places', () => {
  const g = new Builder('two');
  const [q, y] = [g.input('q', 'float32', [1, 2, 4]), g.input('y', 'float32', [1, 2, 4])];
  const attributes = { q_num_heads: 1, kv_num_heads: 1, scale: 0.5, is_causal: false };
  g.emit('AttentionGrad', [q, q, q, undefined, y, y], attributes);
  assert.match(
    printGraph(g.finish()),
    /%AttentionGrad\.dq: f32\[1,2,4\], %AttentionGrad\.dk: f32\[1,2,4\], %AttentionGrad\.dv: f32\[1,2,4\] = AttentionGrad\(%q, %q, %q, -, %y, %y\)/,
  );
});
