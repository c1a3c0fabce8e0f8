// Pictures of every format and of every kind of damage, made here.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import { encodePng, inspectImage, loadPicture, loadPixels, renderSvg } from './image.ts';

let folder = '';
before(async () => (folder = await mkdtemp(join(tmpdir(), '数据-'))));
after(() => rm(folder, { recursive: true }));

/** Four flat quarters: red, green / blue, white. 24 x 16 pixels. */
const corners = [
  [200, 30, 30],
  [30, 160, 60],
  [30, 60, 200],
  [250, 250, 250],
] as const;
const [W, H] = [24, 16];
const quarter = (x: number, y: number, w = W, h = H): number =>
  (x < w / 2 ? 0 : 1) + (y < h / 2 ? 0 : 2);
const raw = Uint8Array.from(
  { length: W * H * 3 },
  (_, i) => corners[quarter(Math.floor(i / 3) % W, Math.floor(i / 3 / W))]?.[i % 3] ?? 0,
);
const picture = (): Sharp => sharp(raw, { raw: { width: W, height: H, channels: 3 } });

async function save(name: string, bytes: Uint8Array | Promise<Uint8Array>): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, await bytes);
  return path;
}

/** The colours in the middle of the four quarters. */
async function centres(path: string): Promise<number[][]> {
  const { rgb, width, height } = await loadPicture(path);
  return [
    [0.25, 0.25],
    [0.75, 0.25],
    [0.25, 0.75],
    [0.75, 0.75],
  ].map(([x, y]) => {
    const at = (Math.floor((y ?? 0) * height) * width + Math.floor((x ?? 0) * width)) * 3;
    return [...rgb.subarray(at, at + 3)];
  });
}

function near(
  found: number[][],
  expected: readonly (readonly number[])[],
  tolerance: number,
  name: string,
): void {
  found.forEach((colour, q) =>
    colour.forEach((value, c) =>
      assert.ok(
        Math.abs(value - (expected[q]?.[c] ?? NaN)) <= tolerance,
        `${name} ${JSON.stringify(found)}`,
      ),
    ),
  );
}

const rejects = (path: string, what: RegExp): Promise<void> =>
  assert.rejects(
    loadPicture(path),
    (error) =>
      error instanceof DataError &&
      error.problems[0]?.where === path &&
      what.test(error.problems[0].what),
  );

async function sizeOf(path: string) {
  const { width, height } = await inspectImage(path);
  return { width, height };
}

test('every format, also in upper case, gives the same colours', async () => {
  const formats: [string, Promise<Buffer>, number][] = [
    ['a.png', picture().png().toBuffer(), 0],
    ['红.JPG', picture().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer(), 6],
    // 4:2:0 runs over the borders of the quarters
    ['a.jpeg', picture().jpeg({ quality: 95, progressive: true }).toBuffer(), 40],
    ['a.webp', picture().webp({ lossless: true }).toBuffer(), 0],
    ['a.tiff', picture().tiff({ compression: 'lzw' }).toBuffer(), 0],
    ['a.TIF', picture().tiff({ compression: 'none' }).toBuffer(), 0],
    ['a.avif', picture().avif({ quality: 90, chromaSubsampling: '4:4:4' }).toBuffer(), 8],
    ['palette.png', picture().png({ palette: true }).toBuffer(), 3],
    ['16.png', picture().toColourspace('rgb16').png().toBuffer(), 1],
    ['16.tiff', picture().toColourspace('rgb16').tiff({ compression: 'deflate' }).toBuffer(), 1],
    ['24.bmp', Promise.resolve(bmp(24)), 0],
    ['down.bmp', Promise.resolve(bmp(24, { topDown: true })), 0],
    ['32.bmp', Promise.resolve(bmp(32)), 0],
    ['masks.bmp', Promise.resolve(bmp(32, { bitfields: true })), 0],
    ['8.BMP', Promise.resolve(bmp(8)), 0],
    ['4.bmp', Promise.resolve(bmp(4)), 0],
    ['rle.bmp', Promise.resolve(bmp(8, { rle: true })), 0],
    ['16.bmp', Promise.resolve(bmp(16)), 8],
    ['lies.png', picture().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer(), 6],
    ['lies.jpg', Promise.resolve(bmp(24)), 0],
  ];
  for (const [name, bytes, tolerance] of formats) {
    const path = await save(name, await bytes);
    near(await centres(path), corners, tolerance, name);
    const { hash, ...rest } = await inspectImage(path);
    assert.deepEqual(rest, { width: W, height: H, notes: [] }, name);
    assert.match(hash, /^[0-9a-f]{64}$/);
  }
});

