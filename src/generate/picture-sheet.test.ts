// Sheets are PNGs of the expected size, whatever the labels.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadPicture, type Picture } from '../dataset/image.ts';
import { dotWidth, eachDot } from './bitmap-font.ts';
import { contactSheet } from './picture-sheet.ts';

let folder = '';
before(async () => (folder = await mkdtemp(join(tmpdir(), 'sheet-'))));
after(() => rm(folder, { recursive: true }));

const flat = (width: number, height: number, value: number): Picture => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(value),
});

async function decode(png: Promise<Uint8Array>): Promise<Picture> {
  const path = join(folder, 'sheet.png');
  await writeFile(path, await png);
  return loadPicture(path);
}

/** Dark pixels of the rows [from, to). */
const ink = ({ rgb, width }: Picture, from: number, to: number): number =>
  rgb.subarray(from * width * 3, to * width * 3).filter((value, i) => i % 3 === 0 && value < 100)
    .length;

for (const fonts of [true, false]) {
  test(`pictures lie under their labels, ${fonts ? 'in letters' : 'in dots'}`, async () => {
    const rows = [
      {
        label: 'brand style, a <robot> & "more"',
        pictures: [flat(200, 100, 128), flat(200, 100, 200)],
      },
      { label: '品牌风格, 红色的猫 \u0000\ud800 😀', pictures: [flat(180, 90, 140)] },
    ];
    const sheet = await decode(contactSheet(rows, { headings: ['without', 'with'], fonts }));
    assert.deepEqual(
      [sheet.width, sheet.height],
      [8 + 2 * 208, 8 + 24 + 24 + 100 + 8 + 24 + 90 + 8],
    );
    const at = (x: number, y: number): number => sheet.rgb[(y * sheet.width + x) * 3];
    assert.deepEqual(
      [at(8, 56), at(207, 155), at(216, 56), at(8, 188), at(300, 200)],
      [128, 128, 200, 140, 255],
    );
    for (const top of [8, 32, 164]) assert.ok(ink(sheet, top, top + 24) > 30, `text at ${top}`);
  });
}

test('long labels take two lines and end in dots; empty sheets and rows work', async () => {
  const label = 'word '.repeat(100);
  const sheet = await decode(
    contactSheet([{ label, pictures: [flat(50, 50, 90)] }], { fonts: false }),
  );
  assert.equal(sheet.height, 8 + 48 + 50 + 8);
  assert.equal(sheet.width, 8 + 168);
  await decode(contactSheet([{ label: '猫'.repeat(200), pictures: [] }]));
  await decode(contactSheet([{ label: '', pictures: [] }]));
});

test('every printable ASCII character has dots of its own', () => {
  const shapes = new Set<string>();
  for (let code = 33; code < 127; code++) {
    const dots: string[] = [];
    eachDot(String.fromCharCode(code), (x, y) => dots.push(`${x},${y}`));
    shapes.add(dots.join(' '));
  }
  const box: string[] = [];
  eachDot('猫', (x, y) => box.push(`${x},${y}`));
  assert.equal(shapes.size, 94);
  assert.ok(!shapes.has(box.join(' ')), 'no character is the box');
  assert.equal(dotWidth('猫a'), 12);
});
