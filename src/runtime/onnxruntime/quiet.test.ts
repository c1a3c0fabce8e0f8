// ONNX Runtime leaves the terminal alone: where it opens a graphics card, and where a run fails,
// which is thrown.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { graphicsAdapters } from '../adapters.ts';

const { adapters, missing } = await graphicsAdapters();
const skip = adapters.length === 0 && missing?.found;

/** What a script prints, in a process of its own. */
function printed(script: string) {
  const { XDG_RUNTIME_DIR: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', script],
    { env, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}
const nothing = { status: 0, stdout: '', stderr: '' };

test(
  'on a server without a screen two errors about XDG_RUNTIME_DIR stood on the terminal',
  { skip },
  () => {
    const script = `
      import { openRuntime } from './src/runtime/runtime.ts';
      await (await openRuntime({ device: 'webgpu' })).release();`;
    assert.deepEqual(printed(script), nothing);
  },
);

for (const device of ['cpu', 'webgpu'])
  test(
    `a run on ${device} without enough memory printed ONNX Runtime's errors in red, too`,
    { skip: device === 'webgpu' && skip },
    () => {
      const script = `
        import { Builder } from './src/graph/builder.ts';
        import { openRuntime } from './src/runtime/runtime.ts';
        import { float32 } from './src/tensor/tensor.ts';
        const g = new Builder('large');
        const many = g.expand(g.input('x', 'float32', []), [2 ** 45]);
        g.output('y', g.slice(many, 0, 0, 1));
        const runtime = await openRuntime({ device: '${device}' });
        const program = await runtime.compile(g.finish(), { weights: new Map() });
        const failed = await program.run({ x: float32([], [1]) }).catch((error) => error);
        if (failed.name !== 'SystemError') throw failed;
        await runtime.release();`;
      assert.deepEqual(printed(script), nothing);
    },
  );
