// What each operator becomes in ONNX Runtime on a CPU: nodes of its own, or its decomposition.

import { InternalError } from '../errors.ts';
import type { Node, NodeOf } from '../graph/graph.ts';
import type { OpName } from '../graph/ops.ts';
import { dtypes } from '../tensor/dtype.ts';
import { sizeOf, type Shape } from '../tensor/tensor.ts';
import { inputOf, nameOf, type Emitter } from './emitter.ts';
import type { Attribute } from './onnx-model.ts';

type Emit<K extends OpName> = (e: Emitter, node: NodeOf<K>) => void;
interface Emission<K extends OpName> {
  readonly emit: Emit<K>;
  /** Whether ONNX Runtime has a kernel for this very node; if not, it is decomposed. */
  readonly when: (node: NodeOf<K>) => boolean;
}

/** Emits one node; composite operators without a kernel must have been decomposed before. */
export function emitNode(e: Emitter, node: Node): void {
  // The entry at `node.op` takes nodes of that operator; TypeScript cannot correlate them in the
  // union.
  const emission = emissions[node.op] as Emit<OpName> | Emission<OpName> | 'decompose';
  if (emission === 'decompose') throw new InternalError(`${node.op} reached the encoder whole`);
  e.begin(node);
  // As above.
  (typeof emission === 'function' ? emission : emission.emit)(e, node as NodeOf<OpName>);
}

/** Whether the runtime takes this node whole. */
export function hasKernel(node: Node): boolean {
  // As in emitNode.
  const emission = emissions[node.op] as Emit<OpName> | Emission<OpName> | 'decompose';
  if (typeof emission === 'object') return emission.when(node as NodeOf<OpName>); // as above
  return emission !== 'decompose';
}

const int = (value: number | boolean): Attribute => ({ int: Number(value) });
const ints = (values: readonly number[]): Attribute => ({ ints: values });
const float = (value: number): Attribute => ({ float: value });

/** An operator that ONNX has under the same name, with the same inputs. */
const same = (e: Emitter, node: Node): void =>
  e.node(
    node.op,
    node.inputs.map((value) => value?.name),
    node.outputs,
  );

const withAxis = (e: Emitter, node: NodeOf<'Concat' | 'Gather' | 'Softmax' | 'LogSoftmax'>): void =>
  e.node(
    node.op,
    node.inputs.map((value) => value?.name),
    node.outputs,
    { axis: int(node.attributes.axis) },
  );

const reduce = (e: Emitter, node: NodeOf<'ReduceSum' | 'ReduceMean' | 'ReduceMax'>): void =>
  e.node(node.op, [nameOf(node, 0), e.ints(node.attributes.axes)], node.outputs, {
    keepdims: int(node.attributes.keepdims),
  });

/** Numbers in a row from which on they are summed in blocks. */
const LONG_ROW = 8192;

/**
 * ONNX Runtime adds many numbers to one another in float32: over a vocabulary of 49,152 it is wrong
 * by 9e-6, a sum of sums by 2e-6, and faster.
 */
function reduceSum(e: Emitter, node: NodeOf<'ReduceSum'>): void {
  const { shape, dtype } = inputOf(node, 0);
  const { axes } = node.attributes;
  const width = shape[shape.length - 1];
  if (axes.length !== 1 || axes[0] !== shape.length - 1 || width < LONG_ROW) return reduce(e, node);
  const block = divisorNearRoot(width);
  const blocks: Shape = [...shape.slice(0, -1), width / block, block];
  const sums = e.temporary(
    'ReduceSum',
    [e.reshaped(nameOf(node, 0), shape, blocks), e.ints([shape.length])],
    { dtype, shape: blocks.slice(0, -1) },
    { keepdims: int(0) },
  );
  e.node('ReduceSum', [sums, e.ints(axes)], node.outputs, {
    keepdims: int(node.attributes.keepdims),
  });
}

function divisorNearRoot(width: number): number {
  let block = Math.floor(Math.sqrt(width));
  while (width % block !== 0) block--;
  return block;
}

function slice(e: Emitter, node: NodeOf<'Slice'>): void {
  const { starts, ends, axes, steps } = node.attributes;
  e.node(
    'Slice',
    [nameOf(node, 0), e.ints(starts), e.ints(ends), e.ints(axes), e.ints(steps)],
    node.outputs,
  );
}

/** ONNX wants int64 indices here; ours are int32 wherever a GPU may run. */
function scatterND(e: Emitter, node: NodeOf<'ScatterND'>): void {
  const indices = inputOf(node, 1);
  const wide =
    indices.dtype === 'int64'
      ? indices.name
      : e.temporary(
          'Cast',
          [indices.name],
          { dtype: 'int64', shape: indices.shape },
          { to: int(dtypes.int64.onnx) },
        );
  e.node('ScatterND', [nameOf(node, 0), wide, nameOf(node, 2)], node.outputs, {
    reduction: { string: 'add' },
  });
}

