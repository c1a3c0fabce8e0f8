// Opening a graphics card leaves the terminal alone.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { graphicsAdapters } from '../adapters.ts';

const { adapters, missing } = await graphicsAdapters();

test(
  'on a server without a screen two errors about XDG_RUNTIME_DIR stood on the terminal',
  { skip: adapters.length === 0 && missing?.found },
  () => {
    const { XDG_RUNTIME_DIR: _, ...env } = process.env;
    const script = `
      import { openRuntime } from './src/runtime/runtime.ts';
      await (await openRuntime({ device: 'webgpu' })).release();`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { env, encoding: 'utf8' },
    );
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  },
);
