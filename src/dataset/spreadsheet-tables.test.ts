// Tables of captions as spreadsheets and editors save them.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { DataError, formatProblem } from '../errors.ts';
import { readImageFolder } from './folder.ts';

let root = '';
let count = 0;
before(async () => (root = await mkdtemp(join(tmpdir(), 'tables '))));
after(() => rm(root, { recursive: true }));

/** What is said of these pictures with these files beside them. */
async function said(names: string, files: Record<string, string>): Promise<string> {
  const folder = join(root, `${count++}`);
  await mkdir(folder);
  for (const [index, name] of names.split(' ').entries())
    await sharp({
      create: { width: 8, height: 6, channels: 3, background: { r: index, g: 9, b: 9 } },
    })
      .png()
      .toFile(join(folder, `${name}.png`));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const shown = (text: string) => text.replaceAll(`${folder}/`, '');
  try {
    const { warnings } = await readImageFolder({ trainDataDir: folder });
    return shown(warnings.map(formatProblem).join('\n'));
  } catch (error) {
    assert.ok(error instanceof DataError, String(error));
    return shown(error.problems.map(formatProblem).join('\n'));
  }
}
const ofTable = (names: string, table: string) => said(names, { 'metadata.csv': table });

test('line breaks inside quotes do not move the lines that are named, in tables of Windows too', async () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const lines = ['filename,prompt', 'a.png,"a lamp', '', 'red"', 'b.png,', 'a.png,again'];
    const told = await ofTable('a b', lines.join(end));
    assert.match(told, /metadata\.csv:5: "b\.png" has an empty caption/);
    assert.match(told, /metadata\.csv:6: names "a\.png" again, as line 2 does/);
    const joined = await ofTable('a', ['filename,prompt', 'a.png,"a', 'lamp"', ''].join(end));
    assert.match(joined, /metadata\.csv:2 \(2 lines\)/);
    const quoted = ['filename,prompt', 'a.png,"a', 'lamp"', 'b.png,12" disc', ''].join(end);
    assert.match(await ofTable('a b', quoted), /metadata\.csv:4: is not valid CSV: a double quote/);
  }
});

test('a quote that is never closed is named by the line it opens on, not by the last of the file', async () => {
  for (const end of ['\n', '\r\n']) {
    const rows = Array.from({ length: 40 }, (_, i) => `${i}.png,lamp`);
    const table = ['filename,prompt', 'a.png,"a ""big"" lamp"', 'b.png,"chair', ...rows].join(end);
    assert.match(await ofTable('a b', table), /metadata\.csv:3: .* opened here and never closed/);
  }
});

test('error values of a spreadsheet are not trained as captions', async () => {
  for (const value of ['#NAME?', '#WERT!', '#¿NOMBRE?', '#N/A', '#DIV/0!', '######']) {
    const told = await ofTable('a b', `filename,prompt\na.png,lamp\nb.png,${value}\n`);
    assert.ok(told.startsWith(`metadata.csv:3: has "${value}", an error of a spreadsheet`), told);
  }
  const name = await ofTable('a', 'filename,prompt\na.png,lamp\n#REF!,chair\n');
  assert.match(name, /:3: has "#REF!", .* in place of the picture's name/);
  for (const caption of ['#1 fan', '#neon #lamp', '#lamp'])
    assert.equal(await ofTable('a', `filename,prompt\na.png,${caption}\n`), '');
});

test('a header below a title, swapped headings, pipes and typographic quotes: each its own remedy', async () => {
  const cases = [
    [
      'My captions,,\n,,\nfilename,prompt,\na.png,lamp,\n',
      /Line 3 is the header: delete the lines/,
    ],
    [
      'filename,prompt\na lamp,a.png\na chair,b.png\n',
      /:1: the headings [^]*Swap the two headings/,
    ],
    ['filename|prompt\na.png|lamp\nb.png|chair\n', /divided by \|: divide them by commas/],
    [
      'filename,prompt\n“a.png”,“a lamp, red”\nb.png,x\n',
      /typographic ones .*: a\.png,"a lamp, red"/,
    ],
  ] as const;
  for (const [table, expected] of cases) {
    const told = await ofTable('a b', table);
    assert.match(told, expected);
    assert.equal(told.match(/metadata\.csv:/g)?.length, 1, told);
    assert.doesNotMatch(told, /without caption/);
  }
});

test('captions under other names are found: captions.csv, labels.xlsx, a.caption', async () => {
  const table = await said('a', { 'captions.csv': 'filename,prompt\na.png,lamp\n' });
  assert.match(table, /captions\.csv: this table is not used\n.*metadata_path: captions\.csv/);
  assert.match(await said('a', { 'labels.xlsx': 'PK' }), /labels\.xlsx: this table is not used/);
  for (const ending of ['.caption', '.cap', '.tags'])
    assert.ok(
      (await said('a', { [`a${ending}`]: 'lamp' })).includes(`caption_extension: ${ending} reads`),
    );
});

test('words that were read in the wrong encoding before they came here are told', async () => {
  for (const words of ['cafÃ©', 'itâ€™s red', 'çŒ«å’ª', 'ðŸŽ¨ art', '红锟斤拷'])
    assert.match(
      await ofTable('a', `filename,prompt\na.png,"a ${words}"\n`),
      /:2: holds ".*", which looks like text that was read in the wrong encoding/,
      words,
    );
  for (const words of ['„Fuß“', '«\u00a0café\u00a0»', 'voilà…', 'SÃO PAULO', 'é…»', 'à\u00a0«x»'])
    assert.doesNotMatch(await ofTable('a', `filename,prompt\na.png,"a ${words}"\n`), /encoding/);
});
