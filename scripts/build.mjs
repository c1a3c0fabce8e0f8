// Bundles the product into dist/. Does nothing when dist/ is newer than the sources.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** What is bundled: output name -> source. A worker or child process has an entry of its own. */
const entryPoints = {
  index: 'src/index.ts',
  cli: 'src/cli/main.ts',
  'train-worker': 'src/train/train-worker.ts',
};

/** Newest modification time among the files under `path`. */
function newest(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(
    info.mtimeMs, // a deleted file shows here
    ...readdirSync(path).map((name) => newest(join(path, name))),
  );
}

/** True when every output exists and none is older than a source. */
export function isFresh() {
  const paths = Object.keys(entryPoints).map((name) => join(root, `dist/${name}.js`));
  if (!paths.every(existsSync)) return false;
  const sources = ['src', 'scripts/build.mjs', 'package.json', 'tsconfig.json'].map((name) =>
    newest(join(root, name)),
  );
  return Math.min(...paths.map((path) => statSync(path).mtimeMs)) >= Math.max(...sources);
}

/** A bundle that a full disk cut off must not be taken for a fresh one. */
function writeWhole(path, contents) {
  const partial = `${path}.part`;
  try {
    writeFileSync(partial, contents);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw new Error(`${path} cannot be written: ${error.message}`, { cause: error });
  }
}

export async function build() {
  const esbuild = await import('esbuild');
  // of a packing that broke off: it would hide the installed one
  rmSync(join(root, 'dist/node_modules'), { recursive: true, force: true });
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints,
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.9',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    write: false,
  });
  mkdirSync(join(root, 'dist'), { recursive: true });
  for (const { path, contents } of outputFiles) writeWhole(path, contents);
  await esbuild.stop();
}

/** The declarations, into dist/types/. */
export function buildTypes() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the declarations could not be made: see the messages above');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (!isFresh()) await build();
}
