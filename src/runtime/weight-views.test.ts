import assert from 'node:assert/strict';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import type { Value } from '../graph/graph.ts';
import { fromFloat32 } from '../tensor/half.ts';
import { byteLength, float32, type ExternalTensor, type Tensor } from '../tensor/tensor.ts';
import { lower } from './lowering.ts';
import { cpuRuntime } from './runtime.ts';
import { cpu } from './onnxruntime/cpu.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'weight-views-')));
after(() => rmSync(folder, { recursive: true }));

const [ROWS, WIDTH] = [6, 2];
const weight = float32(
  [ROWS, WIDTH],
  Array.from({ length: ROWS * WIDTH }, (_, i) => i / 4),
);

/** The weight behind three bytes of something else. */
function inFile(dtype: 'float32' | 'float16'): ExternalTensor {
  const { data } = fromFloat32(weight, dtype);
  const path = join(folder, dtype);
  writeFileSync(
    path,
    Buffer.concat([
      Buffer.alloc(3, 255),
      Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    ]),
  );
  return { dtype, shape: weight.shape, path, offset: 3, length: byteLength(dtype, weight.shape) };
}

function graphOf(part: (g: Builder, w: Value) => Value) {
  const g = new Builder('views');
  g.output(
    'y',
    g.linear(g.input('x', 'float32', [1, WIDTH]), part(g, g.parameter('w', [ROWS, WIDTH]))),
  );
  return g.finish();
}

const x = float32([1, WIDTH], [1, 10]);
const product = (rows: readonly number[]) =>
  rows.map((row) => weight.data[row * WIDTH] + 10 * weight.data[row * WIDTH + 1]);

async function check(
  part: (g: Builder, w: Value) => Value,
  w: Tensor | ExternalTensor,
  rows: readonly number[],
  slices: number,
) {
  const weights = new Map([['w', w]]);
  const graph = graphOf(part);
  assert.equal(
    lower(graph, weights, cpu).nodes.filter(({ type }) => type === 'Slice').length,
    slices,
  );
  const program = await cpuRuntime(1).compile(graph, { weights });
  assert.deepEqual([...(await program.run({ x })).y.data], product(rows));
  await program.release();
}

const middle = (g: Builder, w: Value) => g.slice(w, 0, 2, 5);

test('rows of a weight in a file are read where they lie', () =>
  check(middle, inFile('float32'), [2, 3, 4], 0));
test('also in half precision', () => check(middle, inFile('float16'), [2, 3, 4], 0));
test('also counted from the end', () =>
  check((g, w) => g.slice(w, 0, -2, 100), inFile('float32'), [4, 5], 0));
test('a weight in memory is sliced', () => check(middle, weight, [2, 3, 4], 1));
test('rows that are not neighbours are computed', () =>
  check((g, w) => g.slice(w, 0, 1, 6, 2), inFile('float32'), [1, 3, 5], 1));
test('columns are computed', () =>
  check(
    (g, w) => g.concat([g.slice(w, 1, 0, 1), g.slice(w, 1, 1, 2)], 1),
    inFile('float32'),
    [0, 1, 2, 3, 4, 5],
    2,
  ));
test('the same rows twice are one weight', () => {
  const graph = graphOf((g, w) => g.mul(middle(g, w), middle(g, w)));
  assert.deepEqual(
    lower(graph, new Map([['w', inFile('float32')]]), cpu).weights.map(({ name }) => name),
    ['w[2:5]'],
  );
});