function resize(e: Emitter, node: NodeOf<'Resize'>): void {
  const { scale } = node.attributes;
  const scales = e.constant({
    dtype: 'float32',
    shape: [4],
    data: Float32Array.of(1, 1, scale, scale),
  });
  const modes = {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  };
  const attributes = Object.fromEntries(
    Object.entries(modes).map(([key, string]) => [key, { string }]),
  );
  e.node('Resize', [nameOf(node, 0), undefined, scales], node.outputs, attributes);
}

const convAttributes = ({
  strides,
  pads,
}: {
  strides: readonly number[];
  pads: readonly number[];
}) => ({ strides: ints(strides), pads: ints(pads) });

const rows = (shape: Shape): Shape => [sizeOf(shape.slice(0, -1)), ...shape.slice(-1)];

/** Gemm over all leading axes of `a`, whose result takes the node's shape. */
function gemmOverRows(
  e: Emitter,
  node: Node,
  a: number,
  attributes: Readonly<Record<string, Attribute>>,
): void {
  const x = inputOf(node, a);
  const [y] = node.outputs;
  const flat = e.reshaped(x.name, x.shape, rows(x.shape));
  const inputs = [flat, nameOf(node, 1), node.inputs[2]?.name];
  if (y.shape.length === 2) return e.node('Gemm', inputs, [y], attributes);
  const product = e.temporary('Gemm', inputs, { dtype: y.dtype, shape: rows(y.shape) }, attributes);
  e.node('Reshape', [product, e.ints(y.shape)], [y]);
}

function linearGradWeight(e: Emitter, node: NodeOf<'LinearGradWeight'>): void {
  const flat = [0, 1].map((i) =>
    e.reshaped(nameOf(node, i), inputOf(node, i).shape, rows(inputOf(node, i).shape)),
  );
  e.node('Gemm', flat, node.outputs, { transA: int(1) });
}

/** Normalises each group with InstanceNormalization, then scales each channel. */
function groupNormalization(e: Emitter, node: NodeOf<'GroupNormalization'>): void {
  const x = inputOf(node, 0);
  const { num_groups, epsilon } = node.attributes;
  const [n, channels] = x.shape;
  const grouped: Shape = [n, num_groups, sizeOf(x.shape) / n / num_groups];
  const type = { dtype: x.dtype, shape: x.shape };
  const flat = e.reshaped(x.name, x.shape, grouped);
  const unit = e.temporary(
    'InstanceNormalization',
    [flat, e.floats([num_groups], 1), e.floats([num_groups], 0)],
    { dtype: x.dtype, shape: grouped },
    { epsilon: float(epsilon) },
  );
  const perChannel: Shape = [channels, ...x.shape.slice(2).map(() => 1)];
  const scale = e.reshaped(nameOf(node, 1), [channels], perChannel);
  const bias = e.reshaped(nameOf(node, 2), [channels], perChannel);
  e.node(
    'Add',
    [e.temporary('Mul', [e.reshaped(unit, grouped, x.shape), scale], type), bias],
    node.outputs,
  );
}

/** LayerNormalization with a scale of ones, for its first and third output. */
function standardize(e: Emitter, node: NodeOf<'Standardize'>): void {
  const { shape, dtype } = inputOf(node, 0);
  const [xhat, rstd] = node.outputs;
  const mean = { name: `${xhat.name}~mean`, dtype, shape: rstd.shape };
  e.node(
    'LayerNormalization',
    [nameOf(node, 0), e.floats(shape.slice(-1), 1)],
    [xhat, mean, rstd],
    { axis: int(-1), epsilon: float(node.attributes.epsilon) },
  );
}

/** Needs cos and sin per sample where no position ids are given. */
function rotaryEmbedding(e: Emitter, node: NodeOf<'RotaryEmbedding'>): void {
  const [x, cos, sin] = [0, 1, 2].map((i) => inputOf(node, i));
  const { num_heads, interleaved } = node.attributes;
  const perSample = (table: typeof cos) => {
    const shape = [x.shape[0], ...table.shape.slice(-2)];
    if (table.shape.length === 3) return table.name;
    if (shape[0] === 1) return e.reshaped(table.name, table.shape, shape);
    return e.temporary('Expand', [table.name, e.ints(shape)], { dtype: table.dtype, shape });
  };
  const rotated = 2 * cos.shape[cos.shape.length - 1];
  const attributes = {
    num_heads: int(num_heads),
    interleaved: int(interleaved),
    rotary_embedding_dim: int(rotated),
  };
  e.node('RotaryEmbedding', [x.name, perSample(cos), perSample(sin)], node.outputs, attributes);
}

