// Installs what is missing, builds when the sources are newer, then runs the command line in this
// process.
const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const root = join(__dirname, '..');
const at = (path) => join(root, path);
const packagesIn = (path) => JSON.parse(readFileSync(at(path), 'utf8')).packages;

/**
 * True when node_modules holds what package-lock.json names (packages of other platforms aside).
 */
function isInstalled() {
  if (!existsSync(at('node_modules/.package-lock.json'))) return false;
  const installed = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(
    ([path, { version, optional }]) =>
      path === '' || (installed[path] ? installed[path].version === version : optional),
  );
}

function install() {
  process.stderr.write('Installing packages (only the first time) …\n');
  const options = { cwd: root, encoding: 'utf8', shell: process.platform === 'win32' };
  const { status, stdout, stderr, error } = spawnSync(
    'npm',
    ['ci', '--include=dev', '--no-fund', '--no-audit'],
    options,
  );
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}`);
  process.stderr.write(
    '\nnpm ci failed: see above. Is there a network connection, and is npm on the PATH?\n',
  );
  process.exit(1);
}

function notBuilt({ message }) {
  process.stderr.write(`lora could not be built: ${message}\n`);
  process.stderr.write('Free some space on the disk (or raise ulimit -f), and run it again.\n');
  process.exit(1);
}

async function main() {
  if (!isInstalled()) install();
  const { isFresh, build } = await import(pathToFileURL(at('scripts/build.mjs')).href);
  if (!isFresh()) await build().catch(notBuilt);
  await import(pathToFileURL(at('dist/cli.js')).href);
}

/** A system that lets a process open only a few files cannot even load it. */
function isStarved({ code }) {
  return code === 'EMFILE' || code === 'ENFILE';
}

main().catch((error) => {
  if (isStarved(error)) {
    process.stderr.write(`lora cannot be started: too many files are open (${error.message})\n`);
    process.stderr.write(
      'Raise the limit (ulimit -n 4096; its hard limit too), and run it again.\n',
    );
    process.exit(1);
  }
  process.stderr.write(`${error.stack}\n`);
  process.exit(70);
});
