import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../../graph/builder.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { lowerComposites } from '../../graph/passes/lower-composites.ts';
import { float32, type Shape, type Tensor } from '../../tensor/tensor.ts';
import { normals } from '../../util/philox.ts';
import { lower } from '../lowering.ts';
import { cpuRuntime } from '../runtime.ts';
import { cpu } from './cpu.ts';

interface Case {
  /** Shapes of the inputs. */
  readonly shapes: readonly Shape[];
  readonly build: (g: Builder, ...inputs: Value[]) => Value;
  /** The kernel that must be used. */
  readonly kernel: string;
  /** Greatest difference from the decomposition, of numbers near 1 in float32. */
  readonly tolerance: number;
}

const heads = { q_num_heads: 2, kv_num_heads: 2, scale: 0.5, is_causal: false };

const cases: Readonly<Record<string, Case>> = {
  'linear, bias': {
    shapes: [[2, 3, 8], [4, 8], [4]],
    build: (g, x, w, b) => g.linear(x, w, b),
    kernel: 'Gemm',
    tolerance: 2e-6,
  },
  'linear, no bias': {
    shapes: [
      [3, 8],
      [4, 8],
    ],
    build: (g, x, w) => g.linear(x, w),
    kernel: 'Gemm',
    tolerance: 2e-6,
  },
  'linear, dx': {
    shapes: [
      [2, 3, 4],
      [4, 8],
    ],
    build: (g, dy, w) => g.add1('LinearGradInput', [dy, w], {}),
    kernel: 'Gemm',
    tolerance: 2e-6,
  },
  'linear, dw': {
    shapes: [
      [2, 3, 4],
      [2, 3, 8],
    ],
    build: (g, dy, x) => g.add1('LinearGradWeight', [dy, x], {}),
    kernel: 'Gemm',
    tolerance: 2e-6,
  },
  gelu: { shapes: [[4, 33]], build: (g, x) => g.gelu(x), kernel: 'Gelu', tolerance: 1e-6 },
  'gelu, tanh': {
    shapes: [[4, 33]],
    build: (g, x) => g.gelu(x, 'tanh'),
    kernel: 'Gelu',
    tolerance: 1e-6,
  },
  swish: { shapes: [[4, 33]], build: (g, x) => g.swish(x), kernel: 'QuickGelu', tolerance: 1e-6 },
  'swish, alpha': {
    shapes: [[4, 33]],
    build: (g, x) => g.swish(x, 1.702),
    kernel: 'QuickGelu',
    tolerance: 1e-6,
  },
  'layer norm': {
    shapes: [[2, 3, 16], [16], [16]],
    build: (g, x, s, b) => g.layerNorm(x, s, b, 1e-5),
    kernel: 'LayerNormalization',
    tolerance: 5e-6,
  },
  'rms norm': {
    shapes: [[2, 3, 16], [16]],
    build: (g, x, s) => g.rmsNorm(x, s, 1e-5),
    kernel: 'RMSNormalization',
    tolerance: 5e-6,
  },
  'group norm': {
    shapes: [[2, 6, 4, 5], [6], [6]],
    build: (g, x, s, b) => g.groupNorm(x, s, b, 3, 1e-5),
    kernel: 'InstanceNormalization',
    tolerance: 5e-6,
  },
  rotary: {
    shapes: [
      [2, 5, 16],
      [5, 3],
      [5, 3],
    ],
    build: (g, x, cos, sin) =>
      g.add1('RotaryEmbedding', [x, cos, sin], { num_heads: 2, interleaved: false }),
    kernel: 'RotaryEmbedding',
    tolerance: 1e-6,
  },
  'rotary, interleaved, per sample': {
    shapes: [
      [2, 5, 16],
      [2, 5, 4],
      [2, 5, 4],
    ],
    build: (g, x, cos, sin) =>
      g.add1('RotaryEmbedding', [x, cos, sin], { num_heads: 2, interleaved: true }),
    kernel: 'RotaryEmbedding',
    tolerance: 1e-6,
  },
  attention: {
    shapes: [
      [2, 7, 16],
      [2, 9, 16],
      [2, 9, 12],
    ],
    build: (g, q, k, v) => g.attention(q, k, v, heads),
    kernel: 'MultiHeadAttention',
    tolerance: 5e-6,
  },
  'attention, causal': {
    shapes: [
      [2, 7, 16],
      [2, 7, 16],
      [2, 7, 16],
    ],
    build: (g, q, k, v) => g.attention(q, k, v, { ...heads, is_causal: true }),
    kernel: 'Softmax',
    tolerance: 0,
  },
  'attention, masked': {
    shapes: [
      [2, 7, 16],
      [2, 9, 16],
      [2, 9, 16],
      [7, 9],
    ],
    build: (g, q, k, v, mask) => g.attention(q, k, v, heads, mask),
    kernel: 'Softmax',
    tolerance: 0,
  },
  'attention, shared keys': {
    shapes: [
      [2, 7, 16],
      [2, 7, 8],
      [2, 7, 8],
    ],
    build: (g, q, k, v) => g.attention(q, k, v, { ...heads, kv_num_heads: 1 }),
    kernel: 'Softmax',
    tolerance: 0,
  },
};

async function run(graph: Graph, inputs: Record<string, Tensor>): Promise<Tensor> {
  const program = await cpuRuntime(1).compile(graph, { weights: new Map() });
  const { y } = await program.run(inputs);
  await program.release();
  return y;
}

for (const [name, { shapes, build, kernel, tolerance }] of Object.entries(cases)) {
  test(`${name}: ${kernel} equals the decomposition`, async () => {
    const g = new Builder('case');
    g.output('y', build(g, ...shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape))));
    const graph = g.finish();
    assert.ok(lower(graph, new Map(), cpu).nodes.some(({ type }) => type === kernel));
    const inputs = Object.fromEntries(
      graph.inputs.map(({ name, shape }, i) => [
        name,
        float32(shape, normals(1, i, new Float32Array(shape.reduce((a, b) => a * b)))),
      ]),
    );
    const [whole, parts] = [
      await run(graph, inputs),
      await run(lowerComposites(graph, () => false).graph, inputs),
    ];
    assert.deepEqual(whole.shape, parts.shape);
    const worst = Math.max(
      ...Array.from({ length: whole.data.length }, (_, i) =>
        Math.abs(Number(whole.data[i]) - Number(parts.data[i])),
      ),
    );
    assert.ok(worst <= tolerance, `differs by ${worst}`);
  });
}