test('CMYK, with and without profile, comes out as RGB', async () => {
  const bytes = await picture()
    .toColourspace('cmyk')
    .jpeg({ quality: 95, chromaSubsampling: '4:4:4' })
    .toBuffer();
  assert.equal((await sharp(bytes).metadata()).space, 'cmyk');
  // inks cannot show every colour
  near(await centres(await save('cmyk.jpg', bytes)), corners, 64, 'cmyk.jpg');
  const tiff = await picture().toColourspace('cmyk').tiff({ compression: 'none' }).toBuffer();
  near(await centres(await save('cmyk.tiff', tiff)), corners, 64, 'cmyk.tiff');
});

test('greyscale of 8, 16 and 1 bits', async () => {
  const levels = [10, 90, 170, 240];
  const expected = levels.map((v) => [v, v, v]);
  const grey = Uint8Array.from(
    { length: W * H },
    (_, i) => levels[quarter(i % W, Math.floor(i / W))],
  );
  const source = (): Sharp =>
    sharp(grey, { raw: { width: W, height: H, channels: 1 } }).toColourspace('b-w');
  near(await centres(await save('g.png', source().png().toBuffer())), expected, 0, 'grey');
  near(
    await centres(await save('g.jpg', source().jpeg({ quality: 98 }).toBuffer())),
    expected,
    4,
    'grey jpeg',
  );
  const deep = await source().toColourspace('grey16').png().toBuffer();
  assert.equal((await sharp(deep).metadata()).depth, 'ushort');
  near(await centres(await save('g16.png', deep)), expected, 1, 'grey of 16 bits');
  const bits = await source().threshold(128).tiff({ bitdepth: 1, compression: 'none' }).toBuffer();
  near(
    await centres(await save('g1.tiff', bits)),
    [
      [0, 0, 0],
      [0, 0, 0],
      [255, 255, 255],
      [255, 255, 255],
    ],
    0,
    '1 bit',
  );
});

