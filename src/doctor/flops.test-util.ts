// The arithmetic of a graph: two operations for each multiply-add of its products and convolutions,
// which are nearly all of a training step's.

import type { Graph, Node, NodeOf } from '../graph/graph.ts';
import type { OpName } from '../graph/ops.ts';
import { sizeOf } from '../tensor/tensor.ts';

export interface Flops {
  /** Of products of matrices, those of attention among them. */
  readonly products: number;
  readonly convolutions: number;
  /** Bytes that all other operators read and write. */
  readonly rest: number;
}

type Counted = {
  readonly [K in OpName]?: readonly [
    kind: 'products' | 'convolutions',
    count: (node: NodeOf<K>) => number,
  ];
};

/** y's size times the row that each of its elements is the sum over. */
const linear = ({ outputs: [y], inputs: [x] }: NodeOf<'Linear' | 'LinearGradInput'>): number =>
  2 * sizeOf(y.shape) * lastOf(x.shape);
const lastOf = (shape: readonly number[]): number => shape[shape.length - 1];

const convolution = ({ outputs: [y], inputs: [, weight] }: NodeOf<'Conv'>): number =>
  2 * sizeOf(y.shape) * sizeOf(weight.shape.slice(1));

/** Products of queries and keys and of scores and values; half of them where it is causal. */
function attention(node: NodeOf<'Attention' | 'AttentionGrad'>): number {
  const [q, k, v] = node.inputs;
  const { q_num_heads: heads, kv_num_heads: kvHeads, is_causal: isCausal } = node.attributes;
  const [batch, rows, width] = q.shape;
  const values = (v.shape[2] / kvHeads) * heads;
  return 2 * batch * rows * k.shape[1] * (width + values) * (isCausal ? 0.5 : 1);
}

const counted: Counted = {
  MatMul: ['products', ({ inputs: [a], outputs: [y] }) => 2 * sizeOf(y.shape) * lastOf(a.shape)],
  FusedMatMul: [
    'products',
    ({ inputs: [a], outputs: [y], attributes: { transA } }) =>
      2 * sizeOf(y.shape) * a.shape[a.shape.length - (transA ? 2 : 1)],
  ],
  Gemm: [
    'products',
    ({ inputs: [a], outputs: [y], attributes: { transA } }) =>
      2 * sizeOf(y.shape) * a.shape[transA ? 0 : 1],
  ],
  Linear: ['products', linear],
  LinearGradInput: ['products', linear],
  LinearGradWeight: [
    'products',
    ({ inputs: [dy], outputs: [dw] }) => 2 * sizeOf(dw.shape) * sizeOf(dy.shape.slice(0, -1)),
  ],
  // the logits, and their derivative times W
  LinearLogSumExp: ['products', ({ inputs: [x, weight] }) => 4 * x.shape[0] * sizeOf(weight.shape)],
  Attention: ['products', attention],
  // scores again, dv, d(scores), dq, dk
  AttentionGrad: ['products', (node) => 2.5 * attention(node)],
  Conv: ['convolutions', convolution],
  ConvTranspose: [
    'convolutions',
    ({ inputs: [x, weight] }) => 2 * sizeOf(x.shape) * sizeOf(weight.shape.slice(1)),
  ],
  ConvGradInput: [
    'convolutions',
    ({ inputs: [dy, weight] }) => 2 * sizeOf(dy.shape) * sizeOf(weight.shape.slice(1)),
  ],
  ConvGradWeight: [
    'convolutions',
    ({ inputs: [dy], outputs: [dw] }) => 2 * sizeOf(dy.shape) * sizeOf(dw.shape.slice(1)),
  ],
};

/** Operators that move no bytes. */
const free: ReadonlySet<OpName> = new Set<OpName>(['Identity', 'Reshape']);

const bytesOf = ({ inputs, outputs }: Node): number =>
  [...inputs, ...outputs].reduce((sum, value) => sum + (value ? 4 * sizeOf(value.shape) : 0), 0);

export function flopsOf({ nodes }: Graph): Flops {
  const sum = { products: 0, convolutions: 0, rest: 0 };
  for (const node of nodes) {
    const row = counted[node.op];
    // the row's function takes a node of its own operator, which TypeScript does not see
    if (row) sum[row[0]] += (row[1] as (node: Node) => number)(node);
    else if (!free.has(node.op)) sum.rest += bytesOf(node);
  }
  return sum;
}
