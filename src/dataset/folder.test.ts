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

/** Warnings without their remedies. */
const told = ({ warnings }: Awaited<ReturnType<typeof read>>) =>
  warnings.map(({ where, what }) => `${where}: ${what}`);

const captions = ({ samples }: Awaited<ReturnType<typeof read>>) =>
  samples.map(({ name, caption, repeats }) => [name, caption, repeats]);

test('metadata.csv with byte order mark, quotes, Chinese, surplus columns, sorted by name', async () => {
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
  assert.match(told(set)[0] ?? '', /metadata\.csv:2 .*GB18030/);
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
    ['猫.JPG', '猫 second line', 1],
  ]);
  assert.match(told(set)[0] ?? '', /2 lines/);
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
  assert.match(told(set)[0] ?? '', /^other \(1 picture\): this folder is not used/);
});

test('all problems come in one error, each with its place', async () => {
  const csv =
    'filename,prompt\nmissing.png,x\na.png,\nb.png,one\nb.png,two\nC_.png,slip\ncut.png,y\nzero.png,z\nd.png,a cat, red\n,x\n';
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
    [/metadata\.csv:5: names "b\.png" again, as line 4 does/, 1],
    [/metadata\.csv:6: names "C_\.png"/, 1],
    [/metadata\.csv:9: has more cells/, 1],
    [/metadata\.csv:10: names no picture/, 1],
    [/cut\.png: cannot be read/, 1],
    [/zero\.png: cannot be read: the file is empty/, 1],
    [/(extra|c)\.png: picture without caption/, 1], // line 6 may mean the other
  ];
  for (const [pattern, times] of expected)
    assert.equal(
      found.filter((line) => pattern.test(line)).length,
      times,
      `${pattern} in\n${found.join('\n')}`,
    );
  assert.equal(problems.length, 9);
  assert.match(
    problems.find(({ what }) => what.includes('"C_.png"'))?.fix ?? '',
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

test('six copies of one picture are not called trained twice: the same file again is mentioned', async () => {
  const same = await png(1);
  const set = await read({
    'metadata.csv': 'filename,prompt\na.png,x\nb.png,y\nc.png,z\n',
    'a.png': same,
    'b.png': same,
    'c.png': same,
  });
  assert.deepEqual(told(set), [
    'b.png (as a.png), c.png (as a.png): the same file as another, so it is trained more than once',
  ]);
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
  assert.match(
    told(set)[0],
    /a\.txt:1 \("the artist’s own"\).*and 1 more \(4 in all\): are not UTF-8/,
  );
});

test('a table of Windows is trained with its own words', async () => {
  const set = await read({
    'a.png': null,
    'metadata.csv': latin('filename,prompt\r\na.png,"the artist\x92s caf\xe9"\r\n'),
  });
  assert.deepEqual(captions(set), [['a.png', 'the artist’s café', 1]]);
  assert.match(told(set)[0], /metadata\.csv:2 .*Windows-1252/);
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
  assert.match(problems[1].what, /is a PNG picture, not text/);
});

const jpeg = (): Promise<Buffer> =>
  sharp({ create: { width: 8, height: 6, channels: 3, background: '#123456' } })
    .jpeg()
    .toBuffer();

test('a.png and a.jpg beside one a.txt was settled in silence', async () => {
  const set = await read({
    'a.jpg': await jpeg(),
    'a.png': null,
    'a.txt': 'one',
    'b.png': null,
    'b.txt': 'two',
  });
  assert.deepEqual(captions(set), [
    ['a.jpg', 'one', 1],
    ['a.png', 'one', 1],
    ['b.png', 'two', 1],
  ]);
  assert.deepEqual(told(set), [
    'a.txt (a.jpg, a.png): several pictures share this caption file, and each is trained with it',
  ]);
});

test('caption files that are not used are told: twins, other endings, without picture', async () => {
  const set = await read({
    'a.png': null,
    'a.TXT': 'upper',
    'a.txt': 'lower',
    'b.png': null,
    'b.caption': 'not read',
    'b.txt': 'read',
    'readme.txt': 'of nothing',
  });
  assert.deepEqual(captions(set), [
    ['a.png', 'lower', 1],
    ['b.png', 'read', 1],
  ]);
  assert.deepEqual(told(set), [
    'a.TXT: not used, because the picture has another caption file of the same name',
    'b.caption: not read, because caption files end in .txt',
    'readme.txt: no picture has this name, so it is not used',
  ]);
});

test('caption files beside a table, and a second table, are told', async () => {
  const set = await read({
    'METADATA.CSV': 'filename,prompt\na.png,upper\n',
    'metadata.csv': 'filename,prompt\na.png,lower\n',
    'a.png': null,
    'a.txt': 'beside',
  });
  assert.deepEqual(captions(set), [['a.png', 'upper', 1]]);
  const [second, text] = told(set);
  assert.equal(second, 'metadata.csv: not read, because METADATA.CSV is the table');
  assert.match(text, /^a\.txt: not used, because .*METADATA\.CSV has the captions$/);
});

test('rows that name one picture in two ways are a fault', async () => {
  const problems = await problemsOf(
    read({
      'metadata.csv': 'filename,prompt\n1_x/a.png,one\n1_x/../1_x/a.png,two\n',
      '1_x/a.png': null,
    }),
  );
  assert.deepEqual(
    problems.map(({ where, what }) => `${where.split('/').at(-1)}: ${what}`),
    ['metadata.csv:3: "1_x/../1_x/a.png" is the picture that line 2 names "1_x/a.png"'],
  );
});

test('caption files in other upper and lower case than their pictures are found', async () => {
  const set = await read({ 'IMG_1.JPG': await jpeg(), 'img_1.txt': 'a cat' });
  assert.deepEqual(captions(set), [['IMG_1.JPG', 'a cat', 1]]);
  assert.deepEqual(told(set), [
    'img_1.txt (for IMG_1.JPG): the caption file has a different name from its picture; it looks the same, and is used',
  ]);
});

test('sixty captions of several lines are folded, as in tables, and told once', async () => {
  const files = Array.from({ length: 60 }, (_, i): [string, string | null][] => [
    [`${100 + i}.png`, null],
    [`${100 + i}.txt`, 'a cat,\r\n\r\n  a mat\n'],
  ]);
  const set = await read(Object.fromEntries(files.flat()));
  assert.ok(set.samples.every(({ caption }) => caption === 'a cat, a mat'));
  assert.deepEqual(told(set), [
    '100.txt (2 lines), 101.txt (2 lines), 102.txt (2 lines) and 57 more (60 in all): the caption has several lines, which are joined into one',
  ]);
});

test('content decides, not the ending: .jfif, a JPEG named .heic or without ending, a WebP named .png', async () => {
  const names = ['a.jfif', 'b.jpe', 'c.heic', 'd', 'e.download', 'f.JPG', 'g.jpg.jfif'];
  const webp = await sharp(await jpeg())
    .webp()
    .toBuffer();
  const bytes = await jpeg();
  const texts = [...names, 'h.png'].map((name) => [name.replace(/\.[^.]*$/, '') + '.txt', name]);
  const set = await read(
    Object.fromEntries([
      ...names.map((name, i) => [name, Buffer.concat([bytes, Buffer.from([i])])] as const),
      ['h.png', webp] as const,
      ...texts.map(([text, name]) => [text, `caption of ${name}`] as const),
      ['notes.md', 'x'] as const,
      ['other.bin', 'BM and so on'] as const,
    ]),
  );
  assert.deepEqual(
    captions(set),
    [...names, 'h.png'].sort().map((name) => [name, `caption of ${name}`, 1]),
  );
  assert.deepEqual(told(set), []);
  const heic = await read({
    'a.png': null,
    'a.txt': 'x',
    'b.heic': '\0\0\0\x18ftypheic\0\0\0\0',
    'c.nef': 'II*\0',
  });
  assert.deepEqual(told(heic), [
    'b.heic: not used, because heic files are not supported',
    'c.nef: not used, because nef files are not supported',
  ]);
});

test('what is done to a picture is told: transparency, inks, several pictures in a file', async () => {
  const rgba = sharp({ create: { width: 8, height: 6, channels: 4, background: '#12345680' } });
  const opaque = sharp({ create: { width: 9, height: 6, channels: 4, background: '#123456ff' } });
  const two = Buffer.from(
    Uint8Array.from({ length: 8 * 12 * 3 }, (_, i) => (i % 6 < 3 ? 250 : i < 144 ? 5 : 99)),
  );
  const raw = { width: 8, height: 12, channels: 3, pageHeight: 6 } as const;
  const set = await read({
    'metadata.csv': 'filename,prompt\nglass.png,x\nopaque.png,x\nprint.jpg,x\nwave.gif,x\n',
    'glass.png': await rgba.png().toBuffer(),
    'opaque.png': await opaque.png().toBuffer(),
    'print.jpg': await sharp(await jpeg())
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer(),
    'wave.gif': await sharp(two, { raw })
      .gif({ delay: [100, 100] })
      .toBuffer(),
  });
  assert.deepEqual(told(set), [
    'glass.png: what is transparent is trained as white',
    "print.jpg: the colours are inks (CMYK), and are converted to the screen's (sRGB)",
    'wave.gif (2 pictures): an animation, or several pictures in one file: the first of them is used, the others are not',
  ]);
});

test('odd characters in captions are told alike beside pictures and in tables', async () => {
  const caption = 'a\u200bcat\u2028\ufeffa \u0001mat \ufffd';
  const beside = await read({ 'a.png': null, 'a.txt': `${caption}\r\n` });
  const table = await read({
    'a.png': null,
    'metadata.csv': `filename,prompt\na.png,"${caption}"\n`,
  });
  for (const [set, where] of [
    [beside, 'a.txt'],
    [table, 'metadata.csv:2'],
  ] as const) {
    assert.deepEqual(captions(set), [['a.png', 'a\u200bcat a mat \ufffd', 1]]);
    const words = told(set).map((line) => line.replace(/^.*?: /, ''));
    assert.ok(
      told(set).every((line) => line.includes(where)),
      String(told(set)),
    );
    assert.deepEqual(words, [
      'the caption has several lines, which are joined into one',
      'has a byte order mark (U+FEFF) among its words, which is left out',
      'has control characters, which become spaces',
      'holds U+FFFD, which takes the place of a character that was lost',
      'holds U+200B, which cannot be seen and is trained as it stands',
    ]);
  }
});

test('captions with another ending were not named where all pictures lack one', async () => {
  for (const ending of ['.caption', '.TXT']) {
    const files = { 'a.png': null, [`a${ending}`]: 'a lamp', 'b.png': null, [`b${ending}`]: 'b' };
    const problems = await problemsOf(read(files, { captionExtension: '.cap' }));
    assert.equal(problems.length, 1);
    assert.equal(
      problems[0].fix,
      `There are files that end in ${ending}: caption_extension: ${ending} reads them.`,
    );
  }
});
