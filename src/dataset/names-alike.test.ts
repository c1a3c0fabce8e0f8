// Names in tables and beside pictures that are not quite those of the files.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { DataError, formatProblem } from '../errors.ts';
import { readImageFolder } from './folder.ts';

let root = '';
let count = 0;
before(async () => (root = await mkdtemp(join(tmpdir(), 'names '))));
after(() => rm(root, { recursive: true }));

const png = (shade: number): Promise<Buffer> =>
  sharp({ create: { width: 8, height: 6, channels: 3, background: { r: shade, g: 9, b: 9 } } })
    .png()
    .toBuffer();

/** What is read of these files, and all that is said; `null` makes a picture, each another. */
async function read(files: Record<string, string | null>) {
  const folder = join(root, `${count++}`);
  await mkdir(folder);
  for (const [index, [name, content]] of Object.entries(files).entries()) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content ?? (await png(index)));
  }
  const shown = (text: string) => text.replaceAll(`${folder}/`, '');
  try {
    const { samples, warnings } = await readImageFolder({ trainDataDir: folder });
    return {
      captions: Object.fromEntries(samples.map(({ name, caption }) => [name, caption])),
      told: warnings.map((warning) => shown(formatProblem(warning))),
      problems: [],
    };
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return { captions: {}, told: [], problems: error.problems.map(formatProblem).map(shown) };
  }
}

const composed = 'caf\u00e9';
const decomposed = 'cafe\u0301';

test('é composed and é decomposed are two pictures, each with its own caption, and that is told', async () => {
  const pictures = { [`${composed}.png`]: null, [`${decomposed}.png`]: null, 'b.png': null };
  const captions = { [`${composed}.png`]: 'one', [`${decomposed}.png`]: 'two', 'b.png': 'three' };
  const beside = { [`${composed}.txt`]: 'one', [`${decomposed}.txt`]: 'two', 'b.txt': 'three' };
  const table = {
    'metadata.csv': `filename,prompt\n${decomposed}.png,two\n${composed}.png,one\nb.png,three\n`,
  };
  for (const more of [beside, table]) {
    const set = await read({ ...pictures, ...more });
    assert.deepEqual(set.captions, captions);
    assert.match(
      set.told.join('\n'),
      /^"cafe\\u0301\.png" and "caf\\u00e9\.png": these names look/,
    );
  }
  const folders = await read({ [`2_${composed}/a.png`]: null, [`2_${decomposed}/a.png`]: null });
  assert.equal(Object.keys(folders.captions).length, 2);
  assert.match(folders.told[0], /"2_cafe\\u0301\/a\.png" and "2_caf\\u00e9\/a\.png"/);
});

test('one é in the table and another on the disk are the same name, and nothing is said', async () => {
  for (const [here, there] of [
    [composed, decomposed],
    [decomposed, composed],
  ])
    for (const files of [
      { 'metadata.csv': `filename,prompt\n${there}.png,x\n` },
      { [`${there}.txt`]: 'x' },
    ])
      assert.deepEqual(await read({ [`${here}.png`]: null, ...files }), {
        captions: { [`${composed}.png`]: 'x' },
        told: [],
        problems: [],
      });
});

test('a table that names a picture otherwise than it is called here finds it, and says what to write', async () => {
  const cases: readonly (readonly [written: string, called: string, shown?: string])[] = [
    ['a b.png', 'a\u00a0b.png', '"a b.png" is "a\\u00a0b.png"'],
    ['a\u00a0b.png', 'a b.png', '"a\\u00a0b.png" is "a b.png"'],
    ['3.04.05 PM.png', '3.04.05\u202fPM.png', '"3.04.05 PM.png" is "3.04.05\\u202fPM.png"'],
    ['a\u200b.png', 'a.png', '"a\\u200b.png" is "a.png"'],
    ['\ufeffa.png', 'a.png', '"\\ufeffa.png" is "a.png"'],
    ['a\u3000b.png', 'a b.png', '"a\\u3000b.png" is "a b.png"'],
    ['\u0430.png', 'a.png', '"\\u0430.png" is "a.png"'],
    ['１.png', '1.png', '"\\uff11.png" is "1.png"'],
    ['a–b.png', 'a-b.png', '"a\\u2013b.png" is "a-b.png"'],
    ['❤\ufe0f.png', '❤.png', '"\\u2764\\ufe0f.png" is "\\u2764.png"'],
    ['C:\\pics\\a.png', 'a.png'],
    ['pics\\a.png', 'a.png'],
    ['D:\\x\\10_cat\\a.png', '10_cat/a.png'],
    ['/home/bob/pics/a.png', 'a.png'],
    ['file:///home/bob/a%20b.png', 'a b.png'],
    ['train/a.png', 'a.png'],
    ['../other/a.png', 'a.png'],
    ['a%20b.png', 'a b.png'],
    ["'a.png'", 'a.png'],
    ['“a.png”', 'a.png'],
    ['a', 'a.png'],
    ['a.v1', 'a.v1.png'],
    ['a.jpg', 'a.png'],
    ['A.png', 'a.PNG'],
    ['Sub/A.png', 'sub/a.png'],
  ];
  for (const [written, called, shown = `"${written}" is "${called}"`] of cases) {
    const set = await read({
      'metadata.csv': `filename,prompt\n${written},x\n`,
      [called]: null,
    });
    assert.deepEqual([set.captions, set.problems], [{ [called]: 'x' }, []], shown);
    assert.equal(set.told.length, 1, shown);
    assert.ok(set.told[0].startsWith(`metadata.csv:2 (${shown}): the table gives`), set.told[0]);
  }
});

