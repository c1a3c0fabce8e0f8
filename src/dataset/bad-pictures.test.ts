// Bad pictures side by side: each has its own reason, the same in a folder, alone, and every time.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { DataError } from '../errors.ts';
import { crc32 } from '../util/crc.ts';
import { readImageFolder } from './folder.ts';
import { inspectImage } from './image.ts';
import { ftyp, heif, isoBox, tiffFile } from './testing/picture-files.ts';

const root = mkdtempSync(join(tmpdir(), 'bad pictures '));
after(() => rmSync(root, { recursive: true, force: true }));

const side = 96;
const noise = Uint8Array.from(
  { length: side * side * 3 },
  (_, i) => (i * 7919 + ((i * i) >> 3)) % 256,
);
const picture = (): Sharp => sharp(noise, { raw: { width: side, height: side, channels: 3 } });
const whole = {
  png: await picture().png().toBuffer(),
  jpg: await picture().jpeg().toBuffer(),
  progressive: await picture().jpeg({ progressive: true }).toBuffer(),
  icc: await picture().withIccProfile('p3').jpeg().toBuffer(),
  webp: await picture().webp().toBuffer(),
  avif: await picture().avif().toBuffer(),
  tiff: await picture().tiff({ compression: 'lzw' }).toBuffer(),
  gif: await picture().gif().toBuffer(),
};

const part = (bytes: Uint8Array, share: number) =>
  bytes.subarray(0, Math.floor(bytes.length * share));