test('alpha lies on white, also at 16 bits and in a palette', async () => {
  const rgba = Uint8Array.from({ length: W * H * 4 }, (_, i) =>
    i % 4 === 3
      ? ([0, 255, 128, 255][quarter((i >> 2) % W, Math.floor((i >> 2) / W))] ?? 0)
      : i % 4 === 0
        ? 200
        : 0,
  );
  const source = (): Sharp => sharp(rgba, { raw: { width: W, height: H, channels: 4 } });
  const expected = [
    [255, 255, 255],
    [200, 0, 0],
    [227, 127, 127],
    [200, 0, 0],
  ];
  near(await centres(await save('alpha.png', source().png().toBuffer())), expected, 1, 'png');
  near(
    await centres(await save('alpha16.png', source().toColourspace('rgb16').png().toBuffer())),
    expected,
    1,
    'png 16',
  );
  near(
    await centres(
      await save('alpha.webp', source().webp({ lossless: true, exact: true }).toBuffer()),
    ),
    expected,
    1,
    'webp',
  );
  near(
    await centres(await save('alpha.png', source().png({ palette: true }).toBuffer())),
    expected,
    3,
    'palette',
  );
  near(
    await centres(
      await save(
        'alpha.avif',
        source().avif({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer(),
      ),
    ),
    expected,
    6,
    'avif',
  );
});

test('the eight EXIF orientations all come out upright', async () => {
  // How a picture must lie in the file so that orientation k turns it upright.
  const stored: Record<number, (s: Sharp) => Sharp> = {
    // sharp flips before it turns, whatever the order of the calls
    1: (s) => s,
    2: (s) => s.flop(),
    3: (s) => s.rotate(180),
    4: (s) => s.flip(),
    5: (s) => s.rotate(90).flip(),
    6: (s) => s.rotate(270),
    7: (s) => s.rotate(270).flip(),
    8: (s) => s.rotate(90),
  };
  for (const [orientation, turn] of Object.entries(stored)) {
    const turned = await turn(picture()).png().toBuffer();
    for (const format of ['jpeg', 'tiff', 'webp', 'png'] as const) {
      const bytes = await sharp(turned)
        .withMetadata({ orientation: Number(orientation) })
        .toFormat(format, {
          quality: 95,
          lossless: format === 'webp',
          chromaSubsampling: '4:4:4',
          compression: 'lzw',
        })
        .toBuffer();
      const path = await save(`exif${orientation}.${format}`, bytes);
      assert.deepEqual(await sizeOf(path), { width: W, height: H }, `${format} ${orientation}`);
      near(await centres(path), corners, 8, `${format} ${orientation}`);
      const cropped = await loadPicture(path, { resized: [W / 2, H / 2], crop: [0, 0, 4, 4] });
      near([[...cropped.rgb.subarray(0, 3)]], corners, 8, `${format} ${orientation} cropped`);
    }
  }
});

test('of an animation, the first frame', async () => {
  const second = Uint8Array.from(raw, (v) => 255 - v);
  const both = sharp(Buffer.concat([raw, second]), {
    raw: { width: W, height: 2 * H, channels: 3, pageHeight: H },
  });
  const bytes = await both.webp({ lossless: true, loop: 0, delay: [100, 100] }).toBuffer();
  assert.equal((await sharp(bytes).metadata()).pages, 2);
  const path = await save('动画.webp', bytes);
  assert.deepEqual(await sizeOf(path), { width: W, height: H });
  near(await centres(path), corners, 0, 'animation');
});

test('a cut-off file is an error in every format, wherever it is cut', async () => {
  const noise = Uint8Array.from(
    { length: 96 * 96 * 3 },
    (_, i) => (i * 7919 + ((i * i) >> 3)) % 256,
  );
  const big = (): Sharp => sharp(noise, { raw: { width: 96, height: 96, channels: 3 } });
  const whole: Record<string, Uint8Array> = {
    'c.jpg': await big().jpeg().toBuffer(),
    'c2.jpg': await big().jpeg({ progressive: true }).toBuffer(),
    'c.png': await big().png().toBuffer(),
    'c.webp': await big().webp().toBuffer(),
    'c.avif': await big().avif().toBuffer(),
    'c.tiff': await big().tiff({ compression: 'none' }).toBuffer(),
    'c2.tiff': await big().tiff({ compression: 'lzw' }).toBuffer(),
    'c.bmp': bmp(24),
  };
  for (const [name, bytes] of Object.entries(whole)) {
    for (const part of [0.02, 0.3, 0.6, 0.95]) {
      const path = await save(name, bytes.subarray(0, Math.floor(bytes.length * part)));
      await rejects(path, /: the file is cut off|: its content is not a picture/);
      await assert.rejects(inspectImage(path), DataError, `${name} cut at ${part}`);
    }
  }
});

test('empty, foreign and missing files say what is wrong', async () => {
  await rejects(await save('zero.png', new Uint8Array()), /empty \(0 bytes\)/);
  await rejects(
    await save('text.jpg', Buffer.from('this is no picture at all')),
    /it is a text file, not a picture/,
  );
  await rejects(
    await save(
      'svg.png',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ),
    /it is an SVG drawing/,
  );
  await rejects(join(folder, 'missing.png'), /does not exist/);
  await rejects(await save('bad.bmp', bmp(24).fill(255, 18, 22)), /makes no sense/);
  const beyond = bmp(8);
  beyond[54 + 4 * 5] = 200;
  await rejects(await save('palette.bmp', beyond), /names colour 200 of a palette of 5/);
  beyond.writeUInt32LE(0, 46); // as many as there can be
  await rejects(await save('palette2.bmp', beyond), /names colour 200 of a palette of 5/);
  const damaged = await picture().png().toBuffer();
  await rejects(await save('crc.png', damaged.fill(0x55, 60, 70)), /cannot be read: .*damaged/);
});

test('pixels are planes in [-1, 1], resized and cut as asked', async () => {
  const path = await save('p.png', picture().png().toBuffer());
  const pixels = await loadPixels(path, { resized: [12, 8], crop: [2, 1, 8, 6] });
  assert.equal(pixels.length, 3 * 8 * 6);
  assert.ok(Math.abs(pixels[0] - (200 / 127.5 - 1)) < 1e-6, 'red plane, top left');
  assert.ok(Math.abs(pixels[2 * 48 + 5 * 8] - (200 / 127.5 - 1)) < 1e-6, 'blue plane, bottom left');
  const enlarged = await loadPixels(path, { resized: [48, 32], crop: [0, 0, 48, 32] });
  assert.equal(enlarged.length, 3 * 48 * 32);
  assert.ok(
    enlarged.every((v) => v >= -1 && v <= 1),
    'range',
  );
});

test('shrinking is near the mean of the pixels covered', async () => {
  const smooth = Uint8Array.from(
    { length: 64 * 64 * 3 },
    (_, i) =>
      128 +
      Math.round(90 * Math.sin((Math.floor(i / 3) % 64) / 6) * Math.cos(Math.floor(i / 192) / 7)),
  );
  const path = await save('s.png', encodePng(smooth, 64, 64));
  const { rgb } = await loadPicture(path, { resized: [32, 32], crop: [0, 0, 32, 32] });
  for (let y = 2; y < 30; y++) {
    for (let x = 2; x < 30; x++) {
      const mean =
        [0, 1]
          .flatMap((dy) => [0, 1].map((dx) => smooth[((2 * y + dy) * 64 + 2 * x + dx) * 3]))
          .reduce((a, b) => a + b) / 4;
      assert.ok(Math.abs(rgb[(y * 32 + x) * 3] - mean) < 4, `${x} ${y}`);
    }
  }
});

test('SVG renders at the size asked, on white', async () => {
  const rgb = await renderSvg(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><rect width="1" height="1" fill="#102030"/></svg>',
    20,
    10,
  );
  assert.deepEqual([...rgb.subarray(0, 3)], [16, 32, 48]);
  assert.deepEqual([...rgb.subarray(57, 60)], [255, 255, 255]);
});

/** The picture as a Windows bitmap. */
function bmp(bits: number, { topDown = false, bitfields = false, rle = false } = {}): Buffer {
  const palette = bits <= 8 ? [...corners, [9, 9, 9]] : [];
  const size = bitfields ? 56 : 40;
  const head = Buffer.alloc(14 + size + palette.length * 4);
  head.write('BM');
  head.writeUInt32LE(head.length, 10);
  head.writeUInt32LE(size, 14);
  head.writeInt32LE(W, 18);
  head.writeInt32LE(topDown ? -H : H, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(bits, 28);
  head.writeUInt32LE(rle ? 1 : bitfields ? 3 : 0, 30);
  head.writeUInt32LE(palette.length, 46);
  if (bitfields)
    [0xff000000, 0xff0000, 0xff00, 0xff].forEach((mask, i) => head.writeUInt32LE(mask, 54 + 4 * i));
  palette.forEach(([r = 0, g = 0, b = 0], i) => head.set([b, g, r, 0], 14 + size + 4 * i));
  const rows = Array.from({ length: H }, (_, y) =>
    row(bits, topDown ? y : H - 1 - y, bitfields, rle),
  );
  return Buffer.concat([head, ...rows, Buffer.from(rle ? [0, 1] : [])]);
}

function row(bits: number, y: number, bitfields: boolean, rle: boolean): Buffer {
  const [left, right] = [quarter(0, y), quarter(W - 1, y)];
  if (rle) return Buffer.from([W / 2, left, 0, W / 2, ...Array<number>(W / 2).fill(right), 0, 0]);
  const out = Buffer.alloc(Math.ceil((W * bits) / 32) * 4);
  for (let x = 0; x < W; x++) {
    const q = quarter(x, y);
    const [r = 0, g = 0, b = 0] = corners[q] ?? [];
    if (bits === 4) out[x >> 1] |= q << (x % 2 === 0 ? 4 : 0);
    else if (bits === 8) out[x] = q;
    else if (bits === 16) out.writeUInt16LE(((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3), 2 * x);
    else if (bits === 24) out.set([b, g, r], 3 * x);
    else out.set(bitfields ? [255, b, g, r] : [b, g, r, 0], 4 * x);
  }
  return out;
}
