// Pictures whose files name another colour space or depth: reference/colour_spaces.py goes from
// sRGB to each space, and its numbers must come back as those colours.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import sharp, { type AvifOptions } from 'sharp';
import { DataError } from '../errors.ts';
import { inspectImage, loadPicture } from './image.ts';
import {
  chrm,
  cicp,
  gama,
  iccp,
  pngChunk,
  pngFile,
  tiffFile,
  withCodesInData,
  tableProfile,
  withNclx,
  type PngPixels,
  type TiffPage,
} from './testing/picture-files.ts';

type Rows = readonly (readonly number[])[];
interface Golden {
  readonly targets: Rows;
  readonly codes: {
    readonly [name: string]: {
      readonly primaries: number;
      readonly transfer: number;
      readonly signals: Rows;
    };
  };
  readonly chunks: {
    readonly [name: string]: {
      readonly gamma: number;
      readonly primaries?: Rows;
      readonly signals: Rows;
    };
  };
  readonly profiles: { readonly [name: string]: { readonly icc: string; readonly signals: Rows } };
}
const golden = JSON.parse(
  readFileSync(new URL('../../reference/golden/colour_spaces.json', import.meta.url), 'utf8'),
) as Golden; // what the script writes

const folder = mkdtempSync(join(tmpdir(), 'colours '));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Each colour is a square of so many pixels. */
const SIDE = 16;
const [width, height] = [SIDE * golden.targets.length, SIDE];

/** The picture of these colours, in whole numbers up to `white`. */
const pixels = (signals: Rows, white = 1): number[] =>
  Array.from({ length: width * height }, (_, i) => signals[Math.floor((i % width) / SIDE)])
    .flat()
    .map((value) => (white === 1 ? value : Math.round(value * white)));

const pngOf = (signals: Rows, bits: 8 | 16): PngPixels => ({
  width,
  height,
  channels: signals[0].length,
  bits,
  numbers: pixels(signals, 2 ** bits - 1),
});
const tiffOf = (numbers: TiffPage['numbers'], more: Partial<TiffPage> = {}): Buffer =>
  tiffFile({ width, height, channels: numbers.length / width / height, numbers, ...more });

async function avifOf(
  signals: Rows,
  bitdepth: AvifOptions['bitdepth'],
  options: AvifOptions = { lossless: true },
): Promise<Buffer> {
  const raw = { width, height, channels: 3 } as const;
  return sharp(Uint16Array.from(pixels(signals, 65535)), { raw })
    .toColourspace('rgb16')
    .avif({ ...options, bitdepth, effort: 0 })
    .toBuffer();
}

let count = 0;
function saved(bytes: Uint8Array): string {
  const path = join(folder, `${count++}`);
  writeFileSync(path, bytes);
  return path;
}

const whats = async (bytes: Uint8Array): Promise<string[]> =>
  (await inspectImage(saved(bytes))).notes.map(({ what }) => what);

async function refusal(bytes: Uint8Array): Promise<string> {
  const error = await inspectImage(saved(bytes)).catch((e: unknown) => e);
  assert.ok(error instanceof DataError, String(error));
  return error.problems[0].what;
}

/** The greatest difference from the colours, in the middle of each square. */
async function off(bytes: Uint8Array, targets = golden.targets): Promise<number> {
  const { rgb } = await loadPicture(saved(bytes));
  const row = (SIDE / 2) * width;
  return Math.max(
    ...targets.flatMap((colour, square) =>
      colour.map((value, c) => Math.abs(rgb[3 * (row + (square + 0.5) * SIDE) + c] - value)),
    ),
  );
}

/**
 * 16 bits leave rounding alone; of 8 and 10 bits, a step near the edge of a wide space is several
 * of sRGB: so far the numbers themselves lie apart.
 */
const TOLERANCES = { 8: 7, 10: 4, 12: 2, 16: 1 } as const;

