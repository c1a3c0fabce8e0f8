// What each operator becomes in ONNX Runtime on a CPU: nodes of its own, or its decomposition.

import type { Node, NodeOf, Value } from '../../graph/graph.ts';
import { dtypes } from '../../tensor/dtype.ts';
import { sizeOf, type Shape } from '../../tensor/tensor.ts';
import type { Emission, Emissions } from '../emission.ts';
import type { Emitter } from '../emitter.ts';
import { float, int, ints, type Attribute } from '../onnx-model.ts';

/** An operator that ONNX has under the same name, with the same inputs. */
const same = (e: Emitter, node: Node): void => e.node(node.op, node.inputs, node.outputs);

const withAxis = (e: Emitter, node: NodeOf<'Concat' | 'Gather' | 'Softmax' | 'LogSoftmax'>): void =>
  e.node(node.op, node.inputs, node.outputs, { axis: int(node.attributes.axis) });

const reduce = (e: Emitter, node: NodeOf<'ReduceSum' | 'ReduceMean' | 'ReduceMax'>): void =>
  e.node(node.op, [node.inputs[0], e.ints(node.attributes.axes)], node.outputs, {
    keepdims: int(node.attributes.keepdims),
  });

/** Numbers in a row from which on they are summed in blocks. */
const LONG_ROW = 8192;

/**
 * ONNX Runtime adds many numbers to one another in float32: over a vocabulary of 49,152 it is wrong
 * by 9e-6, a sum of sums by 2e-6, and faster.
 */
