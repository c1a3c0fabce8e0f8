// The package: made from the sources as they lie here, installed into empty folders on machines
// that seem to have CUDA, and used there. Needs the package registry and nothing else.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative, sep } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const onWindows = process.platform === 'win32';
const here = `${process.platform}-${process.arch}`;

/** A user's environment: none of the variables that npm gives to what it runs. */
const userEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|ONNXRUNTIME|LORA_|NODE_)/i.test(name)),
);

interface Running {
  cwd: string;
  env?: NodeJS.ProcessEnv;
}

/** What a command printed; throws with all of it when it failed. */
function run(command: string, words: readonly string[], { cwd, env = userEnv }: Running): string {
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    cwd,
    env,
    encoding: 'utf8',
    shell: onWindows, // npm is a .cmd there
  });
  const output = `${stdout}${stderr}`;
  assert.equal(status, 0, `${command} ${words.join(' ')}: ${error?.message ?? ''}\n${output}`);
  return output;
}

const registryAnswers =
  spawnSync('npm', ['ping', '--fetch-retries=0', '--fetch-timeout=10000'], {
    env: userEnv,
    shell: onWindows,
  }).status === 0;

/** The sources without what is installed or built, as a clone has them. */
function copySources(to: string): void {
  const left = new Set(['node_modules', 'dist', 'output', '.git', '.cache']);
  const isSource = (path: string) => !left.has(relative(root, path).split(sep)[0]);
  cpSync(root, to, { recursive: true, filter: isSource });
  symlinkSync(join(root, 'node_modules'), join(to, 'node_modules'), 'junction');
}

/** Machines, by what the command nvcc says there. */
const machines: Readonly<Record<string, string | undefined>> = {
  'CUDA 13': 'Cuda compilation tools, release 13.0, V13.0.48',
  'CUDA 12': 'Cuda compilation tools, release 12.8, V12.8.93',
  'no CUDA': undefined,
};

/** The environment of such a machine; who asks for its CUDA leaves the file `<folder>/asked`. */
function machineEnv(folder: string, release: string | undefined): NodeJS.ProcessEnv {
  if (release === undefined) return userEnv;
  const stubs = join(folder, 'cuda', 'bin');
  mkdirSync(stubs, { recursive: true });
  const asked = join(folder, 'asked');
  for (const name of ['nvcc', 'nvidia-smi']) {
    writeFileSync(join(stubs, name), `#!/bin/sh\ntouch '${asked}'\necho '${release}'\n`);
    chmodSync(join(stubs, name), 0o755);
  }
  const cuda = join(folder, 'cuda');
  const path = `${stubs}${delimiter}${process.env.PATH}`;
  return { ...userEnv, PATH: path, CUDA_PATH: cuda, CUDA_HOME: cuda };
}

interface Manifest {
  name?: string;
  scripts?: Record<string, string>;
}

/** All package.json files below a folder. */
const manifestsIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|[\\/])package\.json$/.test(path))
    // JSON.parse gives any
    .map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as Manifest);

/** The one file in `source` that npm pack made. */
function pack(source: string): string {
  run('npm', ['pack'], { cwd: source });
  const [tarball, ...others] = readdirSync(source).filter((name) => name.endsWith('.tgz'));
  assert.deepEqual(others, []);
  return join(source, tarball);
}

const skip = registryAnswers ? false : 'no package registry answers';