for (const [name, { primaries, transfer, signals }] of Object.entries(golden.codes)) {
  test(`a PNG's cICP was not read: ${name} was trained in wrong colours`, async () => {
    const isSteep = transfer === 8; // linear light has few numbers for what is dark
    for (const bits of isSteep ? ([16] as const) : ([8, 16] as const)) {
      const bytes = pngFile(pngOf(signals, bits), cicp(primaries, transfer));
      const found = await off(bytes);
      assert.ok(found <= TOLERANCES[bits], `${bits} bits: ${found}`);
    }
  });

  test(`AVIF's nclx was not read: ${name} was trained in wrong colours`, async () => {
    const isSteep = transfer === 8 || transfer === 16;
    for (const bits of isSteep ? ([12] as const) : ([8, 10, 12] as const)) {
      const bytes = withNclx(await avifOf(signals, bits), primaries, transfer);
      const found = await off(bytes);
      assert.ok(found <= TOLERANCES[bits] + 4, `${bits} bits: ${found}`); // lossless, but in YCbCr
    }
  });

  test(`codes in AV1's own head, without a colr box, were not read: ${name}`, async () => {
    const bits = transfer === 8 || transfer === 16 ? 12 : 8;
    // not lossless: of that, the head is another where the codes are those of sRGB
    const plain = await avifOf(signals, bits, { quality: 100, chromaSubsampling: '4:4:4' });
    const found = await off(withCodesInData(plain, primaries, transfer));
    assert.ok(found <= TOLERANCES[bits] + 4, `${found}`);
  });
}

for (const [name, { gamma, primaries, signals }] of Object.entries(golden.chunks))
  test(`a PNG's ${name} were not read`, async () => {
    const chunks = [gama(gamma), ...(primaries === undefined ? [] : [chrm(primaries)])];
    assert.ok((await off(pngFile(pngOf(signals, 16), ...chunks))) <= 1);
    assert.ok((await off(pngFile(pngOf(signals, 8), ...chunks))) <= 4);
    const srgb = pngFile(
      pngOf(golden.codes.sRGB.signals, 8),
      pngChunk('sRGB', Buffer.alloc(1)),
      ...chunks,
    );
    assert.equal(await off(srgb), 0, 'sRGB wins');
  });

for (const [name, { icc, signals }] of Object.entries(golden.profiles)) {
  const profile = Buffer.from(icc, 'base64');
  const isGrey = signals[0].length === 1;
  const targets = isGrey ? golden.targets.map(([, g]) => [g, g, g]) : golden.targets;
  test(`of 16 bits a channel, or of fractions, the profile was lost: ${name}`, async () => {
    const deep = Uint16Array.from(pixels(signals, 65535));
    const files = {
      'png 16': pngFile(pngOf(signals, 16), iccp(profile)),
      'tiff 16': tiffOf(deep, { profile }),
      'tiff of fractions': tiffOf(Float32Array.from(pixels(signals)), { profile }),
    };
    for (const [file, bytes] of Object.entries(files)) {
      const found = await off(bytes, targets);
      assert.ok(found <= 1, `${file}: ${found}`);
      assert.deepEqual(await whats(bytes), [], file);
    }
  });
  test(`of 8 bits, the profile counts: ${name}`, async () => {
    if (name === 'linear sRGB') return; // 8 bits are too few for what is dark
    const bytes = pngFile(pngOf(signals, 8), iccp(profile));
    const found = await off(bytes, targets);
    assert.ok(found <= 4, `${found}`); // Little CMS, see the reference
  });
}

test('cICP counts more than iCCP, iCCP more than gAMA', async () => {
  const { 'Display P3': p3 } = golden.codes;
  const adobe = iccp(Buffer.from(golden.profiles['Adobe RGB'].icc, 'base64'));
  assert.ok((await off(pngFile(pngOf(p3.signals, 16), cicp(12, 13), adobe, gama(100_000)))) <= 1);
  const signals = golden.profiles['Adobe RGB'].signals;
  assert.ok((await off(pngFile(pngOf(signals, 16), adobe, gama(100_000)))) <= 1);
});

