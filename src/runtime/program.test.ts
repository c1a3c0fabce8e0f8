import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { InternalError } from '../errors.ts';
import { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import {
  float32,
  int32,
  sizeOf,
  tensor,
  type ExternalTensor,
  type Shape,
  type Tensor,
} from '../tensor/tensor.ts';
import { cpuRuntime, type Runtime } from './runtime.ts';
import { testOnEach, testedBackends } from './testing/backends.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'runtime-')));
after(() => rmSync(folder, { recursive: true }));
const backends = await testedBackends();

const ramp = (shape: Shape, scale = 0.1) =>
  float32(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + 1) * scale * 10),
  );

async function runGraph(
  runtime: Runtime,
  build: (g: Builder) => Record<string, Value>,
  inputs: Record<string, Tensor> = {},
  weights = new Map<string, Tensor | ExternalTensor>(),
) {
  const g = new Builder('test');
  for (const [name, value] of Object.entries(build(g))) g.output(name, value);
  const program = await runtime.compile(g.finish(), { weights });
  const results = await program.run(inputs);
  await program.release();
  return results;
}

const close = (actual: Tensor, expected: readonly number[], tolerance: number) => {
  assert.equal(actual.data.length, expected.length);
  expected.forEach((value, i) =>
    assert.ok(
      Math.abs(Number(actual.data[i]) - value) <= tolerance,
      `[${i}] ${actual.data[i]} is not ${value}`,
    ),
  );
};

testOnEach(backends, 'a linear layer equals its sum of products', async ({ runtime }) => {
  const [x, w, b] = [ramp([2, 3, 4]), ramp([5, 4], 0.2), ramp([5])];
  const { y } = await runGraph(
    runtime,
    (g) => ({
      y: g.linear(
        g.input('x', 'float32', [2, 3, 4]),
        g.parameter('w', [5, 4]),
        g.parameter('b', [5]),
      ),
    }),
    { x, b },
    new Map([['w', w]]),
  );
  assert.deepEqual(y.shape, [2, 3, 5]);
  const expected = Array.from({ length: 30 }, (_, i) => {
    const [row, out] = [Math.floor(i / 5), i % 5];
    return [0, 1, 2, 3].reduce(
      (sum, k) => sum + x.data[row * 4 + k] * w.data[out * 4 + k],
      b.data[out],
    );
  });
  close(y, expected, 1e-6); // float32 sums of 4 products near 1
});

test('packed weights give the same products, forward and backward, and need their file no more', async () => {
  const w = ramp([70, 33]);
  const path = join(folder, 'packed.bin');
  writeFileSync(path, w.data);
  const g = new Builder('products');
  const weight = g.parameter('w', [70, 33]);
  g.output('y', g.linear(g.input('x', 'float32', [5, 33]), weight));
  g.output('dx', g.add1('LinearGradInput', [g.input('dy', 'float32', [5, 70]), weight], {}));
  const inputs = { x: ramp([5, 33], 0.3), dy: ramp([5, 70], 0.2) };
  const results = [];
  for (const spare of [0, Infinity]) {
    const program = await cpuRuntime(2).compile(g.finish(), {
      weights: new Map([
        ['w', { dtype: 'float32', shape: [70, 33], path, offset: 0, length: w.data.byteLength }],
      ]),
      workload: { runs: 1000, spare },
    });
    // zeros, were it still mapped
    if (spare > 0) writeFileSync(path, new Float32Array(70 * 33), { flag: 'r+' });
    results.push(await program.run(inputs));
    await program.release();
  }
  for (const name of ['y', 'dx'])
    // sums of 70 products near 1, in another order
    close(results[1][name], Array.from(results[0][name].data, Number), 1e-5);
});

testOnEach(
  backends,
  'frozen weights are read from a file at any offset, in any float type',
  async ({ runtime }) => {
    const path = join(folder, '权重 1.bin');
    const values = [1, -2.5, 0.5, 3];
    const bf16 = Uint16Array.from(
      values,
      (v) => new Uint32Array(Float32Array.of(v).buffer)[0] >>> 16,
    );
    const f16 = Uint16Array.of(0x3c00, 0xc100, 0x3800, 0x4200);
    const f32 = Float32Array.from(values);
    const parts = [Buffer.alloc(7, 1), ...[bf16, f16, f32].map((a) => Buffer.from(a.buffer))];
    writeFileSync(path, Buffer.concat(parts));
    const external = (
      dtype: 'bfloat16' | 'float16' | 'float32',
      offset: number,
      length: number,
    ): ExternalTensor => ({ dtype, shape: [4], path, offset, length });
    const weights = new Map([
      ['b', external('bfloat16', 7, 8)],
      ['h', external('float16', 15, 8)],
      ['f', external('float32', 23, 16)],
    ]);
    const results = await runGraph(
      runtime,
      (g) => {
        const x = g.input('x', 'float32', [1]);
        return Object.fromEntries(
          [...weights.keys()].map((name) => [name, g.mul(g.parameter(name, [4]), x)]),
        );
      },
      { x: float32([1], [2]) },
      weights,
    );
    for (const name of weights.keys())
      assert.deepEqual(
        [...results[name].data],
        values.map((v) => 2 * v),
      );
  },
);

