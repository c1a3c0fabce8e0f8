import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { loadPicture, type Picture } from '../image.ts';
import { PictureCollection } from './likeness.ts';

/** LIKENESS=full: every pair; without, a quarter of them. */
const FULL = process.env.LIKENESS === 'full';

interface Drawing {
  readonly set: string;
  readonly subject: string;
  readonly path: string;
  readonly picture: Picture;
}

async function drawingsOf(set: string): Promise<Drawing[]> {
  const folder = join(import.meta.dirname, '../../../data', set);
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.png'))
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return { set, subject: name.split('_')[0], path, picture: await loadPicture(path) };
    }),
  );
}

const SIZE = 256;
const cut = (share: number, x: number, y: number) => (picture: Sharp) => {
  const side = Math.round(SIZE * share);
  const place = (at: number) => Math.floor((SIZE - side) * at);
  return picture
    .extract({ left: place(x), top: place(y), width: side, height: side })
    .resize(SIZE, SIZE);
};
const padded = (left: number, right: number) => (picture: Sharp) =>
  picture.extend({ left, right, top: right, bottom: left, extendWith: 'copy' });

/** What a copy may have gone through. */
const distortions: Readonly<Record<string, (picture: Sharp) => Sharp | Promise<Sharp>>> = {
  recompressed: async (picture) => sharp(await picture.jpeg({ quality: 25 }).toBuffer()),
  brighter: (picture) => picture.linear(1.3, 0),
  darker: (picture) => picture.linear(0.6, 0),
  paler: (picture) => picture.linear(0.6, 60),
  mirrored: (picture) => picture.flop(),
  blurred: (picture) => picture.resize(64, 64).blur(1),
  tiny: (picture) => picture.resize(40, 40),
  wide: (picture) => picture.resize(320, 192, { fit: 'fill' }),
  padded: padded(18, 10),
  turned: (picture) => picture.rotate(3, { background: '#888' }).resize(SIZE, SIZE),
  'cut to 90 %': cut(0.9, 0.3, 0.8),
  'cut to 80 %': cut(0.8, 0.6, 0.2),
  'cut to 70 %': cut(0.7, 0.4, 0.6),
  'mirrored and cut': (picture) => cut(0.85, 0.2, 0.7)(picture.flop()),
};

async function distorted(path: string, name: string): Promise<Picture> {
  const done = await distortions[name](sharp(path).removeAlpha().toColourspace('srgb'));
  // what is cut or turned is put into bytes first: sharp has an order of its own
  const { data, info } = await done.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { rgb: new Uint8Array(data), width: info.width, height: info.height };
}

/** The chance that one of `more` is above one of `less`. */
function auc(more: readonly number[], less: readonly number[]): number {
  let wins = 0;
  for (const a of more) for (const b of less) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (more.length * less.length);
}

const quantile = (values: readonly number[], q: number): string =>
  [...values].sort((a, b) => a - b)[Math.round(q * (values.length - 1))].toFixed(2);
const range = (values: readonly number[]): string =>
  [0, 0.05, 0.5, 0.95, 1].map((q) => quantile(values, q)).join(' ');

test('a copy is ranked above another drawing of its subject, that above its style, that above another style', async (t) => {
  const [brand, ink] = await Promise.all(['brand_style', 'ink_wash'].map(drawingsOf));
  const found = {
    copy: [] as number[],
    subject: [] as number[],
    style: [] as number[],
    other: [] as number[],
  };
  const nearestIsSource: boolean[] = [];
  for (const [mine, theirs] of [
    [brand, ink],
    [ink, brand],
  ]) {
    const set = new PictureCollection(mine.map(({ picture }) => picture));
    t.diagnostic(`${mine[0].set}: a copy from ${set.copyFrom.toFixed(3)} on`);
    for (const [i, { path, picture, subject }] of mine.entries()) {
      if (!FULL && i % 4 !== 0) continue;
      set.likenesses(picture).forEach((likeness, j) => {
        if (j !== i) found[mine[j].subject === subject ? 'subject' : 'style'].push(likeness);
      });
      found.other.push(...set.likenesses(theirs[i % theirs.length].picture));
      if (i % (FULL ? 4 : 12) !== 0) continue;
      for (const name of Object.keys(distortions)) {
        const all = set.likenesses(await distorted(path, name));
        found.copy.push(all[i]);
        nearestIsSource.push(Math.max(...all) === all[i]);
      }
    }
  }
  const { copy, subject, style, other } = found;
  for (const [name, values] of Object.entries(found))
    t.diagnostic(
      `${name}: ${values.length} pairs; least, 5 %, median, 95 %, most: ${range(values)}`,
    );
  const ranks = {
    'copy above subject': [auc(copy, subject), 0.93],
    'copy above style': [auc(copy, style), 0.999],
    'subject above style': [auc(subject, style), 0.98],
    'style above other': [auc(style, other), 0.9],
    'copy above other': [auc(copy, other), 0.999],
  } as const;
  for (const [name, [rank, least]] of Object.entries(ranks)) {
    t.diagnostic(`${name}: AUC ${rank.toFixed(4)}`);
    assert.ok(rank >= least, `${name}: ${rank}`);
  }
  const right = nearestIsSource.filter(Boolean).length;
  t.diagnostic(`the source is the nearest for ${right} of ${nearestIsSource.length} copies`);
  assert.ok(right >= 0.93 * nearestIsSource.length);
});

test('pictures of one set are no copies of each other, those that are recompressed or mirrored are', async () => {
  const drawings = (await drawingsOf('ink_wash')).filter((_, i) => i % 3 === 0);
  const pictures = drawings.map(({ picture }) => picture);
  const twins = await Promise.all(
    ['recompressed', 'mirrored', 'brighter'].map((name, i) => distorted(drawings[i].path, name)),
  );
  const set = new PictureCollection([...pictures, ...twins]);
  const count = pictures.length;
  for (const i of pictures.keys())
    assert.deepEqual(set.twinsOf(i), i < twins.length ? [count + i] : [], drawings[i].path);
});

test('a set of one picture knows its copy, and no other picture as one', async () => {
  const [first, second] = await drawingsOf('brand_style');
  const set = new PictureCollection([first.picture]);
  const likeness = async (picture: Picture | Promise<Picture>) =>
    set.nearest(await picture)?.likeness ?? NaN;
  assert.ok((await likeness(distorted(first.path, 'recompressed'))) > set.copyFrom);
  assert.ok((await likeness(second.picture)) < (await likeness(distorted(first.path, 'tiny'))));
  const flat = { width: 8, height: 8, rgb: new Uint8Array(192).fill(90) };
  assert.equal(await likeness(flat), 0);
  assert.equal(new PictureCollection([flat]).nearest(first.picture)?.likeness, 0);
});
