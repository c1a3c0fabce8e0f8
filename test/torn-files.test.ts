// A torn file must never be called saved: under a limit on the size of files, and on a full disk,
// every writer says what happened, leaves the earlier file as it was, and nothing half-written.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  existsSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { golden, tinyLora, writeTinyModel } from '../src/export/language-model.test-util.ts';
import { writePeftFolder } from '../src/adapter-files/peft.ts';
import { writePictures, writeSmallBase } from '../src/train/testing/small-base.ts';
import { writers, type Outcome } from './torn-files.test-util.ts';

let root = '';
before(() => {
  root = mkdtempSync(join(tmpdir(), 'torn-'));
  writeTinyModel(join(root, 'sources/base'), 'llama');
  writePeftFolder(join(root, 'sources/adapter'), {
    ...tinyLora(golden.cases.llama.config),
    dtype: 'float32',
    baseModel: '../base',
  });
});
after(() => rmSync(root, { recursive: true, force: true }));

const unlimited =
  process.platform === 'win32' ? 'Windows has no limit on the size of files' : false;
const unmountable =
  process.platform !== 'linux' || process.getuid?.() !== 0
    ? 'mounting a small disk needs Linux and root'
    : false;

/** Runs a command line under bash; `$0` is Node. */
const bash = (line: string, env: NodeJS.ProcessEnv = {}) =>
  spawnSync('bash', ['-c', line, process.execPath], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ...env },
  });

const child = (folder: string) =>
  `exec "$0" --import tsx test/torn-files.test-util.ts ${root}/sources ${folder}`;

/** Runs `use` with a disk of `size`; undefined where the system does not let us mount one. */
function onSmallDisk<T>(size: string, use: (disk: string) => T): T | undefined {
  const disk = join(root, `disk-${size}`);
  mkdirSync(disk);
  if (bash(`mount -t tmpfs -o size=${size} tmpfs ${disk}`).status !== 0) return undefined;
  try {
    return use(disk);
  } finally {
    bash(`umount ${disk}`);
  }
}

/** The refusals of every writer, its files as they were before. */
function requireWhole(found: ReturnType<typeof bash>, reason: RegExp): void {
  assert.equal(found.status, 0, found.stderr);
  const outcomes = JSON.parse(found.stdout) as Outcome[];
  assert.deepEqual(
    outcomes.map(({ name }) => name),
    Object.keys(writers),
  );
  for (const { name, message, isSystemError, files } of outcomes) {
    assert.match(message ?? 'nothing was thrown', reason, name);
    assert.ok(isSystemError, `${name}: ${message}`);
    for (const [file, length] of Object.entries(files)) {
      assert.ok(!/\.part|~|\.lock/.test(file), `${name} left ${file}`);
      const isEarlier = /page\.html|adapter\.gguf|adapter_model/.test(file) && length === 12;
      const isWhole = /run\.json$/.test(file) || (/train\.log$/.test(file) && length === 11);
      assert.ok(isEarlier || isWhole || length === 0, `${name}: ${file} has ${length} bytes`);
    }
  }
}

test('a limit on the size of files: no writer leaves a torn file', { skip: unlimited }, () => {
  mkdirSync(join(root, 'limited'));
  const found = bash(`ulimit -f 8; ${child(join(root, 'limited'))}`);
  requireWhole(found, /cannot be written.*may not be that large/);
});

test('a full disk: no writer leaves a torn file', { skip: unmountable }, (t) => {
  const found = onSmallDisk('48k', (disk) => bash(child(disk)));
  if (found === undefined) return t.skip('this system does not let us mount a small disk');
  requireWhole(found, /cannot be written.*the disk is full/);
});

/** Trains a tiny base on two pictures, with an adapter of some 100 kB. */
const train = (output: string) =>
  `"$0" --import tsx src/cli/main.ts train --config ${root}/neon.yaml --output-dir ${output}`;

before(async () => {
  writeSmallBase(join(root, 'model'));
  await writePictures(join(root, 'pictures'), [
    [64, 64],
    [64, 64],
  ]);
  writeFileSync(
    join(root, 'neon.yaml'),
    `base_model: ${root}/model\ntrain_data_dir: ${root}/pictures\noutput_name: neon\n` +
      'resolution: 64\nlora_rank: 32\nmax_train_steps: 1\ncache_latents: false\n',
  );
});

test(
  'a training whose adapter does not fit ends with exit code 1, and has saved nothing',
  { skip: unlimited },
  () => {
    const output = join(root, 'run');
    const { status, stdout, stderr } = bash(`ulimit -f 72; ${train(output)}`);
    assert.equal(status, 1, stdout + stderr);
    assert.match(
      stdout + stderr,
      /state\/step-0+\.safetensors: cannot be written \(stopped after 73,728 of [\d,]+ bytes\)/,
    );
    requireNothingSaved(stdout + stderr, readdirSync(output));
  },
);

test(
  'a training on a full disk ends with exit code 1, and has saved nothing',
  { skip: unmountable },
  (t) => {
    const ended = onSmallDisk('100k', (disk) => ({
      ...bash(train(join(disk, 'run'))),
      files: existsSync(join(disk, 'run')) ? readdirSync(join(disk, 'run')) : [],
    }));
    if (ended === undefined) return t.skip('this system does not let us mount a small disk');
    const text = ended.stdout + ended.stderr;
    assert.equal(ended.status, 1, text);
    // the plan already sees it coming: nothing is loaded
    assert.match(text, /--output-dir: this run writes about .*the disk of output_dir has .* left/);
    requireNothingSaved(text, ended.files);
  },
);

function requireNothingSaved(text: string, files: readonly string[]): void {
  assert.doesNotMatch(text, /saved|Done|\n\s+at /);
  assert.deepEqual(
    files.filter((name) => /safetensors|part|lock/.test(name)),
    [],
  );
}

test(
  'a build that the disk cuts off is not taken for a fresh one by the next start',
  { skip: unlimited },
  () => {
    const copy = join(root, 'checkout');
    mkdirSync(copy);
    for (const name of ['scripts', 'src', 'package.json', 'package-lock.json', 'tsconfig.json'])
      cpSync(name, join(copy, name), { recursive: true });
    symlinkSync(resolve('node_modules'), join(copy, 'node_modules'));
    const torn = bash(`ulimit -f 100; cd ${copy} && "$0" scripts/launch.cjs --version`);
    assert.equal(torn.status, 1, torn.stdout + torn.stderr);
    assert.match(torn.stderr, /lora could not be built: .*dist.*cannot be written/);
    assert.doesNotMatch(torn.stderr, /\n\s+at /);
    const again = bash(`cd ${copy} && "$0" scripts/launch.cjs --version`);
    assert.equal(again.status, 0, again.stdout + again.stderr);
  },
);
