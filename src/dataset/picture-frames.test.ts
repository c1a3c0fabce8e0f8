// Files that hold several pictures, and pictures in which there is nothing to be seen.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import { readImageFolder } from './folder.ts';
import { loadPicture } from './image.ts';
import {
  ascii,
  isoBox,
  PNG_SIGNATURE,
  pngChunk,
  pngData,
  pngHead,
  tiffFile,
  type PngPixels,
} from './testing/picture-files.ts';

const root = mkdtempSync(join(tmpdir(), 'frames '));
after(() => rmSync(root, { recursive: true, force: true }));

const [W, H] = [16, 12];
type Frame = readonly number[]; // RGBA of each pixel
const frame = (colourAt: (x: number, y: number) => readonly number[]): Frame =>
  Array.from({ length: W * H }, (_, i) => colourAt(i % W, Math.floor(i / W))).flat();
const drawn = [1, 2, 3].map((step) => frame((x, y) => [16 * x, 20 * y, 60 * step, 255]));
const clear = frame(() => [0, 0, 0, 0]);
const white = frame(() => [255, 255, 255, 255]);
const black = frame(() => [0, 0, 0, 255]);
/** A white drawing on nothing. */
const ghost = frame((x) => [255, 255, 255, x < 5 ? 0 : 255]);

const stacked = (frames: readonly Frame[]): Sharp =>
  sharp(Uint8Array.from(frames.flat()), {
    raw: { width: W, height: H * frames.length, channels: 4, pageHeight: H },
  });
const delay = (frames: readonly Frame[]): number[] => frames.map(() => 100);

const u32 = (value: number): Buffer =>
  Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]);

