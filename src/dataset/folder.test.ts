// Data folders as people make them, right and wrong.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { DataError, type Problem } from '../errors.ts';
import { readImageFolder, type ImageFolderOptions } from './folder.ts';

let root = '';
let count = 0;
before(async () => (root = await mkdtemp(join(tmpdir(), '图库 '))));
after(() => rm(root, { recursive: true }));

const png = (shade: number, width = 8, height = 6): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: shade, g: 9, b: 9 } } })
    .png()
    .toBuffer();

/** A folder of the given files; `null` makes a picture, each another. */
async function folder(files: Record<string, string | Uint8Array | null>): Promise<string> {
  const path = join(root, `set ${count++}`);
  await mkdir(path);
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    await writeFile(join(path, name), content ?? (await png(index + 1)));
  }
  return path;
}

const read = async (
  files: Record<string, string | Uint8Array | null>,
  options: Partial<ImageFolderOptions> = {},
) => readImageFolder({ trainDataDir: await folder(files), ...options });

async function problemsOf(work: Promise<unknown>): Promise<readonly Problem[]> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  assert.ok(error instanceof DataError, String(error));
  return error.problems;
}

const captions = ({ samples }: Awaited<ReturnType<typeof read>>) =>
  samples.map(({ name, caption, repeats }) => [name, caption, repeats]);

test('metadata.csv with mark, quotes, Chinese, surplus columns, sorted by name', async () => {
  const csv =
    '\ufefffilename,prompt,score\r\n猫.png,"一只红色的猫, 灯笼",5\r\nb.PNG,"a ""big"" car",\r\n\r\na.png, plain ,2\r\n';
  const set = await read({
    'metadata.csv': csv,
    '猫.png': null,
    'b.PNG': null,
    'a.png': null,
    '._a.png': 'apple',
    'notes.md': 'x',
  });
  assert.deepEqual(captions(set), [
    ['a.png', 'plain', 1],
    ['b.PNG', 'a "big" car', 1],
    ['猫.png', '一只红色的猫, 灯笼', 1],
  ]);
  assert.deepEqual(set.warnings, []);
  assert.deepEqual([set.samples[0]?.width, set.samples[0]?.height], [8, 6]);
});

test('other headers, semicolons, UTF-16 and the Chinese code page', async () => {
  assert.deepEqual(
    captions(await read({ 'metadata.csv': 'text,file_name\nx,a.png\n', 'a.png': null })),
    [['a.png', 'x', 1]],
  );
  assert.deepEqual(
    captions(await read({ 'metadata.csv': 'Filename;Caption\na.png;x, y\n', 'a.png': null })),
    [['a.png', 'x, y', 1]],
  );
  const utf16 = Buffer.from('\ufefffilename,prompt\na.png,红\n', 'utf16le');
  assert.deepEqual(captions(await read({ 'metadata.csv': utf16, 'a.png': null })), [
    ['a.png', '红', 1],
  ]);
  const gbk = Buffer.concat([
    Buffer.from('filename,prompt\na.png,'),
    Buffer.from([0xba, 0xec, 0xc9, 0xab]),
    Buffer.from('\n'),
  ]);
  const set = await read({ 'metadata.csv': gbk, 'a.png': null });
  assert.deepEqual(captions(set), [['a.png', '红色', 1]]);
  assert.match(set.warnings[0] ?? '', /metadata\.csv:2 .*GB18030/);
});

test('names in either Unicode form, with Windows separators, in folders with repeats', async () => {
  const csv = `filename,prompt\n${'é'.normalize('NFC')}.png,one\n${'ü'.normalize('NFD')}.png,two\n3_art\\c.png,three\n./d.png,four\n${'ö'.normalize('NFC')}/e.png,five\n`;
  const set = await read({
    'metadata.csv': csv,
    [`${'é'.normalize('NFD')}.png`]: null,
    [`${'ü'.normalize('NFC')}.png`]: null,
    '3_art/c.png': null,
    'd.png': null,
    [`${'ö'.normalize('NFD')}/e.png`]: null,
  });
  assert.deepEqual(captions(set), [
    ['3_art/c.png', 'three', 3],
    ['d.png', 'four', 1],
    ['é.png', 'one', 1],
    ['ö/e.png', 'five', 1],
    ['ü.png', 'two', 1],
  ]);
});