test('a picture in another space is the same when it is scaled, turned and transparent', async () => {
  const { signals } = golden.codes['Display P3'];
  const clear = signals.map((row) => [...row, 128 / 255]);
  const onWhite = golden.targets.map((row) => row.map((v) => 255 + ((v - 255) * 128) / 255));
  assert.ok((await off(pngFile(pngOf(clear, 16), cicp(12, 13)), onWhite)) <= 1);
  const path = saved(pngFile(pngOf(signals, 16), cicp(12, 13)));
  const small = await loadPicture(path, {
    resized: [width / 2, height / 2],
    crop: [SIDE / 2, 0, SIDE / 2, SIDE / 2],
  });
  const middle = 3 * ((SIDE / 4) * (SIDE / 2) + SIDE / 4);
  const [, second] = golden.targets;
  small.rgb.subarray(middle, middle + 3).forEach((v, c) => assert.ok(Math.abs(v - second[c]) <= 1));
});

test('HDR, curves of video and unknown codes are told', async () => {
  const png = (...codes: [number, number, number?]) =>
    whats(pngFile(pngOf(golden.codes.sRGB.signals, 8), cicp(...codes)));
  assert.match((await png(9, 16))[0], /^an HDR picture: 203 cd\/m² becomes white/);
  assert.match((await png(9, 18))[0], /^an HDR picture/);
  assert.match((await png(1, 1))[0], /the curve of video \(BT\.709\), which is taken as sRGB's/);
  assert.match((await png(99, 13))[0], /of a kind that is not known, and are taken as sRGB/);
  assert.match((await png(1, 13, 1))[0], /of a kind that is not known/);
  assert.deepEqual(await png(12, 13), []);
  assert.deepEqual(await png(2, 2), []);
});

/** What a camera set to Adobe RGB adds behind the first two bytes of a JPEG. DCF 2.0 */
function exifOf(colourSpace: number, name: string): Buffer {
  const directory = (
    ...entries: readonly (readonly [tag: number, type: number, value: Buffer])[]
  ) =>
    Buffer.concat([
      Buffer.from([entries.length, 0]),
      ...entries.map(([tag, type, value]) => {
        const head = Buffer.alloc(8);
        head.writeUInt16LE(tag, 0);
        head.writeUInt16LE(type, 2);
        head.writeUInt32LE(type === 2 ? 4 : 1, 4);
        return Buffer.concat([head, value]);
      }),
      Buffer.alloc(4),
    ]);
  const short = (value: number) => Buffer.from([value & 255, value >> 8, 0, 0]);
  const tiff = Buffer.concat([
    Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0]),
    directory([0x8769, 4, short(26)]), // 18 bytes, from 8 on
    directory([0xa001, 3, short(colourSpace)], [0xa005, 4, short(56)]), // 30 bytes
    directory([1, 2, Buffer.from(`${name}\0`)]),
  ]);
  const data = Buffer.concat([Buffer.from('Exif\0\0'), tiff]);
  return Buffer.concat([Buffer.from([0xff, 0xe1, 0, data.length + 2]), data]);
}

test('a photo in Adobe RGB that says so by R03 alone was trained as sRGB', async () => {
  const raw = { width, height, channels: 3 } as const;
  const photo = async (signals: Rows, exif: Buffer) => {
    const numbers = Uint8Array.from(pixels(signals, 255));
    const jpeg = sharp(numbers, { raw }).jpeg({ quality: 100, chromaSubsampling: '4:4:4' });
    const bytes = await jpeg.toBuffer();
    return Buffer.concat([bytes.subarray(0, 2), exif, bytes.subarray(2)]);
  };
  const { signals } = golden.profiles['Adobe RGB'];
  const asAdobe = await off(await photo(signals, exifOf(0xffff, 'R03')));
  assert.ok(asAdobe <= 8, `${asAdobe}`);
  for (const exif of [exifOf(1, 'R98'), exifOf(1, 'R03'), exifOf(0xffff, 'R98')]) {
    const asSrgb = await off(await photo(golden.codes.sRGB.signals, exif));
    assert.ok(asSrgb <= 3, `${asSrgb}`);
  }
});

