import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from '../graph/builder.ts';
import { fromFloat32 } from '../tensor/half.ts';
import { float32, int32 } from '../tensor/tensor.ts';
import { lower } from './lowering.ts';
import { cpuRuntime } from './runtime.ts';
import { cpu } from './onnxruntime/cpu.ts';

test('rows of an embedding in half precision are gathered before they are cast', async () => {
  for (const dtype of ['float16', 'bfloat16'] as const) {
    const g = new Builder('embedding');
    const table = g.parameter('table', [5, 3]);
    g.output('y', g.gather(table, g.input('ids', 'int32', [2, 2])));
    const graph = g.finish();
    const weights = new Map([
      [
        'table',
        fromFloat32(
          float32(
            [5, 3],
            Array.from({ length: 15 }, (_, i) => i - 7),
          ),
          dtype,
        ),
      ],
    ]);
    const nodes = lower(graph, weights, cpu).nodes.map(({ type, inputs }) => [type, inputs[0]]);
    assert.deepEqual(nodes[0], ['Gather', `table~${dtype}`]);
    const program = await cpuRuntime(1).compile(graph, { weights });
    const { y } = await program.run({ ids: int32([2, 2], [4, 0, 0, 2]) });
    await program.release();
    assert.deepEqual([...y.data], [5, 6, 7, -7, -6, -5, -7, -6, -5, -1, 0, 1]);
  }
});