test('a table elsewhere', async () => {
  const table = join(
    await folder({ 'captions.csv': 'filename,prompt\na.png,x\n' }),
    'captions.csv',
  );
  assert.deepEqual(captions(await read({ 'a.png': null }, { metadataPath: table })), [
    ['a.png', 'x', 1],
  ]);
});

test('text files beside the pictures', async () => {
  const set = await read({
    'a.png': null,
    'a.txt': '\ufeffa red cat\n',
    '猫.JPG': null,
    '猫.TXT': '猫\nsecond line',
  });
  assert.deepEqual(captions(set), [
    ['a.png', 'a red cat', 1],
    ['猫.JPG', '猫', 1],
  ]);
  assert.match(set.warnings[0] ?? '', /2 lines/);
  assert.deepEqual(
    captions(await read({ 'a.png': null, 'a.caption': 'x' }, { captionExtension: 'caption' })),
    [['a.png', 'x', 1]],
  );
});

test('folders with repeats; others are mentioned', async () => {
  const set = await read({
    '10_red lantern/a.png': null,
    '10_red lantern/b.png': null,
    '10_red lantern/b.txt': 'own',
    '2_猫/c.png': null,
    'other/d.png': null,
  });
  assert.deepEqual(captions(set), [
    ['10_red lantern/a.png', 'red lantern', 10],
    ['10_red lantern/b.png', 'own', 10],
    ['2_猫/c.png', '猫', 2],
  ]);
  assert.match(set.warnings[0] ?? '', /"other" with 1 picture is not used/);
});

test('all problems come in one error, each with its place', async () => {
  const csv =
    'filename,prompt\nmissing.png,x\na.png,\nb.png,one\nb.png,two\nC.png,case\ncut.png,y\nzero.png,z\nd.png,a cat, red\n,x\n';
  const problems = await problemsOf(
    read({
      'metadata.csv': csv,
      'a.png': null,
      'b.png': null,
      'c.png': null,
      'extra.png': null,
      'cut.png': (await png(1, 90, 90)).subarray(0, 60),
      'zero.png': '',
      'd.png': null,
    }),
  );
  const found = problems.map(({ where, what }) => `${where.split('/').at(-1)}: ${what}`);
  const expected: [RegExp, number][] = [
    [/metadata\.csv:2: names "missing\.png", but there is no such picture/, 1],
    [/metadata\.csv:3: "a\.png" has an empty caption/, 1],
    [/metadata\.csv:5: names "b\.png" again; line 4 has it/, 1],
    [/metadata\.csv:6: names "C\.png"/, 1],
    [/metadata\.csv:9: has more cells/, 1],
    [/metadata\.csv:10: names no picture/, 1],
    [/cut\.png: cannot read the picture/, 1],
    [/zero\.png: cannot read the picture: the file is empty/, 1],
    [/(extra|c)\.png: picture without caption/, 2],
  ];
  for (const [pattern, times] of expected)
    assert.equal(
      found.filter((line) => pattern.test(line)).length,
      times,
      `${pattern} in\n${found.join('\n')}`,
    );
  assert.equal(problems.length, 10);
  assert.match(
    problems.find(({ what }) => what.includes('"C.png"'))?.fix ?? '',
    /Did you mean "c\.png"/,
  );
});

