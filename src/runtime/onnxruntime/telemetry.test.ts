import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

/** A first session of ONNX Runtime in a process of its own. Returns the files that it left. */
function filesLeft(t: TestContext, script: string): string[] {
  const home = mkdtempSync(join(tmpdir(), 'lora-home-'));
  t.after(() => rmSync(home, { recursive: true }));
  // ONNX Runtime is silent where CI runs, or its own tests
  const { CI: _, GITHUB_ACTIONS: __, ORT_RUNNING_UNIT_TESTS: ___, ...env } = process.env;
  delete env.ORT_DISABLE_TELEMETRY;
  const homes = { HOME: home, USERPROFILE: home, XDG_CACHE_HOME: join(home, 'cache') };
  execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    env: { ...env, ...homes },
    stdio: 'pipe',
  });
  const left = readdirSync(home, { recursive: true, encoding: 'utf8' });
  return left.filter((name) => /onnxruntime|microsoft/i.test(name));
}

const compile = `
  import { Builder } from './src/graph/builder.ts';
  import { openRuntime } from './src/runtime/runtime.ts';
  const g = new Builder('one');
  g.output('y', g.sqrt(g.input('x', 'float32', [1])));
  const runtime = await openRuntime();
  const program = await runtime.compile(g.finish(), { weights: new Map() });
  await program.release();
  await runtime.release();`;

test('ONNX Runtime keeps no id of the machine and reports nothing to Microsoft', (t) => {
  assert.deepEqual(filesLeft(t, compile), []);
});