/** com.microsoft.MultiHeadAttention is a flash kernel on CPUs where nothing is masked or capped. */
const attention: Emission<'Attention'> = {
  when: ({ inputs, attributes: a }) =>
    inputs[3] === undefined &&
    !a.is_causal &&
    a.softcap === undefined &&
    a.q_num_heads === a.kv_num_heads,
  emit: (e, node) => {
    const { q_num_heads, scale } = node.attributes;
    const attributes = { num_heads: int(q_num_heads), scale: float(scale) };
    e.node(
      'MultiHeadAttention',
      [0, 1, 2].map((i) => nameOf(node, i)),
      node.outputs,
      attributes,
      'com.microsoft',
    );
  },
};

const emissions: { readonly [K in OpName]: Emit<K> | Emission<K> | 'decompose' } = {
  Identity: same,
  Neg: same,
  Abs: same,
  Sign: same,
  Exp: same,
  Log: same,
  Sqrt: same,
  Reciprocal: same,
  Sigmoid: same,
  Tanh: same,
  Erf: same,
  Sin: same,
  Cos: same,
  Cast: (e, node) =>
    e.node('Cast', [nameOf(node, 0)], node.outputs, { to: int(dtypes[node.attributes.to].onnx) }),
  Add: same,
  Sub: same,
  Mul: same,
  Div: same,
  Max: same,
  Min: same,
  Equal: same,
  Less: same,
  Greater: same,
  Where: same,
  Reshape: (e, node) =>
    e.node('Reshape', [nameOf(node, 0), e.ints(node.attributes.shape)], node.outputs),
  Expand: (e, node) =>
    e.node('Expand', [nameOf(node, 0), e.ints(node.attributes.shape)], node.outputs),
  Transpose: (e, node) =>
    e.node('Transpose', [nameOf(node, 0)], node.outputs, { perm: ints(node.attributes.perm) }),
  Concat: withAxis,
  Slice: slice,
  Pad: (e, node) => e.node('Pad', [nameOf(node, 0), e.ints(node.attributes.pads)], node.outputs),
  Gather: withAxis,
  ScatterND: scatterND,
  Resize: resize,
  ReduceSum: reduceSum,
  ReduceMean: reduce,
  ReduceMax: reduce,
  Softmax: withAxis,
  LogSoftmax: withAxis,
  MatMul: same,
  FusedMatMul: (e, node) => {
    const { transA, transB, alpha } = node.attributes;
    e.node(
      'FusedMatMul',
      [nameOf(node, 0), nameOf(node, 1)],
      node.outputs,
      { transA: int(transA), transB: int(transB), alpha: float(alpha) },
      'com.microsoft',
    );
  },
  Gemm: (e, node) =>
    e.node(
      'Gemm',
      node.inputs.map((value) => value?.name),
      node.outputs,
      { transA: int(node.attributes.transA), transB: int(node.attributes.transB) },
    ),
  Conv: (e, node) =>
    e.node(
      'Conv',
      node.inputs.map((value) => value?.name),
      node.outputs,
      convAttributes(node.attributes),
    ),
  ConvTranspose: (e, node) =>
    e.node('ConvTranspose', [nameOf(node, 0), nameOf(node, 1)], node.outputs, {
      ...convAttributes(node.attributes),
      output_padding: ints(node.attributes.output_padding),
    }),
  Linear: (e, node) => gemmOverRows(e, node, 0, { transB: int(1) }),
  LinearGradInput: (e, node) => gemmOverRows(e, node, 0, {}),
  LinearGradWeight: linearGradWeight,
  LinearLogSumExp: 'decompose',
  ConvGradInput: 'decompose',
  ConvGradWeight: 'decompose',
  Gelu: (e, node) =>
    e.node('Gelu', [nameOf(node, 0)], node.outputs, {
      approximate: { string: node.attributes.approximate },
    }),
  GeluGrad: 'decompose',
  Swish: (e, node) =>
    e.node(
      'QuickGelu',
      [nameOf(node, 0)],
      node.outputs,
      { alpha: float(node.attributes.alpha) },
      'com.microsoft',
    ),
  SwishGrad: 'decompose',
  Standardize: standardize,
  LayerNormalization: (e, node) =>
    e.node(
      'LayerNormalization',
      [0, 1, 2].map((i) => nameOf(node, i)),
      node.outputs,
      { axis: int(-1), epsilon: float(node.attributes.epsilon) },
    ),
  LayerNormalizationGrad: 'decompose',
  GroupNormalization: groupNormalization,
  GroupNormalizationGrad: 'decompose',
  RMSNormalization: (e, node) =>
    e.node(
      'RMSNormalization',
      [0, 1].map((i) => nameOf(node, i)),
      node.outputs,
      { axis: int(-1), epsilon: float(node.attributes.epsilon) },
    ),
  RMSNormalizationGrad: 'decompose',
  RotaryEmbedding: rotaryEmbedding,
  Attention: attention,
  AttentionGrad: 'decompose',
};
