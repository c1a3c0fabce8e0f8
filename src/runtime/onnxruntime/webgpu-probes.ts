// What a graphics card can do, tried with the smallest graphs: the provider tells nothing of it.

import { dtypes, type DType } from '../../tensor/dtype.ts';
import { float32, int32, tensor, zeros, type Tensor } from '../../tensor/tensor.ts';
import type { Session } from '../backend.ts';
import type { OnnxGraph, OnnxInitializer, OnnxNode } from '../onnx-model.ts';
import { isLost } from './failures.ts';

type Open = (graph: OnnxGraph) => Promise<Session>;

/** Whether it casts from float16, as weights of half precision are. */
export async function hasHalfPrecision(open: Open): Promise<boolean> {
  const to = { to: { int: dtypes.float32.onnx } };
  const graph = nodeGraph('float16', { type: 'Cast', attributes: to });
  return succeeds(() => runOnce(open, graph, zeros('float16', [1])));
}

/** Sizes that devices have, from what every device of WebGPU has on, in MiB. */
const SIZES = [128, 256, 512, 1024, 2048, 4095];

/**
 * The largest of some sizes of which a tensor can be computed: bytes. `memory`: of the card, in
 * bytes, or as much as it may take; no more than a quarter of it is tried, since what a tensor is
 * computed from needs room, and so do other programs.
 */
export async function largestTensor(open: Open, memory: number): Promise<number> {
  let [largest] = SIZES;
  for (const size of SIZES.slice(1).filter((size) => size * 2 ** 20 <= memory / 4)) {
    if (!(await succeeds(() => runOnce(open, filled(size * 2 ** 18), float32([1], [1]))))) break;
    largest = size;
  }
  return largest * 2 ** 20;
}

async function runOnce(open: Open, graph: OnnxGraph, x: Tensor): Promise<void> {
  const session = await open(graph);
  try {
    await session.run({ x }, ['y']);
  } finally {
    await session.release();
  }
}

/** A card that is lost can do nothing any more: that is thrown. */
async function succeeds(run: () => Promise<void>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (isLost(error)) throw error;
    return false;
  }
}

/** y = one node of x [1]. */
const nodeGraph = (dtype: DType, node: Partial<OnnxNode>): OnnxGraph =>
  graphOf(dtype, [onnxNode({ inputs: ['x'], outputs: ['y'], ...node })]);

/** The last of so many numbers, all of them in memory. */
const filled = (count: number): OnnxGraph =>
  graphOf(
    'float32',
    [
      onnxNode({ type: 'Expand', inputs: ['x', 'shape'], outputs: ['many'] }),
      onnxNode({ type: 'Gather', inputs: ['many', 'first'], outputs: ['y'] }),
    ],
    [
      { name: 'shape', tensor: tensor('int64', [1], BigInt64Array.of(BigInt(count))) },
      { name: 'first', tensor: int32([1], [count - 1]) },
    ],
  );

const graphOf = (
  dtype: DType,
  nodes: OnnxNode[],
  initializers: OnnxInitializer[] = [],
): OnnxGraph => ({
  name: 'probe',
  inputs: [{ name: 'x', dtype, shape: [1] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
  initializers,
  nodes,
});

const onnxNode = (node: Partial<OnnxNode>): OnnxNode => ({
  name: node.outputs?.[0] ?? 'y',
  type: 'Identity',
  domain: '',
  inputs: [],
  outputs: [],
  attributes: {},
  ...node,
});