test('narrow range: black is 16 and white 235', async () => {
  const narrow = golden.codes.sRGB.signals.map((row) => row.map((v) => (16 + 219 * v) / 255));
  assert.ok((await off(pngFile(pngOf(narrow, 8), cicp(1, 13, 0, 0)))) <= 1);
});

/** Lab of the corners of a cube of colours that are more vivid than those of sRGB. */
const CORNERS = [
  [0, 0, 0],
  [32, 70, -110],
  [86, -110, 95],
  [90, -75, -20],
  [56, 95, 85],
  [62, 105, -65],
  [97, -25, 110],
  [100, 0, 0],
];

test('of 16 bits a channel, a profile that is a table was applied only halfway, to Display P3', async () => {
  const { signals } = golden.codes.sRGB;
  const icc = iccp(tableProfile(CORNERS));
  const colours = async (file: Buffer) => [...(await loadPicture(saved(file))).rgb];
  const apart = (a: readonly number[], b: readonly number[]): number =>
    Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  const of8 = await colours(pngFile(pngOf(signals, 8), icc));
  const deep = Uint16Array.from(pixels(signals, 65535));
  for (const file of [
    pngFile(pngOf(signals, 16), icc),
    tiffOf(deep, { profile: tableProfile(CORNERS) }),
  ]) {
    assert.ok(apart(await colours(file), of8) <= 2, String(apart(await colours(file), of8)));
    assert.deepEqual(await whats(file), []);
  }
  assert.ok(apart(of8, pixels(signals, 255)) > 20, 'the profile counts');
});

test('a profile that PNG does not allow, for Lab or of RGB for grey, was called damaged', async () => {
  const { signals } = golden.codes.sRGB;
  for (const space of ['Lab', 'CMYK', 'XYZ', 'GRAY'])
    for (const bits of [8, 16] as const) {
      const file = pngFile(pngOf(signals, bits), iccp(tableProfile(CORNERS, space)));
      assert.equal(await off(file), 0, space);
      const { notes } = await inspectImage(saved(file));
      assert.match(notes[0].what, /^its colour profile is made for pictures of another kind/);
      assert.equal(notes[0].detail, `a profile for ${space}`);
    }
  const { icc, signals: adobe } = golden.profiles['Adobe RGB'];
  const greys = adobe.map(([, g]) => [g]);
  const grey = pngFile(pngOf(greys, 8), iccp(Buffer.from(icc, 'base64')));
  const same = pngFile(
    pngOf(
      greys.map(([g]) => [g, g, g]),
      8,
    ),
    iccp(Buffer.from(icc, 'base64')),
  );
  const [one, other] = [await loadPicture(saved(grey)), await loadPicture(saved(same))];
  one.rgb.forEach((value, i) => assert.ok(Math.abs(value - other.rgb[i]) <= 2));
  assert.deepEqual(await whats(grey), []);
});

test('a damaged or foreign profile is told, and the colours are those of the numbers', async () => {
  const { signals } = golden.codes.sRGB;
  const adobe = Buffer.from(golden.profiles['Adobe RGB'].icc, 'base64');
  const grey = Buffer.from(golden.profiles['grey of gamma 1.8'].icc, 'base64');
  const bytes = Uint8Array.from(pixels(signals, 255));
  const damaged = {
    short: tiffOf(bytes, { profile: adobe.subarray(0, 200) }),
    noise: tiffOf(bytes, { profile: Buffer.alloc(300, 7) }),
    'not unpacked': pngFile(pngOf(signals, 8), pngChunk('iCCP', Buffer.from('x\0\0notzlib'))),
    'cut off, 16 bits': pngFile(pngOf(signals, 16), iccp(adobe.subarray(0, 200))),
  };
  for (const [name, file] of Object.entries(damaged)) {
    assert.equal(await off(file), 0, name);
    assert.match((await whats(file))[0], /its colour profile is damaged/, name);
  }
  const foreign = tiffOf(bytes, { profile: grey });
  assert.equal(await off(foreign), 0);
  assert.match((await whats(foreign))[0], /profile is made for pictures of another kind/);
});