test('names as they are, however they are written, are not worth a word', async () => {
  for (const [written, called] of [
    ['./a.png', 'a.png'],
    ['.\\a.png', 'a.png'],
    ['sub\\a.png', 'sub/a.png'],
    ['sub/../a.png', 'a.png'],
    ['100%.png', '100%.png'],
    ['a%20b.png', 'a%20b.png'],
    ['a\\b.png', 'a\\b.png'],
    ['"it\'s, ok.png"', "it's, ok.png"],
  ]) {
    const set = await read({ 'metadata.csv': `filename,prompt\n${written},x\n`, [called]: null });
    assert.deepEqual(set, { captions: { [called]: 'x' }, told: [], problems: [] }, written);
  }
});

test('a thousand paths of another machine are one warning', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `${i}.png`);
  const rows = names.map((name) => `C:\\pics\\${name},x`);
  const set = await read({
    'metadata.csv': ['filename,prompt', ...rows].join('\n'),
    ...Object.fromEntries(names.map((name) => [name, null])),
  });
  assert.equal(set.told.length, 1);
  assert.match(set.told[0], /and 17 more \(20 in all\)/);
});

test('a name that several pictures may have is not guessed', async () => {
  assert.deepEqual(
    (await read({ 'metadata.csv': 'filename,prompt\na.png,x\n', 'A.png': null, 'a.PNG': null }))
      .problems,
    [
      'metadata.csv:2: names "a.png", which may be "A.png" or "a.PNG"\n    Write the name of the one that is meant.',
    ],
  );
  assert.match(
    (await read({ 'metadata.csv': 'filename,prompt\na,x\n', 'a.png': null, 'a.jpg': '' }))
      .problems[0],
    /names "a", which may be "a\.jpg" or "a\.png"/,
  );
  assert.match(
    (await read({ 'é.png': null, 'É.txt': 'x', 'E\u0301.txt': 'y' })).problems[0],
    /belongs to the picture: "E\\u0301\.txt" or "\\u00c9\.txt"/,
  );
});

test('one slip of the hand was two problems: a row without a picture, and that picture without a row', async () => {
  const table = { 'metadata.csv': 'filename,prompt\nlamep.png,x\nb.png,y\n' };
  const set = await read({ ...table, 'lampe.png': null, 'b.png': null, 'other.png': null });
  assert.deepEqual(set.problems.length, 2);
  assert.match(set.problems[0], /names "lamep\.png"[^]*Did you mean "lampe\.png"\?/);
  assert.match(set.problems[1], /^other\.png: picture without caption/);
});

test('addresses of the net name the pictures of their last part', async () => {
  for (const name of [
    'https://x.org/img/a%20b.png?size=9&v=1#top',
    'http://x.org/a b.png',
    'file:///home/me/a%20b.png',
  ]) {
    const set = await read({ 'metadata.csv': `filename,prompt\n"${name}",x\n`, 'a b.png': null });
    assert.deepEqual(set.captions, { 'a b.png': 'x' }, name);
    assert.match(set.told[0], /is "a b\.png"/);
  }
  // a question mark of its own
  const own = await read({ 'metadata.csv': 'filename,prompt\na?b.png,x\n', 'a?b.png': null });
  assert.deepEqual(own.captions, { 'a?b.png': 'x' });
});

