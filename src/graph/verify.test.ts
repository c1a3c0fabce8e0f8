import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InternalError } from '../errors.ts';
import { float32 } from '../tensor/tensor.ts';
import { Builder } from './builder.ts';
import type { Graph, Node, Value } from './graph.ts';
import { allCases } from './testing/sample-graph.ts';
import { verify } from './verify.ts';

const value = (name: string, shape: readonly number[] = [2, 3]): Value => ({
  name,
  dtype: 'float32',
  shape,
});
const x = value('x');
const node = (
  inputs: readonly (Value | undefined)[],
  outputs: readonly Value[],
  op: 'Neg' | 'Add' | 'Gemm' = 'Neg',
): Node =>
  ({ op, inputs, outputs, attributes: { transA: false, transB: false }, scope: 'here' }) as Node;

function graph(parts: Partial<Graph>): Graph {
  return {
    name: 'g',
    inputs: [x],
    parameters: [],
    constants: new Map(),
    nodes: [],
    outputs: new Map(),
    ...parts,
  };
}

test('what the builder makes of every sample is legal', () => {
  for (const { graph } of allCases()) verify(graph);
  const g = new Builder('weights');
  g.output('y', g.add(g.linear(g.input('x', 'float32', [2, 3]), g.parameter('w', [4, 3])), 1));
  verify(g.finish());
});

const y = value('y');
const illegal: readonly (readonly [string, Partial<Graph>, RegExp])[] = [
  ['a name given twice', { nodes: [node([x], [value('x')])] }, /Neg 'x': the name x is taken/],
  [
    'a value made twice',
    { nodes: [node([x], [y]), node([x], [y])] },
    /Neg 'y': y is defined twice/,
  ],
  [
    'a value read before it is made',
    { nodes: [node([y], [value('z')]), node([x], [y])] },
    /Neg 'z': y is not defined before/,
  ],
  [
    'another value of the same name',
    { nodes: [node([value('x')], [y])] },
    /Neg 'y': x is another value of the same name/,
  ],
  [
    'an output that nothing makes',
    { outputs: new Map([['loss', y]]) },
    /output loss: y is not defined before/,
  ],
  [
    'a stored shape that does not follow',
    { nodes: [node([x], [value('y', [3, 2])])] },
    /Neg 'y': y is float32\[3,2\], its inputs give float32\[2,3\]/,
  ],
  ['a missing input', { nodes: [node([x], [y], 'Add')] }, /Add 'y': input b is absent/],
  ['too many inputs', { nodes: [node([x, x], [y])] }, /Neg 'y': 2 inputs, at most 1/],
  ['too many outputs', { nodes: [node([x], [y, value('z')])] }, /Neg 'y': 2 outputs, not 1/],
  [
    'inputs that do not fit',
    { nodes: [node([x, x], [y], 'Gemm')] },
    /Gemm 'y': its inputs do not fit/,
  ],
  [
    'a constant of another shape',
    { constants: new Map([[y, float32([3], [1, 2, 3])]]) },
    /constant y: float32\[2,3\] holds float32\[3\]/,
  ],
  [
    'a constant with too few elements',
    { constants: new Map([[y, float32([2, 3], [1])]]) },
    /constant y: 1 elements for float32\[2,3\]/,
  ],
  [
    'an unknown operator',
    { nodes: [{ ...node([x], [y]), op: 'Nagate' } as unknown as Node] },
    /Nagate 'y': no such operator/,
  ],
  ['a shape without elements', { inputs: [value('x', [0, 2])] }, /input: x has shape \[0,2\]/],
];

for (const [what, parts, message] of illegal) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => verify(graph(parts)),
      (error) => error instanceof InternalError && message.test(error.message),
    );
  });
}

test('an optional input may be absent', () => {
  const a = value('a', [2, 2]);
  verify(
    graph({
      inputs: [a],
      nodes: [
        node([a, a, undefined], [value('y', [2, 2])], 'Gemm'),
        node([a, a], [value('z', [2, 2])], 'Gemm'),
      ],
    }),
  );
});