test('a TIFF of floats from 0 to 1 was trained as black', async () => {
  const { signals } = golden.codes.sRGB;
  const grey = golden.targets.map(([, g]) => [g, g, g]);
  const greys = golden.targets.map(([, g]) => [g / 255]);
  const files: readonly (readonly [string, Buffer, Rows?])[] = [
    ['0 to 1', tiffOf(Float32Array.from(pixels(signals)))],
    ['0 to 255', tiffOf(Float32Array.from(pixels(signals, 255)))],
    ['grey', tiffOf(Float32Array.from(pixels(greys))), grey],
    ['with alpha', tiffOf(Float32Array.from(pixels(signals.map((row) => [...row, 1]))))],
    ['32 bits', tiffOf(Uint32Array.from(pixels(signals, 255)))],
    ['signed', tiffOf(Int16Array.from(pixels(signals, 255)))],
  ];
  for (const [name, bytes, targets] of files) {
    assert.ok((await off(bytes, targets)) <= 1, name);
    assert.match((await whats(bytes))[0], /^its pixels are not bytes: 0 is taken as black/, name);
  }
});

test('numbers of which black and white cannot be told are refused by name', async () => {
  const { signals } = golden.codes.sRGB;
  const unit = Float32Array.from(pixels(signals));
  const files: readonly (readonly [Buffer, RegExp])[] = [
    [tiffOf(unit.map((v) => 2 * v - 1)), /numbers from -1 to 1, and it is not clear/],
    [tiffOf(unit.map((v) => 5 * v)), /numbers from 0 to 5, and it is not clear/],
    [tiffOf(unit.map((v) => 4095 * v)), /numbers from 0 to 4095, and it is not clear/],
    // what is opaque says nothing of what is white
    [
      tiffOf(Float32Array.from(pixels(signals.map((row) => [...row.map((v) => 5 * v), 255])))),
      /numbers from 0 to 5, and it is not clear/,
    ],
    [tiffOf(unit.map((v, i) => (i === 7 ? NaN : v))), /not numbers \(NaN or infinite\)/],
    [tiffOf(Float64Array.from(unit)), /numbers of 64 bits, which are not supported/],
    [tiffOf(Int8Array.from(pixels(signals, 127))), /numbers from -128 to 127/],
    [tiffOf(Uint8Array.from(pixels(signals, 255)), { tags: { 262: 8 } }), /colours are Lab/],
    [tiffOf(Uint8Array.from(pixels(signals, 255)), { tags: { 262: 6 } }), /are YCbCr without/],
    [
      tiffOf(
        Uint8Array.from(
          pixels(
            signals.map((r) => [...r, 1, 1]),
            255,
          ),
        ),
      ),
      /it has 5 channels/,
    ],
  ];
  for (const [bytes, what] of files) {
    assert.match(await refusal(bytes), what);
    await assert.rejects(loadPicture(saved(bytes)), DataError);
  }
});

test('12 bits at the lower end of 16 are trained as a very dark picture, and that is told', async () => {
  const numbers = (most: number): number[] =>
    Array.from({ length: 12 * 8 }, (_, i) => Math.round((i * most) / 95));
  const grey = (most: number) => ({ width: 12, height: 8, channels: 1, numbers: numbers(most) });
  for (const most of [1023, 4095, 4096, 65535])
    for (const bytes of [
      pngFile({ ...grey(most), bits: 16 }),
      pngFile({ ...grey(most), bits: 16 }, cicp(12, 13)),
      tiffFile({ ...grey(most), numbers: Uint16Array.from(numbers(most)) }),
    ]) {
      const { notes } = await inspectImage(saved(bytes));
      const told = notes.map(({ what, detail }) => `${what} ${detail}`).join();
      assert.equal(/a very dark picture.* none above/.test(told), most <= 4095, `${most}: ${told}`);
    }
});
