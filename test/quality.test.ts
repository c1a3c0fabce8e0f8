// The types check, the lint rules hold, the law of imports holds: each a command that must find
// nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';

const root = new URL('..', import.meta.url);

function run(
  script: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [`node_modules/${script}`, ...args], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('close', (code) => resolve({ code, output }));
  });
}

const checks = {
  'types (tsc)': run.bind(null, 'typescript/bin/tsc', [
    '--noEmit',
    '--incremental',
    '--tsBuildInfoFile',
    '.cache/tsc.json',
  ]),
  'format (prettier)': run.bind(null, 'prettier/bin/prettier.cjs', [
    '--check',
    '--cache',
    '--cache-location=.cache/prettier',
    '.',
  ]),
  'lint (eslint)': run.bind(null, 'eslint/bin/eslint.js', [
    '.',
    '--cache',
    '--cache-location',
    '.cache/eslint',
  ]),
  'law of imports (dependency-cruiser)': run.bind(
    null,
    'dependency-cruiser/bin/dependency-cruise.mjs',
    ['src', '--config', '.dependency-cruiser.cjs'],
  ),
};

for (const [name, check] of Object.entries(checks)) {
  test(name, async () => {
    const { code, output } = await check();
    assert.ok(code === 0, output);
  });
}