test('tables that are no tables', async () => {
  assert.match(
    (await problemsOf(read({ 'metadata.csv': 'a.png,x\n', 'a.png': null })))[0]?.what ?? '',
    /header "filename,prompt", but is "a\.png,x"/,
  );
  assert.match(
    (await problemsOf(read({ 'metadata.csv': '', 'a.png': null })))[0]?.what ?? '',
    /but is nothing/,
  );
  const quoted = await problemsOf(
    read({ 'metadata.csv': 'filename,prompt\na.png,"x\n', 'a.png': null }),
  );
  assert.match(quoted[0]?.what ?? '', /is not valid CSV/);
  assert.match(
    (await problemsOf(read({ 'metadata.csv': 'filename,prompt\n' })))[0]?.what ?? '',
    /holds no pictures/,
  );
  assert.match(
    (await problemsOf(read({ 'metadata.csv': 'filename,prompt\n', 'a.png': null })))[0]?.what ?? '',
    /has no row for it/,
  );
  assert.match(
    (await problemsOf(read({ 'a.png': null }, { metadataPath: join(root, 'none.csv') })))[0]
      ?.what ?? '',
    /does not exist/,
  );
});

test('line numbers count line breaks inside quotes', async () => {
  const problems = await problemsOf(
    read({ 'metadata.csv': 'filename,prompt\na.png,"one\ntwo"\nb.png,x\n', 'a.png': null }),
  );
  assert.match(problems[0]?.where ?? '', /metadata\.csv:4$/);
});

test('folders without pictures or captions, and what is no folder', async () => {
  assert.match((await problemsOf(read({})))[0]?.what ?? '', /holds no pictures/);
  const files = await folder({ 'a.png': null, 'b.png': null, 'b.txt': ' \n' });
  const found = (await problemsOf(readImageFolder({ trainDataDir: files }))).map(
    ({ where, what }) => `${relative(files, where)}: ${what}`,
  );
  assert.deepEqual(found, ['a.png: picture without caption', 'b.txt: the caption file is empty']);
  assert.match(
    (await problemsOf(readImageFolder({ trainDataDir: join(files, 'a.png') })))[0]?.what ?? '',
    /not a folder/,
  );
  assert.match(
    (await problemsOf(readImageFolder({ trainDataDir: join(files, 'none') })))[0]?.what ?? '',
    /does not exist/,
  );
  assert.match((await problemsOf(read({ '0_x/a.png': null })))[0]?.what ?? '', /0 times/);
});

test('the same file twice is mentioned', async () => {
  const same = await png(1);
  const { warnings } = await read({
    'metadata.csv': 'filename,prompt\na.png,x\nb.png,y\n',
    'a.png': same,
    'b.png': same,
  });
  assert.deepEqual(warnings, ['b.png is the same file as a.png.']);
});

const latin = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

test('captions of Windows are trained with their own words, and told once', async () => {
  const set = await read({
    'a.png': null,
    'a.txt': latin('the artist\x92s own'),
    'b.png': null,
    'b.txt': latin('caf\xe9'),
    'c.png': null,
    'c.txt': latin('na\xefve'),
    'd.png': null,
    'd.txt': latin('cr\xeape on a plate'),
    'e.png': null,
    'e.txt': 'plain',
  });
  assert.deepEqual(
    captions(set).map(([, caption]) => caption),
    ['the artist’s own', 'café', 'naïve', 'crêpe on a plate', 'plain'],
  );
  assert.equal(set.warnings.length, 1);
  assert.match(set.warnings[0], /a\.txt:1 \("the artist’s own"\).*and 1 more \(4 in all\): is not/);
});

test('a table of Windows is trained with its own words', async () => {
  const set = await read({
    'a.png': null,
    'metadata.csv': latin('filename,prompt\r\na.png,"the artist\x92s caf\xe9"\r\n'),
  });
  assert.deepEqual(captions(set), [['a.png', 'the artist’s café', 1]]);
  assert.match(set.warnings[0], /metadata\.csv:2 .*Windows-1252/);
});

test('a caption whose encoding is not clear is refused with its place and what it might be', async () => {
  const problems = await problemsOf(
    read({
      'a.png': null,
      'a.txt': Uint8Array.of(0xc3, 0xc0),
      'b.png': null,
      'b.txt': latin('\x89PNG\r\n\x1a\n'),
    }),
  );
  assert.match(problems[0].where, /a\.txt:1$/);
  assert.match(problems[0].what, /GB18030 \(GBK\) \("美"\) or/);
  assert.match(problems[1].what, /is a PNG file, not text/);
});