function reduceSum(e: Emitter, node: NodeOf<'ReduceSum'>): void {
  const [x] = node.inputs;
  const { shape, dtype } = x;
  const { axes } = node.attributes;
  const width = shape[shape.length - 1];
  if (axes.length !== 1 || axes[0] !== shape.length - 1 || width < LONG_ROW) return reduce(e, node);
  const block = divisorNearRoot(width);
  const blocks: Shape = [...shape.slice(0, -1), width / block, block];
  const sums = e.temporary(
    'ReduceSum',
    [e.reshaped(x.name, shape, blocks), e.ints([shape.length])],
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

export function slice(e: Emitter, { inputs: [x], attributes, outputs }: NodeOf<'Slice'>): void {
  const { starts, ends, axes, steps } = attributes;
  e.node('Slice', [x, e.ints(starts), e.ints(ends), e.ints(axes), e.ints(steps)], outputs);
}

/** ONNX wants int64 indices here; ours are int32 wherever a GPU may run. */
function scatterND(e: Emitter, { inputs, outputs }: NodeOf<'ScatterND'>): void {
  const [data, indices, updates] = inputs;
  const wide =
    indices.dtype === 'int64'
      ? indices
      : e.temporary(
          'Cast',
          [indices],
          { dtype: 'int64', shape: indices.shape },
          { to: int(dtypes.int64.onnx) },
        );
  e.node('ScatterND', [data, wide, updates], outputs, { reduction: { string: 'add' } });
}

function resize(e: Emitter, { inputs: [x], attributes, outputs }: NodeOf<'Resize'>): void {
  const { scale } = attributes;
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
  const strings = Object.entries(modes).map(([key, string]) => [key, { string }]);
  e.node('Resize', [x, undefined, scales], outputs, Object.fromEntries(strings));
}

export const convAttributes = ({
  strides,
  pads,
}: {
  strides: readonly number[];
  pads: readonly number[];
}) => ({ strides: ints(strides), pads: ints(pads) });

const rows = (shape: Shape): Shape => [sizeOf(shape.slice(0, -1)), ...shape.slice(-1)];

/** Gemm over all leading axes of x, whose result takes the shape of y. */
function gemmOverRows(
  e: Emitter,
  [x, weight, bias]: readonly [Value, Value, (Value | undefined)?],
  y: Value,
  attributes: Readonly<Record<string, Attribute>>,
): void {
  const inputs = [e.reshaped(x.name, x.shape, rows(x.shape)), weight, bias];
  if (y.shape.length === 2) return e.node('Gemm', inputs, [y], attributes);
  const product = e.temporary('Gemm', inputs, { dtype: y.dtype, shape: rows(y.shape) }, attributes);
  e.node('Reshape', [product, e.ints(y.shape)], [y]);
}

function linearGradWeight(e: Emitter, node: NodeOf<'LinearGradWeight'>): void {
  const flat = node.inputs.map(({ name, shape }) => e.reshaped(name, shape, rows(shape)));
  e.node('Gemm', flat, node.outputs, { transA: int(1) });
}

/** Normalises each group with InstanceNormalization, then scales each channel. */
function groupNormalization(e: Emitter, node: NodeOf<'GroupNormalization'>): void {
  const [x, scale, bias] = node.inputs;
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
  const [factor, term] = [scale, bias].map(({ name }) => e.reshaped(name, [channels], perChannel));
  const scaled = e.temporary('Mul', [e.reshaped(unit, grouped, x.shape), factor], type);
  e.node('Add', [scaled, term], node.outputs);
}

/** LayerNormalization with a scale of ones, for its first and third output. */
function standardize(
  e: Emitter,
  { inputs: [x], attributes, outputs }: NodeOf<'Standardize'>,
): void {
  const { shape, dtype } = x;
  const [xhat, rstd] = outputs;
  const mean = { name: `${xhat.name}~mean`, dtype, shape: rstd.shape };
  e.node('LayerNormalization', [x, e.floats(shape.slice(-1), 1)], [xhat, mean, rstd], {
    axis: int(-1),
    epsilon: float(attributes.epsilon),
  });
}

/** Needs cos and sin per sample where no position ids are given. */
function rotaryEmbedding(e: Emitter, node: NodeOf<'RotaryEmbedding'>): void {
  const [x, cos, sin] = node.inputs;
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
  e.node('RotaryEmbedding', [x, perSample(cos), perSample(sin)], node.outputs, attributes);
}

/** com.microsoft.MultiHeadAttention is a flash kernel on CPUs where nothing is masked or capped. */
const attention: Emission<'Attention'> = {
  when: ({ inputs: [, , , mask], attributes: a }) =>
    mask === undefined &&
    !a.is_causal &&
    a.softcap === undefined &&
    a.q_num_heads === a.kv_num_heads,
  emit: (e, node) => {
    const { q_num_heads, scale } = node.attributes;
    const attributes = { num_heads: int(q_num_heads), scale: float(scale) };
    e.node(
      'MultiHeadAttention',
      node.inputs.slice(0, 3),
      node.outputs,
      attributes,
      'com.microsoft',
    );
  },
};

export const cpuEmissions: Emissions = {
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
    e.node('Cast', node.inputs, node.outputs, { to: int(dtypes[node.attributes.to].onnx) }),
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
    e.node('Reshape', [node.inputs[0], e.ints(node.attributes.shape)], node.outputs),
  Expand: (e, node) =>
    e.node('Expand', [node.inputs[0], e.ints(node.attributes.shape)], node.outputs),
  Transpose: (e, node) =>
    e.node('Transpose', node.inputs, node.outputs, { perm: ints(node.attributes.perm) }),
  Concat: withAxis,
  Slice: slice,
  Pad: (e, node) => e.node('Pad', [node.inputs[0], e.ints(node.attributes.pads)], node.outputs),
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
      node.inputs,
      node.outputs,
      { transA: int(transA), transB: int(transB), alpha: float(alpha) },
      'com.microsoft',
    );
  },
  Gemm: (e, node) =>
    e.node('Gemm', node.inputs, node.outputs, {
      transA: int(node.attributes.transA),
      transB: int(node.attributes.transB),
    }),
  Conv: (e, node) => e.node('Conv', node.inputs, node.outputs, convAttributes(node.attributes)),
  ConvTranspose: (e, node) =>
    e.node('ConvTranspose', node.inputs, node.outputs, {
      ...convAttributes(node.attributes),
      output_padding: ints(node.attributes.output_padding),
    }),
  Linear: (e, { inputs, outputs: [y] }) => gemmOverRows(e, inputs, y, { transB: int(1) }),
  LinearGradInput: (e, { inputs, outputs: [dx] }) => gemmOverRows(e, inputs, dx, {}),
  LinearGradWeight: linearGradWeight,
  LinearLogSumExp: 'decompose',
  ConvGradInput: 'decompose',
  ConvGradWeight: 'decompose',
  Gelu: (e, node) =>
    e.node('Gelu', node.inputs, node.outputs, {
      approximate: { string: node.attributes.approximate },
    }),
  GeluGrad: 'decompose',
  Swish: (e, node) =>
    e.node(
      'QuickGelu',
      node.inputs,
      node.outputs,
      { alpha: float(node.attributes.alpha) },
      'com.microsoft',
    ),
  SwishGrad: 'decompose',
  Standardize: standardize,
  LayerNormalization: (e, node) =>
    e.node('LayerNormalization', node.inputs, node.outputs, {
      axis: int(-1),
      epsilon: float(node.attributes.epsilon),
    }),
  LayerNormalizationGrad: 'decompose',
  GroupNormalization: groupNormalization,
  GroupNormalizationGrad: 'decompose',
  RMSNormalization: (e, node) =>
    e.node('RMSNormalization', node.inputs, node.outputs, {
      axis: int(-1),
      epsilon: float(node.attributes.epsilon),
    }),
  RMSNormalizationGrad: 'decompose',
  RotaryEmbedding: rotaryEmbedding,
  Attention: attention,
  AttentionGrad: 'decompose',
};