describe('the package', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lora-package-'));
  const installed = join(folder, 'CUDA 13');
  let tarball: string;

  before(() => {
    copySources(join(folder, 'source'));
    tarball = pack(join(folder, 'source'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, release] of Object.entries(machines))
    test(`npm install of the package works without a variable on a machine with ${name}`, () => {
      const cwd = join(folder, name);
      mkdirSync(cwd);
      writeFileSync(join(cwd, 'package.json'), '{ "private": true }');
      const env = machineEnv(cwd, release);
      run('npm', ['install', '--prefer-offline', tarball], { cwd, env });
      assert.ok(!existsSync(join(cwd, 'asked')), 'a script asked for the version of CUDA');
      const version = run('npx', ['lora', '--version'], { cwd, env });
      assert.match(version, /^\d+\.\d+\.\d+\n$/);
    });

  test('no package that is installed has an install script', () => {
    const scripted = manifestsIn(join(installed, 'node_modules')).filter(({ scripts = {} }) =>
      ['preinstall', 'install', 'postinstall'].some((event) => event in scripts),
    );
    assert.deepEqual(scripted, []);
  });

  test("ONNX Runtime comes with its licence and with this platform's binaries only", () => {
    const runtime = join(installed, 'node_modules/lora-scripts/dist/node_modules/onnxruntime-node');
    const binaries = join(runtime, 'bin', 'napi-v6');
    assert.deepEqual(readdirSync(binaries), [process.platform]);
    assert.deepEqual(readdirSync(join(binaries, process.platform)), [process.arch]);
    assert.match(readFileSync(join(runtime, 'LICENSE'), 'utf8'), /Microsoft Corporation/);
    assert.ok(existsSync(join(runtime, 'ThirdPartyNotices.txt')));
  });

  test('npm install -g and npx of the file work on a machine with CUDA 13', () => {
    const env = machineEnv(folder, machines['CUDA 13']);
    const prefix = join(folder, 'global');
    run('npm', ['install', '-g', '--prefer-offline', '--prefix', prefix, tarball], {
      cwd: folder,
      env,
    });
    const lora = join(prefix, onWindows ? 'lora.cmd' : 'bin/lora');
    assert.match(run(lora, ['--version'], { cwd: folder, env }), /^\d/);
    const words = ['--yes', '--prefer-offline', '--package', tarball, 'lora', '--version'];
    assert.match(run('npx', words, { cwd: folder, env }), /^\d/);
  });

  test('the installed package trains a step on the embedded base', () => {
    const config = [
      'train_data_dir: ./node_modules/lora-scripts/data/brand_style',
      'base_model: ./node_modules/lora-scripts/models/tiny-sd',
      'output_dir: ./out',
      'output_name: packed',
      'resolution: 64',
      'max_train_steps: 1',
      'sample_prompts: []',
    ];
    writeFileSync(join(installed, 'run.yaml'), config.join('\n'));
    const env = { ...userEnv, LORA_SCRIPTS_CACHE: join(folder, 'cache') };
    run('npx', ['lora', 'train', '--config', 'run.yaml'], { cwd: installed, env });
    assert.ok(existsSync(join(installed, 'out', 'packed.safetensors')));
  });

  const consumer = `import { loadConfig, openStableDiffusion, train, type TrainConfig } from 'lora-scripts';
export const rank = (config: TrainConfig): number => config.lora_rank;
export const run = (path: string, signal: AbortSignal) =>
  train(loadConfig(path, { max_train_steps: 1 }), { signal });
// @ts-expect-error a number is not a path
openStableDiffusion(1);
`;
  const resolutions = { node16: 'node16', bundler: 'esnext' };
  for (const [resolution, module] of Object.entries(resolutions))
    test(`a program that imports the package is type-checked with ${resolution}`, () => {
      writeFileSync(join(installed, 'consumer.mts'), consumer);
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022'];
      const how = ['--module', module, '--moduleResolution', resolution];
      run(process.execPath, [tsc, ...options, ...how, 'consumer.mts'], { cwd: installed });
    });
});

test('a package for other machines says so, and what to do', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'lora-platform-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'scripts/onnxruntime/index.cjs'), join(folder, 'index.cjs'));
  mkdirSync(join(folder, 'bin/napi-v6/plan9/mips'), { recursive: true });
  const { stderr } = spawnSync(process.execPath, ['index.cjs'], { cwd: folder, encoding: 'utf8' });
  assert.match(stderr, new RegExp(`was made for plan9-mips; this machine is ${here}`));
  assert.match(stderr, /LORA_PLATFORMS=/);
});

test('an unknown platform is refused before anything is packed', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/prepack.mjs'], {
    cwd: root,
    env: { ...process.env, LORA_PLATFORMS: 'linux-x64, plan9-mips' },
    encoding: 'utf8',
  });
  assert.equal(status, 1);
  assert.match(stderr, /no binaries for plan9-mips, only for .*linux-x64/);
});

test('the licence that is packed is that of the version of ONNX Runtime that is packed', () => {
  // scripts/onnxruntime/ holds the texts of one release: with another, take that release's.
  const { version } = JSON.parse(
    readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8'),
  ) as Manifest & { version: string };
  assert.equal(version, '1.30.0');
});