/** The bytes of a stretch, in shares of the file, overwritten. */
function damaged(bytes: Uint8Array, from: number, to: number, value = 0x55): Uint8Array {
  const [start, end] = [from, to].map((share) => Math.floor(bytes.length * share));
  return Uint8Array.from(bytes).fill(value, start, end);
}
/** A PNG whose header says that it is so large. */
function lyingPng(width: number, height: number): Uint8Array {
  const bytes = Buffer.from(whole.png);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return bytes;
}
/** A PNG in several parts of data, the last of them with a wrong check sum. */
function withBadLastPart(): Uint8Array {
  const end = whole.png.subarray(whole.png.length - 12);
  const at = whole.png.indexOf('IDAT') - 4;
  const length = whole.png.readUInt32BE(at);
  const data = whole.png.subarray(at + 8, at + 8 + length);
  const cut = data.length - 20;
  const parts = [data.subarray(0, cut), data.subarray(cut)].map((content) => {
    const named = Buffer.concat([Buffer.from('IDAT'), content]);
    const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(content.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([size, named, sum]);
  });
  parts[1][parts[1].length - 1] ^= 1;
  return Buffer.concat([whole.png.subarray(0, at), ...parts, end]);
}
const ascii = (text: string) => Buffer.from(text, 'latin1');

const notRead = (name: string) => new RegExp(`: it is ${name}, which is not supported$`);
const HEIC = notRead('a HEIC picture, as iPhones take them');
const RAW = notRead('a raw photo, as cameras store them');
const zeros = Buffer.alloc(60);
const shot = (photometric: number, tags: { readonly [tag: number]: number } = {}) =>
  tiffFile({
    width: 4,
    height: 4,
    channels: 1,
    numbers: Uint8Array.from({ length: 16 }, (_, i) => 9 * i),
    tags: { 262: photometric, ...tags },
  });
/** As many cameras store them: a small picture first, the photo in a directory below it. */
function withPhotoBelow(): Uint8Array {
  const inner = shot(32803);
  const first = shot(1, { 254: 1, 330: 0 });
  const at = first.length;
  const entries = first.readUInt16LE(8);
  for (let i = 0; i < entries; i++)
    if (first.readUInt16LE(10 + 12 * i) === 330) first.writeUInt32LE(at, 18 + 12 * i);
  return Buffer.concat([first, inner.subarray(8)]);
}

/** Files of other formats under names of pictures. */
const foreign: { readonly [name: string]: readonly [Uint8Array, RegExp] } = {
  'heic brand.jpg': [heif('hvc1', 'heic', 'mif1', 'heic'), HEIC],
  'mif1 heic.jpg': [ftyp('mif1', 'mif1', 'heic'), HEIC],
  'msf1 hevc.jpg': [ftyp('msf1', 'msf1', 'hevc'), HEIC],
  'mif1 alone.png': [heif('hvc1', 'mif1', 'mif1', 'miaf'), HEIC],
  // iPhones store large photos as tiles
  'mif1 of tiles.png': [heif(['grid', 'hvc1', 'hvc1'], 'mif1', 'mif1', 'miaf'), HEIC],
  'avif brand on tiles.png': [heif(['grid', 'hvc1'], 'mif1', 'avif'), HEIC],
  'avif brand on heic.png': [heif('hvc1', 'mif1', 'avif'), HEIC],
  'mif1 unknown.png': [ftyp('mif1', 'miaf'), notRead('a HEIF picture')],
  'mif1 jpeg.png': [heif('jpeg', 'mif1', 'jpeg'), notRead('a HEIF picture of the kind jpeg')],
  'avis only.avif': [
    Buffer.concat([
      ftyp('avis', 'avis', 'msf1'),
      isoBox(
        'moov',
        isoBox(
          'trak',
          isoBox('mdia', isoBox('minf', isoBox('stbl', isoBox('stsz', zeros.fill(1, 8, 12))))),
        ),
      ),
    ]),
    notRead('an AVIF animation without a still picture'),
  ],
  'jxl.png': [Buffer.from([0xff, 0x0a, 0xfa, 0x1f, 1, 2]), notRead('a JPEG XL picture')],
  'jxl box.jpg': [
    Buffer.concat([isoBox('JXL ', Buffer.from([13, 10, 0x87, 10])), ftyp('jxl ', 'jxl ')]),
    notRead('a JPEG XL picture'),
  ],
  'jp2.jpg': [isoBox('jP  ', Buffer.from([13, 10, 0x87, 10])), notRead('a JPEG 2000 picture')],
  'j2k.jpg': [ascii('\xff\x4f\xff\x51\0\x2f'), notRead('a JPEG 2000 picture')],
  'no end.jpg': [
    whole.jpg.subarray(0, whole.jpg.length - 2),
    /: the file is cut off: it ends after \d+ bytes, without the two \(FF D9\) that end every JPEG$/,
  ],
  'no end progressive.jpg': [
    whole.progressive.subarray(0, whole.progressive.length - 2),
    /: the file is cut off: .*without the two \(FF D9\)/,
  ],
  'zeros for an end.jpg': [
    Buffer.concat([whole.jpg.subarray(0, whole.jpg.length - 2), zeros.subarray(0, 5)]),
    /: the file is cut off: .*without the two \(FF D9\)/,
  ],
  '12 bits.jpg': [
    Buffer.concat([
      Buffer.from([0xff, 0xd8, 0xff, 0xc1, 0, 11, 12, 0, 9, 0, 9, 1, 1, 0x11, 0]),
      Buffer.from([0xff, 0xd9]),
    ]),
    notRead('a JPEG of 12 bits a channel'),
  ],
  'icon.png': [Buffer.from([0, 0, 1, 0, 1, 0, 16, 16, 0, 0]), notRead('an icon \\(ICO\\)')],
  'targa.png': [
    Buffer.concat([Buffer.from([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 9, 0, 24, 0x20]), zeros]),
    notRead('a TGA picture'),
  ],
  'portable.png': [ascii('P6\n9 9\n255\n\x01\x02\xff'), notRead('a PPM picture')],
  'document.jpg': [ascii('%PDF-1.7\n%\xe2\xe3'), /: it is a PDF, not a picture$/],
  'canon.jpg': [Buffer.concat([ascii('II*\0\x10\0\0\0CR\x02\0'), zeros]), RAW],
  'canon 3.jpg': [ftyp('crx ', 'crx ', 'isom'), RAW],
  'fuji.jpg': [ascii('FUJIFILMCCD-RAW 0201'), RAW],
  'filters.tif': [shot(32803), RAW],
  'linear.tif': [shot(34892), RAW],
  'adobe.tif': [shot(1, { 50706: 0x104 }), RAW],
  'nikon.tif': [withPhotoBelow(), RAW],
  'clip.jpg': [ftyp('qt  ', 'qt  '), /: it is a video, not a picture$/],
  'old clip.jpg': [isoBox('wide'), /: it is a video, not a picture$/],
  'webm.jpg': [ascii('\x1a\x45\xdf\xa3\x93\x42\x82\x88webm'), /: it is a video, not a picture$/],
  'page with comments.jpg': [
    ascii(`\xef\xbb\xbf\n<!-- ${'x'.repeat(900)} --><html lang="en">`),
    /: it is a web page, not a picture$/,
  ],
  'drawing with comments.png': [
    ascii(`<?xml version="1.0"?><!-- ${'x'.repeat(2000)} --><svg xmlns="">`),
    notRead('an SVG drawing'),
  ],
  'denied.jpg': [
    ascii('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'),
    /: it is a server's error message, not a picture$/,
  ],
};

/** The version of the brands stands between them, and may be the letters of one. */
function withVersion(version: string, file: Buffer): Buffer {
  const bytes = Buffer.from(file);
  bytes.write(version, 12, 'latin1');
  return bytes;
}

/** Bad files, with what is said of each. */
const bad: { readonly [name: string]: readonly [Uint8Array, RegExp] } = {
  'empty.png': [new Uint8Array(), /: the file is empty \(0 bytes\)$/],
  'zeros.jpg': [new Uint8Array(5000), /holds nothing but zeros/],
  'cut.png': [part(whole.png, 0.6), /: the file is cut off: it ends after \d+ bytes/],
  'cut.jpg': [part(whole.jpg, 0.6), /: the file is cut off: it ends after \d+ bytes/],
  'cut progressive.jpg': [part(whole.progressive, 0.3), /: the file is cut off/],
  'cut icc.jpg': [part(whole.icc, 0.8), /: the file is cut off/],
  'cut.webp': [part(whole.webp, 0.7), /: the file is cut off/],
  'cut.avif': [part(whole.avif, 0.7), /: the file is cut off/],
  'cut.tiff': [part(whole.tiff, 0.7), /: the file is cut off/],
  'cut.gif': [part(whole.gif, 0.7), /: the file is cut off/],
  'checksum.png': [
    damaged(whole.png, 0.45, 0.55),
    /: the file is damaged somewhere between byte \d+ and byte \d+ of \d+$/,
  ],
  'header.png': [
    damaged(whole.png, 12 / whole.png.length, 16 / whole.png.length),
    /: the file is damaged at the beginning/,
  ],
  'end.png': [withBadLastPart(), /: the file is damaged at the end, between byte/],
  'tail of zeros.jpg': [
    damaged(whole.jpg, 0.7, 1, 0),
    /: the file is damaged at the end: its last \d+ of \d+ bytes are zeros/,
  ],
  'tail of zeros.png': [damaged(whole.png, 0.5, 1, 0), /damaged at the end: its last \d+ of/],
  'middle.jpg': [damaged(whole.jpg, 0.01, 0.03), /: the file is damaged/],
  'middle.webp': [damaged(whole.webp, 0.02, 0.9, 0xff), /damaged: it begins as WEBP,/],
  'text.jpg': [ascii('a red cat on a mat\n'), /: it is a text file, not a picture$/],
  'page.png': [ascii('<!DOCTYPE html><title>403'), /: it is a web page, not a picture$/],
  'drawing.png': [ascii('<?xml version="1.0"?>\n<svg width="9"/>'), /: it is an SVG drawing/],
  'phone.jpg': [ftyp('heic', 'mif1', 'heic'), HEIC],
  'phone of version avif.jpg': [withVersion('avif', ftyp('mif1', 'mif1', 'heic')), HEIC],
  'film of version heic.jpg': [
    withVersion('heic', ftyp('isom', 'isom', 'mp41')),
    /: it is a video, not a picture$/,
  ],
  'film.png': [ascii('\0\0\0\x18ftypisom\0\0\0\0isommp41    '), /: it is a video/],
  'layers.png': [ascii('8BPS\0\x01\0\0\0\0\0\0\0\x03'), /: it is a Photoshop file/],
  'large.png': [lyingPng(100_000, 90_000), /too large: 100000x90000 are more than 268 million/],
  'archive.png': [ascii('PK\x03\x04\x14\0\0\0'), /: it is a zip file/],
  'pointer.png': [ascii('version https://git-lfs.github.com/spec/v1\noid'), /a Git LFS pointer/],
  ...foreign,
  'random.png': [
    Uint8Array.from(noise.subarray(0, 4000), (v, i) => v ^ (i * 31)),
    /content is not/,
  ],
};

const library = /vips|libpng|libjpeg|VipsJpeg|webp2|heif:|tiff2|Input buffer|unsupported image/i;

test("bad pictures had each other's reasons, in the words of the decoder", async () => {
  const folder = join(root, 'many');
  mkdirSync(folder);
  for (const [name, [bytes]] of Object.entries(bad)) writeFileSync(join(folder, name), bytes);
  // the same ones again, and sound ones between them: more at once, in another order
  for (let i = 0; i < 3; i++)
    for (const [name, [bytes]] of Object.entries(bad)) {
      writeFileSync(join(folder, `${i} ${name}`), bytes);
      writeFileSync(join(folder, `${i} ${name} sound.png`), whole.png);
    }
  const rows = Object.keys(bad).flatMap((name) => [
    name,
    ...[0, 1, 2].flatMap((i) => [`${i} ${name}`, `${i} ${name} sound.png`]),
  ]);
  writeFileSync(
    join(folder, 'metadata.csv'),
    `file_name,text\n${rows.map((n) => `"${n}",x`).join('\n')}\n`,
  );
  let first: string | undefined;
  for (let run = 0; run < 2; run++) {
    const error = await readImageFolder({ trainDataDir: folder }).catch((e: unknown) => e);
    assert.ok(error instanceof DataError);
    first ??= error.message;
    assert.equal(error.message, first, `run ${run}`);
    let [named, counted] = [0, 0];
    for (const { where, what, fix = '' } of error.problems) {
      assert.doesNotMatch(what + fix, library, where);
      const names = where.replace(/ and \d+ more \(\d+ in all\)$/, '').split(', ');
      for (const name of names)
        assert.match(what, bad[basename(name).replace(/^\d /, '')][1], where);
      named += names.length;
      counted += Number(/\((\d+) in all\)$/.exec(where)?.[1] ?? names.length);
    }
    assert.equal(counted, 4 * Object.keys(bad).length, 'accepted');
    assert.ok(named <= counted / 2, `${named} of ${counted} are named, one by one`);
  }
});

test('pictures that are decoded beside each other have each its own reason', async () => {
  const names = Object.keys(bad).flatMap((name) => [name, `0 ${name} sound.png`, `1 ${name}`]);
  const found = await Promise.all(
    names.map((name) => inspectImage(join(root, 'many', name)).catch((e: unknown) => e)),
  );
  names.forEach((name, i) => {
    const error = found[i];
    if (name.endsWith('sound.png')) return assert.ok(!(error instanceof Error), name);
    assert.ok(error instanceof DataError, name);
    assert.match(error.problems[0].what, bad[name.replace(/^\d /, '')][1], name);
  });
});

test('alone a bad picture has the same reason as in a folder', async () => {
  for (const [name, [bytes, reason]] of Object.entries(bad)) {
    const path = join(root, name);
    writeFileSync(path, bytes);
    const error = await inspectImage(path).catch((e: unknown) => e);
    assert.ok(error instanceof DataError, name);
    assert.match(error.problems[0].what, reason, name);
  }
});

/** In an order of its own for each seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const order = items.map((item, i) => ({ item, key: ((i + 1) * (2 * seed + 1) * 7919) % 1009 }));
  return order.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

test('in any order, any number at once, and beside sound ones, reasons are the same', async () => {
  const folder = join(root, 'shuffled');
  mkdirSync(folder);
  for (const [name, [bytes]] of Object.entries(bad)) writeFileSync(join(folder, name), bytes);
  const sound = ['a.jpg', 'b.png', 'c.avif', 'd.webp'].map((name) => join(folder, `sound ${name}`));
  [whole.jpg, whole.png, whole.avif, whole.webp].forEach((bytes, i) =>
    writeFileSync(sound[i], bytes),
  );
  const paths = Object.keys(bad).flatMap((name, i) => [join(folder, name), sound[i % 4]]);
  for (const [seed, atOnce] of [1, 3, 16, 200].entries()) {
    const queue = shuffled(paths, seed);
    const worker = async (): Promise<void> => {
      for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
        const error = await inspectImage(path).then(
          () => undefined,
          (e: unknown) => e,
        );
        const where = `${atOnce} at once: ${path}`;
        if (sound.includes(path)) assert.equal(error, undefined, where);
        else {
          assert.ok(error instanceof DataError, where);
          assert.match(error.problems[0].what, bad[basename(path)][1], where);
        }
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
  }
});

test('a TIFF whose compression is not known is not called damaged', async () => {
  const numbers = noise.subarray(0, 12 * 8 * 3);
  for (const [code, name] of [
    [50000, 'Zstandard'],
    [34887, 'LERC'],
    [34925, 'LZMA'],
    [50001, 'WebP'],
    [33005, 'JPEG 2000'],
    [50002, 'JPEG XL'],
  ] as const) {
    const path = join(root, `${code}.tif`);
    writeFileSync(
      path,
      tiffFile({ width: 12, height: 8, channels: 3, numbers, tags: { 259: code } }),
    );
    await assert.rejects(inspectImage(path), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(
        error.problems[0].what,
        new RegExp(`its pixels are compressed with ${name}, which`),
      );
      return true;
    });
  }
});

test('a picture of another format that was only renamed: converting is advised, not the name', async () => {
  for (const [name, bytes] of [
    ['phone.jpg', heif('hvc1', 'heic', 'mif1')],
    ['jxl.png', Buffer.from('\xff\x0a and more', 'latin1')],
  ] as const) {
    const path = join(root, name);
    writeFileSync(path, bytes);
    await assert.rejects(inspectImage(path), (error) => {
      assert.ok(error instanceof DataError);
      const ending = name.slice(-4);
      assert.match(
        error.problems[0].fix ?? '',
        new RegExp(`Convert.*ends in \\${ending}, but that`),
      );
      return true;
    });
  }
});