testOnEach(
  backends,
  'outputs may be inputs, parameters, constants, given twice, integer or boolean',
  async ({ runtime }) => {
    const results = await runGraph(
      runtime,
      (g) => {
        const [x, i] = [g.input('x', 'float32', [2]), g.input('i', 'int32', [2])];
        const less = g.less(x, 0);
        return {
          a: x,
          b: x,
          c: g.parameter('w', [1]),
          d: g.scalar(7),
          less,
          again: less,
          sum: g.add(i, i),
        };
      },
      { x: float32([2], [-1, 1]), i: int32([2], [3, 4]) },
      new Map([['w', float32([1], [9])]]),
    );
    assert.deepEqual(
      Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]])),
      { a: [-1, 1], b: [-1, 1], c: [9], d: [7], less: [1, 0], again: [1, 0], sum: [6, 8] },
    );
    assert.equal(results.less.dtype, 'bool');
  },
);

testOnEach(backends, 'rows are gathered and added back by int32 indices', async ({ runtime }) => {
  const { rows, sum } = await runGraph(
    runtime,
    (g) => {
      const [table, ids] = [g.parameter('table', [3, 2]), g.input('ids', 'int32', [2, 2])];
      const taken = g.gather(table, ids);
      return { rows: taken, sum: g.scatterND(table, g.reshape(ids, [2, 2, 1]), taken) };
    },
    { ids: int32([2, 2], [2, 0, 2, 2]), table: float32([3, 2], [1, 2, 3, 4, 5, 6]) },
  );
  assert.deepEqual([...rows.data], [5, 6, 1, 2, 5, 6, 5, 6]);
  assert.deepEqual([...sum.data], [2, 4, 3, 4, 20, 24]);
});

testOnEach(backends, 'enlarges, slices, pads and reduces', async ({ runtime }) => {
  const { big, back, padded, max } = await runGraph(
    runtime,
    (g) => {
      const x = g.input('x', 'float32', [1, 1, 2, 2]);
      return {
        big: g.resize(x, 2),
        back: g.slice(x, 3, -1, -(2 ** 31), -1),
        padded: g.pad(x, [0, 0, 1, 0, 0, 0, 0, 1]),
        max: g.reduceMax(x, [2]),
      };
    },
    { x: float32([1, 1, 2, 2], [1, 2, 3, 4]) },
  );
  assert.deepEqual([...big.data], [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  assert.deepEqual([...back.data], [2, 1, 4, 3]);
  assert.deepEqual([...padded.data], [0, 0, 0, 1, 2, 0, 3, 4, 0]);
  assert.deepEqual([...max.data], [3, 4]);
});

testOnEach(
  backends,
  'says which inputs are missing, unknown or of the wrong type',
  async ({ runtime }) => {
    const g = new Builder('net');
    g.output('y', g.mul(g.input('x', 'float32', [2]), g.parameter('layer.w', [2])));
    const program = await runtime.compile(g.finish(), { weights: new Map() });
    assert.deepEqual(program.inputNames, ['x', 'layer.w']);
    const expected = new InternalError(
      'net: x is float32 [3], not float32 [2]; layer.w is missing; z is not an input',
    );
    await assert.rejects(program.run({ x: ramp([3]), z: ramp([1]) }), expected);
    await program.release();
    const weights = new Map([['layer.w', tensor('float32', [1], new Float32Array(1))]]);
    await assert.rejects(
      runtime.compile(g.finish(), { weights }),
      /weight layer\.w is \[1\], not \[2\]/,
    );
  },
);

testOnEach(
  backends,
  'the same inputs give the same bits, in one session and in two',
  async ({ name, runtime }) => {
    const two = name === 'cpu' ? cpuRuntime(2) : runtime; // the processor with two threads
    const g = new Builder('net');
    const x = g.input('x', 'float32', [4, 8, 16, 16]);
    const h = g.swish(
      g.groupNorm(
        g.conv(x, g.parameter('w', [16, 8, 3, 3]), undefined, {
          strides: [1, 1],
          pads: [1, 1, 1, 1],
        }),
        g.parameter('s', [16]),
        g.parameter('b', [16]),
        4,
        1e-5,
      ),
    );
    g.output('y', h);
    g.output('mean', g.reduceMean(h, [0, 1, 2, 3]));
    const inputs = {
      x: ramp([4, 8, 16, 16]),
      w: ramp([16, 8, 3, 3]),
      s: ramp([16]),
      b: ramp([16]),
    };
    const graph = g.finish();
    const programs = await Promise.all(
      [0, 1].map(() => two.compile(graph, { weights: new Map() })),
    );
    const first = await programs[0].run(inputs);
    for (const program of [...programs, ...programs])
      assert.deepEqual(await program.run(inputs), first);
    for (const program of programs) await program.release();
  },
);