/** `stillIsFrame`: whether the picture that every PNG has is the first frame, or none of them. */
function apng(frames: readonly Frame[], stillIsFrame = true): Buffer {
  const pixels = (numbers: Frame): PngPixels => ({
    width: W,
    height: H,
    channels: 4,
    bits: 8,
    numbers: [...numbers],
  });
  let sequence = 0;
  const control = () =>
    pngChunk(
      'fcTL',
      Buffer.concat([
        u32(sequence++),
        u32(W),
        u32(H),
        Buffer.alloc(8),
        Buffer.from([0, 1, 0, 10, 0, 0]),
      ]),
    );
  const [first, ...others] = frames;
  return Buffer.concat([
    PNG_SIGNATURE,
    pngHead(pixels(first)),
    pngChunk('acTL', Buffer.concat([u32(others.length + (stillIsFrame ? 1 : 0)), u32(0)])),
    ...(stillIsFrame ? [control()] : []),
    pngChunk('IDAT', pngData(pixels(first))),
    ...others.flatMap((numbers) => [
      control(),
      pngChunk('fdAT', Buffer.concat([u32(sequence++), pngData(pixels(numbers))])),
    ]),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

const tiff = (frames: readonly Frame[]): Buffer =>
  tiffFile(
    ...frames.map((numbers) => ({
      width: W,
      height: H,
      channels: 4,
      numbers: Uint8Array.from(numbers),
    })),
  );

/** A still picture with a track of so many pictures beside it, as an animation has. */
async function avifSequence(frames: readonly Frame[]): Promise<Buffer> {
  const still = await stacked([frames[0]]).avif({ lossless: true }).toBuffer();
  still.write('avis', 8, 'latin1');
  const sizes = isoBox('stsz', Buffer.alloc(8), u32(frames.length));
  const track = isoBox('trak', isoBox('mdia', isoBox('minf', isoBox('stbl', sizes))));
  return Buffer.concat([still, isoBox('moov', track)]);
}

/** Two views in one file, `second` what each but the first is: CIPA DC-007. */
async function mpo(frames: readonly Frame[], second = 0x020002): Promise<Buffer> {
  const views = await Promise.all(
    frames.map((one) => stacked([one]).flatten({ background: '#ffffff' }).jpeg().toBuffer()),
  );
  const entries = Buffer.alloc(16 * views.length);
  views.forEach((_, i) => entries.writeUInt32LE(i === 0 ? 0x030000 : second, 16 * i));
  const head = Buffer.from([
    0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 2, 0xb0, 7, 0, 0, 0, 0, 0, 26, 0, 0, 0,
  ]);
  head.writeUInt32LE(entries.length, 14);
  const list = Buffer.concat([ascii('MPF\0'), head, Buffer.alloc(4), entries]);
  const segment = Buffer.concat([Buffer.from([0xff, 0xe2, 0, list.length + 2]), list]);
  const [first, ...others] = views;
  return Buffer.concat([first.subarray(0, 2), segment, first.subarray(2), ...others]);
}

const containers: {
  readonly [name: string]: (frames: readonly Frame[]) => Promise<Buffer> | Buffer;
} = {
  'a.gif': (frames) =>
    stacked(frames)
      .gif({ delay: delay(frames) })
      .toBuffer(),
  'b.webp': (frames) =>
    stacked(frames)
      .webp({ lossless: true, delay: delay(frames) })
      .toBuffer(),
  'c.png': (frames) => apng(frames),
  'd.avif': avifSequence,
  'e.tif': tiff,
  'f.jpg': (frames) => mpo(frames),
};

let count = 0;
async function folderOf(files: { readonly [name: string]: Buffer | Promise<Buffer> }) {
  const folder = join(root, `set ${count++}`);
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(folder, name), await bytes);
    writeFileSync(join(folder, `${name.replace(/\.\w+$/, '')}.txt`), 'a drawing');
  }
  return folder;
}

async function refusalsOf(folder: string): Promise<readonly string[]> {
  const error = await readImageFolder({ trainDataDir: folder }).catch((e: unknown) => e);
  assert.ok(error instanceof DataError, String(error));
  return error.problems.map(({ what }) => what);
}

test('the first frame was used without a word: one line names files and frames of every format', async () => {
  const made = Object.entries(containers).map(async ([name, make]) => [name, await make(drawn)]);
  const folder = await folderOf(Object.fromEntries(await Promise.all(made)) as never);
  const { warnings } = await readImageFolder({ trainDataDir: folder });
  assert.deepEqual(
    warnings.map(({ where, what }) => `${where}: ${what}`),
    [
      'a.gif (3 pictures), b.webp (3 pictures), c.png (3 pictures) and 3 more (6 in all): an animation, or several pictures in one file: the first of them is used, the others are not',
    ],
  );
  for (const name of Object.keys(containers)) {
    const { rgb } = await loadPicture(join(folder, name));
    const blue = rgb[3 * (6 * W + 8) + 2];
    assert.ok(Math.abs(blue - 60) < 8, `${name}: ${blue}`);
  }
});

test('an animation behind a still picture was taken for that picture alone', async () => {
  const folder = await folderOf({ 'a.png': apng(drawn.slice(0, 2), false) });
  const [{ where, what }] = (await readImageFolder({ trainDataDir: folder })).warnings;
  assert.match(`${where}: ${what}`, /^a\.png.*: an animation, or several pictures in one file/);
});

for (const [what, empty] of Object.entries({ clear, white, black, ghost }))
  test(`a first frame that is empty (${what}) was trained as such`, async () => {
    for (const [name, make] of Object.entries(containers)) {
      const [found, ...others] = await refusalsOf(
        await folderOf({ [name]: await make([empty, ...drawn]) }),
      );
      assert.match(found, /the first of its 4 pictures, which would be used, is empty/, name);
      assert.deepEqual(others, []);
    }
  });

test('a transparent picture, and a white drawing on nothing, were trained as white', async () => {
  for (const still of [clear, ghost])
    for (const format of ['png', 'webp', 'avif'] as const) {
      const bytes = await stacked([still]).toFormat(format, { lossless: true }).toBuffer();
      const [found] = await refusalsOf(await folderOf({ [`a.${format}`]: bytes }));
      assert.match(found, /nothing can be seen: it is transparent, or white where it is not/);
    }
});

test('a still picture of one colour may be meant; on white, one dark pixel is enough to be seen', async () => {
  const dot = frame((x, y) => (x === 3 && y === 7 ? [90, 255, 255, 255] : [255, 255, 255, 255]));
  const folder = await folderOf({
    'a.png': stacked([white]).png().toBuffer(),
    'b.jpg': stacked([black]).jpeg().toBuffer(),
    'c.png': stacked([dot]).png().toBuffer(),
    'd.gif': stacked([dot, drawn[0]])
      .gif({ delay: [100, 100] })
      .toBuffer(),
  });
  const { warnings } = await readImageFolder({ trainDataDir: folder });
  assert.deepEqual(
    warnings.map(({ where, what }) => `${where}: ${what}`),
    [
      'd.gif (2 pictures): an animation, or several pictures in one file: the first of them is used, the others are not',
    ],
  );
});

test('thumbnails, masks and gain maps are no frames; a thumbnail in first place is refused', async () => {
  const page = (kind: number) => ({
    width: W,
    height: H,
    channels: 4,
    numbers: Uint8Array.from(drawn[0]),
    tags: { 254: kind },
  });
  const phone = Buffer.concat([await mpo(drawn.slice(0, 2)), ascii('<x hdrgm:Version="1.0"/>')]);
  const folder = await folderOf({
    'a.tif': tiffFile(page(0), page(1), page(4)),
    'b.jpg': phone,
    'c.jpg': await mpo(drawn.slice(0, 2), 0x010001), // of a camera: the photo and a larger thumbnail
  });
  const { warnings } = await readImageFolder({ trainDataDir: folder });
  assert.deepEqual(warnings, []);
  const [found] = await refusalsOf(await folderOf({ 'a.tif': tiffFile(page(1), page(0)) }));
  assert.match(found, /the first picture in the file, which would be used, is a thumbnail/);
});
