// Runs the tests: all *.test.ts files, or those named (files or folders). Type check and lint are
// tests too: test/quality.test.ts.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folders = ['test', 'src', 'models'].map((name) => join(root, name));

function testsIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(path, name));
}

const named = process.argv.slice(2).map((path) => resolve(path));
const missing = named.filter((path) => !existsSync(path));
if (missing.length > 0) {
  console.error(`no such test: ${missing.join(', ')}`);
  process.exit(1);
}
const files = (named.length > 0 ? named : folders)
  .flatMap(testsIn)
  .map((path) => relative(root, path));
if (files.length === 0) {
  console.error('no *.test.ts file there');
  process.exit(1);
}
const before = ['tsx', './scripts/assert-ok.mjs'].flatMap((module) => ['--import', module]);
const args = [...before, '--test', '--test-reporter=spec'];
// Node before 20.10 lacks the option and runs one file fewer at a time than it has cores.
if (!process.versions.node.startsWith('20.9.')) args.push('--test-concurrency=2');
// What the tests compare has no colours, whatever the surroundings ask for.
const { FORCE_COLOR: _, ...env } = process.env;
spawn(process.execPath, [...args, ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...env, NO_COLOR: '1' },
}).on('exit', (code, signal) => {
  process.exit(signal === null ? code : 1);
});