test('the nearest name is proposed, but no other number', async () => {
  const set = await read({
    'metadata.csv': 'filename,prompt\ncat-redd.png,x\nimg_003.png,y\ne.png,z\nimg_001.png,w\n',
    'cat_red.png': null,
    'img_001.png': null,
    'img_002.png': null,
    '10_x/e.png': null,
  });
  const fixes = set.problems.filter((text) => text.includes('names "'));
  assert.equal(fixes.length, 3);
  assert.match(fixes[0], /"cat-redd\.png"[^]*Did you mean "cat_red\.png"/);
  assert.match(fixes[1], /"img_003\.png"[^]*Correct the name, add the picture or delete the row/);
  assert.match(fixes[2], /"e\.png"[^]*Did you mean "10_x\/e\.png"/);
  assert.match(
    (await read({ 'cat_1.png': null, 'cat-11.txt': 'x', 'cat 1.txt': 'y' })).problems[0],
    /cat_1\.png: picture without caption\n {4}If its caption is in "cat 1\.txt", rename that file to "cat_1\.txt"/,
  );
});

test('caption files of names that look the same, or with the whole name, are used and told', async () => {
  const set = await read({
    'a b.png': null,
    'a\u00a0b.txt': 'one',
    'img.png': null,
    'img.png.txt': 'two',
    'IMG2.png': null,
    'img2.txt': 'three',
  });
  assert.deepEqual(set.captions, { 'a b.png': 'one', 'img.png': 'two', 'IMG2.png': 'three' });
  assert.deepEqual(set.told, [
    'img2.txt (for IMG2.png), a\\u00a0b.txt (for a b.png): the caption file has a different name from its picture; it looks the same, and is used',
  ]);
});

test('headers in other languages and spellings are read, and the translation is told', async () => {
  for (const header of [
    'File Name,Prompt ',
    'file-name,"text"',
    '\ufeffFILENAME,Caption\u00a0',
    '\u200bimage_name,prompt',
  ]) {
    const set = await read({ 'metadata.csv': `${header}\na.png,x\n`, 'a.png': null });
    assert.deepEqual(set, { captions: { 'a.png': 'x' }, told: [], problems: [] }, header);
  }
  for (const [name, caption] of [
    ['文件名', '提示词'],
    ['图片', '标签'],
    ['圖片', '描述'],
    ['ファイル名', 'キャプション'],
    ['파일명', '프롬프트'],
    ['Dateiname', 'Beschreibung'],
    ['Nom de fichier', 'Légende'],
    ['Имя файла', 'Описание'],
  ]) {
    const set = await read({ 'metadata.csv': `${name},${caption}\na.png,x\n`, 'a.png': null });
    assert.deepEqual(set.captions, { 'a.png': 'x' });
    assert.deepEqual(set.told, [
      `metadata.csv:1: "${name}" is read as filename, and "${caption}" as prompt`,
    ]);
  }
  const two = await read({ 'metadata.csv': 'file_name,tags,text\na.png,t,x\n', 'a.png': null });
  assert.deepEqual(two.captions, { 'a.png': 'x' });
  assert.match(two.told[0], /captions from "text"; not used: "tags"/);
});

test('a header with one column that nobody knows names the other', async () => {
  for (const [header, fix] of [
    ['filename,promt', 'If that is the column "promt", call it prompt.'],
    ['flename,prompt', 'If that is the column "flename", call it filename.'],
    ['filename', 'Add a column called prompt.'],
  ])
    assert.ok(
      (await read({ 'metadata.csv': `${header}\na.png,x\n`, 'a.png': null })).problems[0].endsWith(
        fix,
      ),
      header,
    );
});

test('="001.png", as spreadsheets are made to keep a text, is the text', async () => {
  for (const cells of ['="001.png",="x"', '"=""001.png""","=""x"""', '="001.png",x']) {
    const set = await read({ 'metadata.csv': `filename,prompt\n${cells}\n`, '001.png': null });
    assert.deepEqual(set.captions, { '001.png': 'x' }, cells);
    assert.match(set.told[0], /^metadata\.csv: (1 cell is a formula|2 cells are formulas) such as/);
  }
  const kept = '"a banner, =""b"", there"';
  const set = await read({ 'metadata.csv': `filename,prompt\na.png,${kept}\n`, 'a.png': null });
  assert.deepEqual(set, { captions: { 'a.png': 'a banner, ="b", there' }, told: [], problems: [] });
});

test('of two pictures that look the same by their names, the one without a row is named by its codes', async () => {
  for (const [one, other] of [
    [composed, decomposed],
    ['\u30ac', '\u30ab\u3099'],
    ['a b', 'a\u00a0b'],
  ]) {
    const table = `filename,prompt\n${one}.png,lamp\n`;
    const { problems } = await read({
      [`${one}.png`]: null,
      [`${other}.png`]: null,
      'metadata.csv': table,
    });
    assert.equal(problems.length, 1);
    assert.match(problems[0], /\\u[^]*no row for it; line 2 is for ".*", which looks the same/);
  }
});
