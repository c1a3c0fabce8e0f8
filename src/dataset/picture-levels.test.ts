// The folder of pictures, named a level too high, too low, or another one in its place.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import sharp from 'sharp';
import { readImageFolder } from './folder.ts';

const root = mkdtempSync(join(tmpdir(), 'levels '));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** A new folder of these files; a picture each where there is no text. */
async function folderOf(files: Readonly<Record<string, string | null>>): Promise<string> {
  const folder = join(root, `${count++}`);
  for (const [name, content] of Object.entries({ '.keep': '', ...files })) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const background = { r: count, g: name.length, b: name.charCodeAt(name.length - 5), alpha: 1 };
    const create = { width: 9, height: 7, channels: 3, background } as const;
    writeFileSync(path, content ?? (await sharp({ create }).png().toBuffer()));
  }
  return folder;
}

async function read(trainDataDir: string) {
  const { samples, warnings } = await readImageFolder({ trainDataDir });
  return {
    repeats: samples.map(({ repeats }) => repeats),
    told: warnings.map(({ where, what, fix }) => `${where}: ${what} | ${fix ?? ''}`),
  };
}

async function refusal(trainDataDir: string): Promise<string> {
  const error = await read(trainDataDir).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof Error);
  return error.message.replaceAll(root, '…');
}

const captioned = {
  'text files': { '10_lamp/a.png': null, '10_lamp/a.txt': 'a lamp' },
  'a table': { '10_lamp/a.png': null, '10_lamp/metadata.csv': 'filename,prompt\na.png,a lamp\n' },
};

for (const [kind, files] of Object.entries(captioned))
  test(`a folder 10_lamp that is named itself repeats nothing, and says so: captions in ${kind}`, async () => {
    const folder = await folderOf(files);
    const { repeats, told } = await read(join(folder, '10_lamp'));
    assert.deepEqual(repeats, [1]);
    assert.equal(told.length, 1);
    assert.match(told[0], /the 10 in its name has no effect.*name the folder above it/);
    assert.ok(told[0].endsWith(`train_data_dir: ${folder}`), told[0]);
  });

test('a folder of photos of an iPhone was said to hold no pictures, with advice to put some into it', async () => {
  for (const ending of ['heic', 'HEIF', 'jxl', 'dng', 'psd']) {
    const told = await refusal(await folderOf({ [`a.${ending}`]: 'x', [`b.${ending}`]: 'y' }));
    assert.match(
      told,
      /holds no pictures \(png, .*\), but 2 pictures of a kind that is not supported: \S+\/a\.\w+ …\n +Convert each to png or jpg\.$/,
    );
  }
});

test('the folder above it repeats 10 times, captions in text files or a table', async () => {
  const ofTexts = await folderOf(captioned['text files']);
  const ofTable = await folderOf({
    '10_lamp/a.png': null,
    'metadata.csv': 'filename,prompt\n10_lamp/a.png,a lamp\n',
  });
  for (const folder of [ofTexts, ofTable])
    assert.deepEqual(await read(folder), { repeats: [10], told: [] });
});

test('a table in 10_lamp is not read from the folder above, and that is told', async () => {
  const { repeats, told } = await read(await folderOf(captioned['a table']));
  assert.deepEqual(repeats, [10]);
  assert.match(told[0], /^10_lamp\/metadata\.csv: this table of captions is not read/);
});

test('pictures without captions in 10_lamp: the folder above gives them its name', async () => {
  const folder = await folderOf({ '10_lamp/a.png': null });
  assert.match(
    await refusal(join(folder, '10_lamp')),
    /"lamp", of its name, is a caption only where the folder above[^]*picture without caption/,
  );
  assert.deepEqual((await read(folder)).repeats, [10]);
});

test('a folder 0_lamp is refused, captions in text files or a table', async () => {
  const ofTable = {
    '0_lamp/a.png': null,
    'metadata.csv': 'filename,prompt\n0_lamp/a.png,a lamp\n',
  };
  for (const files of [{ '0_lamp/a.png': null, '0_lamp/a.txt': 'a lamp' }, ofTable])
    assert.match(await refusal(await folderOf(files)), /repeats its pictures 0 times/);
});

test('one or several levels too high: the folders that hold pictures are named', async () => {
  const one = await folderOf({ 'photos/a.png': null, 'photos/b.png': null });
  assert.match(
    await refusal(one),
    /itself holds no pictures; those below it are in \S*photos \(2 pictures\)\n.*train_data_dir: \S*photos$/,
  );
  const deep = await folderOf({ 'x/y/photos/a.png': null });
  assert.match(await refusal(deep), /train_data_dir: \S*x\/y\/photos$/);
  const ofProgram = await folderOf({
    'img/10_lamp/a.png': null,
    'img/5_chair/b.png': null,
    'log/x.txt': '',
    'model/x.txt': '',
  });
  assert.match(
    await refusal(ofProgram),
    /10_lamp \(1 picture\), .*5_chair.*\n.*train_data_dir: \S*img$/,
  );
  const several = await folderOf({
    'a/a.png': null,
    'b/b.png': null,
    'c/c.png': null,
    'd/d.png': null,
  });
  assert.match(
    await refusal(several),
    /c \(1 picture\) and 1 more\n.*Name one of them.*<repeats>_<name>/,
  );
});

test('what a folder without pictures holds is said: nothing, videos, an archive, texts, a model', async () => {
  const kinds: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{}, /the data folder is empty/],
    [{ 'a.mp4': '', 'b.mov': '' }, /but 2 videos: \S*a\.mp4 …\n.*save single frames/],
    [{ 'pictures.zip': 'PK' }, /but 1 archive: \S*pictures\.zip\n.*Unpack it/],
    [{ 'a.jsonl': '{}', 'b.jsonl': '{}' }, /but 2 files of texts: \S*a\.jsonl …\n/],
    [{ 'a.parquet': '', 'b.arrow': '' }, /but 2 data set files \(Parquet, Arrow\): /],
    [{ 'train.jsonl': '{}' }, /task_type: text-generation/],
    [{ 'train-00000-of-00001.parquet': '' }, /data set file/],
    [{ 'v1-5.safetensors': '' }, /models are base_model/],
  ];
  for (const [files, said] of kinds) assert.match(await refusal(await folderOf(files)), said);
});

test('pictures that lie too deep are told, not passed over', async () => {
  const folder = await folderOf({
    'a.png': null,
    'a.txt': 'a lamp',
    '10_lamp/b.png': null,
    '10_lamp/more/c.png': null,
    'x/y/d.png': null,
  });
  const { repeats, told } = await read(folder);
  assert.deepEqual(repeats, [10, 1]);
  assert.match(told.join('\n'), /10_lamp\/more \(1 picture\), x\/y \(1 picture\): .*too deep/);
});
