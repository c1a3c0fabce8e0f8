// What people give a trainer by mistake: one clear message each, exit code 1, nothing half-written.
// Each case was an incident.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { loadStableDiffusion } from '../src/checkpoints/stable-diffusion.ts';
import { singleFileTensors, writeFolder } from '../src/checkpoints/small-model.test-util.ts';
import { report } from '../src/cli/report.ts';
import { loadConfig } from '../src/config/load.ts';
import { bucketFor } from '../src/dataset/buckets.ts';
import { openCache } from '../src/storage/tensor-cache.ts';
import { readImageFolder } from '../src/dataset/folder.ts';
import { formatProblem } from '../src/errors.ts';
import { serialize } from '../src/tensor/safetensors.ts';
import type { Tensor } from '../src/tensor/tensor.ts';
import { illFitting } from '../src/train/image/samples.ts';
import { requireWritable } from '../src/runs/run-folder.ts';

const png = await sharp({ create: { width: 9, height: 7, channels: 3, background: '#123456' } })
  .png()
  .toBuffer();
const root = mkdtempSync(join(tmpdir(), 'bad input '));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

type Content = string | Uint8Array | ((path: string) => void);

/** A new folder of these files; a function makes what is no file. */
function folderOf(files: Readonly<Record<string, Content>>): string {
  const folder = join(root, `${count++}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'function') content(path);
    else writeFileSync(path, content);
  }
  return folder;
}

/** What the user reads; fails where it is a crash. */
function said(error: unknown): string {
  const { text, exitCode } = report(error);
  assert.equal(exitCode, 1, text);
  assert.doesNotMatch(text, /\n\s+at /, 'no stack trace');
  return text;
}

async function messageOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return said(error);
  }
  return 'accepted';
}

// ---- the configuration

const home = folderOf({ 'pictures/x': '', 'base/x': '' });
const good = `train_data_dir: ${join(home, 'pictures')}\nbase_model: ${join(home, 'base')}\noutput_dir: ${join(home, 'out')}\n`;
const load = (content: string | Uint8Array) => {
  writeFileSync(join(home, 'run.yaml'), content);
  return loadConfig(join(home, 'run.yaml')).config;
};
const laughs = [...'abcdefgh']
  .map(
    (key, i) =>
      `${key}: &${key} [${Array<string>(9)
        .fill(i === 0 ? 'lol' : `*${'abcdefgh'[i - 1]}`)
        .join(',')}]`,
  )
  .join('\n');

const configs: Readonly<Record<string, readonly [content: string | Uint8Array, message: RegExp]>> =
  {
    'full-width colon': ['seed： 1\nlora_rank: 2\n', /full-width/],
    'tag that would run a program': [
      `${good}seed: !!js/function "f"\n`,
      /yaml:4: the tag !!js\/function has no meaning here/,
    ],
    'unknown tag, which was taken for its value': [`${good}seed: !foo 3\n`, /tag !foo/],
    'billion laughs': [`${laughs}\n${good}`, /aliases/],
    'alias of nothing': [`${good}seed: *nope\n`, /yaml:4: \*nope/],
    'two documents': [`${good}---\n${good}`, /second document/],
    'key named constructor': [
      `${good}constructor: 1\n__proto__: 2\n`,
      /constructor: there is no such key\n +All keys are in docs/,
    ],
    'infinity, shown as null': [`${good}epochs: .inf\n`, /found Infinity/],
    'one list, told twice': [`${good}betas: [2, 3]\n`, /^(?!.*problems)[^]*found \[2,3\]/],
    'size as text beyond the limits': [`${good}resolution: "5,5"\n`, /from 16 to 8192/],
    'keys in groups': [`${good}training:\n  seed: 1\n`, /not grouped/],
    'keys of kohya': [
      'mixed_precision: fp16\nnetwork_dim: 8\n',
      /delete the line[^]*called lora_rank/,
    ],
    'number as name': [`${good}output_name: 2024\n`, /put it in quotes, "2024"/],
    'name with a path': [`${good}output_name: a/b\n`, /expected a file name/],
    'name too long for the disk': [
      `${good}output_name: ${'x'.repeat(250)}\n`,
      /is 250 bytes long; names have at most 200/,
    ],
    'Windows path in double quotes': [
      `${good}metadata_path: "C:\\models\\x"\n`,
      /Write paths with \//,
    ],
    'zero byte in a path': [
      'train_data_dir: "a\\0b"\nbase_model: x\noutput_dir: y\n',
      /special character/,
    ],
    'line break in a path': [
      'train_data_dir: "C:\\new"\nbase_model: x\noutput_dir: y\n',
      /special character in it: "C:\\new"/,
    ],
    'path too long to look at': [
      `train_data_dir: ${'x'.repeat(5000)}\nbase_model: x\noutput_dir: y\n`,
      /no such folder: x+…/,
    ],
    'output among the pictures': [
      good.replace(/output_dir: .*/, `output_dir: ${join(home, 'pictures')}`),
      /must not be train_data_dir/,
    ],
    'escape characters for the terminal': [
      `${good}x\u001b[31m: 1\n`,
      /x\\u001b\[31m: there is no such key/,
    ],
    'zero bytes': [new Uint8Array(40), /not a text file/],
    'two bytes that are 红 in one encoding and 綻 in another': [
      Buffer.concat([Buffer.from(`${good}output_name: `), Buffer.from([0xba, 0xec, 0x0a])]),
      /unclear encoding[^]*UTF-8/,
    ],
    'alpha of zero, which trains nothing': [`${good}lora_alpha: 0\n`, /number above 0/],
  };
for (const [name, [content, message]] of Object.entries(configs)) {
  test(`configuration: ${name}`, async () =>
    assert.match(await messageOf(() => load(content)), message));
}

test('configuration: what is meant well is taken', () => {
  const utf16 = Buffer.concat([
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`${good}seed: 5\n`, 'utf16le'),
  ]);
  const named = (...bytes: number[]) =>
    Buffer.concat([Buffer.from(`${good}seed: 5\noutput_name: `), Buffer.from([...bytes, 0x0a])]);
  const gbk = named(0xba, 0xec, 0xc9, 0xab, 0xc4, 0xde, 0xba, 0xe7, 0xb5, 0xc6); // 红色霓虹灯
  const latin1 = named(0x63, 0x61, 0x66, 0xe9); // café
  for (const content of [
    utf16,
    gbk,
    latin1,
    `\ufeff${good}seed: 5\n`.replaceAll('\n', '\r\n'),
    `${good}seed: 5\n`.replaceAll('\n', '\r'),
    `${good}seed:\u00a05\n`,
    `${good}seed: ５\n`,
  ]) {
    assert.equal(load(content).seed, 5);
  }
  assert.equal(load(gbk).output_name, '红色霓虹灯');
  assert.equal(load(latin1).output_name, 'café');
  assert.equal(load(`${good}tensorboard: no\n`).tensorboard, false);
  assert.equal(load(`${good}output_name: a.safetensors\n`).output_name, 'a');
});

// ---- the pictures

const header = 'filename,prompt\n';
const look = (files: Readonly<Record<string, Content>>) => () =>
  readImageFolder({ trainDataDir: folderOf(files) });

/** A PNG that promises 60000 × 60000 pixels in a few bytes. */
function bomb(): Uint8Array {
  const bytes = Buffer.from(png);
  bytes.writeUInt32BE(60000, 16);
  bytes.writeUInt32BE(60000, 20);
  return bytes;
}

const folders: Readonly<
  Record<string, readonly [files: Readonly<Record<string, Content>>, message: RegExp]>
> = {
  'pictures one folder too deep': [
    { 'train/cat.png': png },
    /no pictures; those below it are in [^]*train \(1 picture\)[^]*train_data_dir: .*train/,
  ],
  'formats that are not read': [
    { 'a.psd': 'x', 'b.heic': 'x' },
    /2 pictures of a kind that is not supported: .*a\.psd …\n.*Convert each/,
  ],
  'such a file in the table': [
    { 'a.heic': 'x', 'metadata.csv': `${header}a.heic,x\n` },
    /metadata\.csv:2: names "a\.heic", and heic files are not supported/,
  ],
  'a table with its ending hidden': [
    { 'a.png': png, 'metadata.csv.txt': header },
    /metadata\.csv\.txt: this table is not used/,
  ],
  'an Excel workbook': [
    { 'a.png': png, 'metadata.csv': Buffer.from('504b030414000600080000002100', 'hex') },
    /not a text file|Excel/,
  ],
  'full-width commas': [
    { 'a.png': png, 'metadata.csv': 'filename，prompt\na.png，红\n' },
    /commas are full-width/,
  ],
  'a quote never closed': [{ 'a.png': png, 'metadata.csv': `${header}a.png,"x\n` }, /never closed/],
  'a web page called .jpg': [
    { 'a.jpg': '<!DOCTYPE html><html>', 'a.txt': 'x' },
    /a\.jpg: cannot be read: it is a web page/,
  ],
  'HEIC called .jpg': [
    { 'a.jpg': Buffer.from('00000018667479706865696300000000', 'hex'), 'a.txt': 'x' },
    /HEIC/,
  ],
  'too many pixels': [{ 'a.png': bomb(), 'a.txt': 'x' }, /cannot be read/],
  'a link to itself': [
    { 'a.png': (path) => symlinkSync('a.png', path), 'a.txt': 'x' },
    /a\.png: cannot be read/,
  ],
};
for (const [name, [files, message]] of Object.entries(folders)) {
  test(`data: ${name}`, async () => assert.match(await messageOf(look(files)), message));
}

test('data: links that lead nowhere, hidden files and foreign folders do no harm', async () => {
  const { samples, warnings } = await look({
    'a.png': png,
    'metadata.csv': `sep=,\n${header}a.png,"x\0 y"\n  b.png ,z\n`,
    ' b.png ': png,
    '.DS_Store': 'x',
    '._a.png': 'x',
    'Thumbs.db': 'x',
    'desktop.ini': 'x',
    gone: (path) => symlinkSync('/nowhere', path),
    'x.png/y.txt': 'y',
    'more/c.png': png,
  })();
  assert.deepEqual(
    samples.map(({ name, caption }) => [name, caption]),
    [
      [' b.png ', 'z'],
      ['a.png', 'x y'],
    ],
  );
  assert.match(
    warnings.map(formatProblem).join('\n'),
    /more \(1 picture\): this folder is not used/,
  );
});

test('data: thousands of faults do not bury the first', async () => {
  const text = await messageOf(
    look(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}.png`, png]))),
  );
  assert.match(
    text,
    /p0\.png, \S.*p2\.png and 47 more \(50 in all\): picture without caption\n[^\n]*\n$/,
  );
});

test('data: specks and strips are trained on, with a warning', () => {
  const at = (width: number, height: number) => ({
    path: '',
    name: `${width}.png`,
    caption: '',
    repeats: 1,
    hash: '',
    width,
    height,
    ...bucketFor(width, height, { resolution: [512, 512] }),
  });
  assert.deepEqual(
    illFitting([at(1, 1), at(10000, 10), at(500, 400)]).map(
      ({ where, what }) => `${where}: ${what}`,
    ),
    [
      '1.png (1x1), 10000.png (10000x10): enlarged to more than 4 times its size, so it is blurred',
      '10000.png (10000x10, 99.6 %): more than 10 % of the picture is cropped away to fit its bucket',
    ],
  );
});

// ---- the base model

const model = (tensors: ReadonlyMap<string, Tensor>) => () =>
  loadStableDiffusion(join(folderOf({ 'm.safetensors': serialize(tensors) }), 'm.safetensors'));

test('base model: whole numbers, which were taken for weights', async () => {
  const tensors = singleFileTensors();
  for (const [name, { shape, data }] of [...tensors].slice(0, 3))
    tensors.set(name, { dtype: 'int16', shape, data: new Int16Array(data.length) });
  assert.match(
    await messageOf(model(tensors)),
    /its weights are quantized[^]*Use the float32, float16 or bfloat16 file/,
  );
});

test('base model: the same foreign element type in every tensor is reported once', async () => {
  const folder = folderOf({ 'm.safetensors': serialize(singleFileTensors('float16')) });
  const path = join(folder, 'm.safetensors');
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.from(bytes.toString('latin1').replaceAll('"F16"', '"Q16"'), 'latin1'));
  assert.match(
    await messageOf(() => loadStableDiffusion(path)),
    /512 of an element type that weights do not have:(\n {4}[\w.]+ is Q16){3}\n {4}… and 509 more\n {6}Use a file/,
  );
});

test('base model: a link in a circle, a folder where a file should be, a config.json with a byte order mark', async () => {
  const folder = folderOf({ 'l.safetensors': (path) => symlinkSync('l.safetensors', path) });
  assert.match(
    await messageOf(() => loadStableDiffusion(join(folder, 'l.safetensors'))),
    /no such file or folder/,
  );
  writeFolder(folder);
  const unet = join(folder, 'unet', 'config.json');
  const whole = readFileSync(unet, 'utf8');
  // was counted through, for ever
  writeFileSync(unet, whole.replace('"layers_per_block":1', '"layers_per_block":1000000000'));
  assert.match(
    await messageOf(() => loadStableDiffusion(folder)),
    /config\.json layers_per_block: /,
  );
  writeFileSync(unet, whole);
  const config = join(folder, 'vae', 'config.json');
  writeFileSync(config, `\ufeff${readFileSync(config, 'utf8')}`);
  assert.equal(loadStableDiffusion(folder).layout, 'diffusers');
  writeFileSync(config, '[]');
  assert.match(
    await messageOf(() => loadStableDiffusion(folder)),
    /config\.json: expected an object; found \[\]/,
  );
});

// ---- the results

test(
  'output: file systems that take no folders, where making them never ended',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async () => {
    assert.match(
      await messageOf(() => requireWritable('/proc/x/y')),
      /allows no new files or folders/,
    );
    assert.match(await messageOf(() => openCache('/proc/x/y')), /allows no new files or folders/);
  },
);

// ---- the command

test('the command: the message on stderr, exit code 1, nothing left behind', () => {
  const folder = folderOf({ 'bad.yaml': `${good}learning_rte: 1\n` });
  const run = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'src/cli/main.ts', 'train', '--config', join(folder, 'bad.yaml')],
    { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } },
  );
  assert.equal(run.status, 1, run.stderr);
  assert.equal(run.stdout, '');
  assert.match(
    run.stderr,
    /bad\.yaml:4 learning_rte: there is no such key\n +Did you mean learning_rate\?/,
  );
  assert.ok(!existsSync(join(home, 'out')));
});
