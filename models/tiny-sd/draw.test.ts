// The drawing script is a pure function whose captions name what is drawn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backgrounds, colours } from './colours.ts';
import { drawBasePicture, renderBasePictures, renderSvg } from './draw.ts';
import { drawAutoencoderPicture } from './draw-autoencoder.ts';
import { subjects } from './subjects.ts';

test('a picture is a function of seed and index, and its caption names colour, subject and background', () => {
  const word = (table: object): string => `(?:${Object.keys(table).join('|')})`;
  const named = new RegExp(`\\b${word(colours)} ${word(subjects)}\\b`);
  for (let i = 0; i < 300; i++) {
    const { svg, caption } = drawBasePicture(3, i);
    assert.deepEqual(drawBasePicture(3, i), { svg, caption });
    assert.match(caption, named);
    assert.match(caption, new RegExp(`\\b${word(backgrounds)} background\\b`));
  }
  assert.notEqual(drawBasePicture(3, 0).svg, drawBasePicture(4, 0).svg);
});

test('pictures come out as planes in the order of their indices', async () => {
  const { pixels, captions } = await renderBasePictures(3, 3, 32, 5);
  const { svg, caption } = drawBasePicture(3, 6);
  const rgb = await renderSvg(svg, 32);
  assert.equal(captions[1], caption);
  const planes = Array.from(
    { length: 3 * 1024 },
    (_, i) => rgb[3 * (i % 1024) + Math.floor(i / 1024)],
  );
  assert.deepEqual([...pixels.subarray(3 * 1024, 6 * 1024)], planes);
});

test('every kind of autoencoder picture renders', async () => {
  for (let i = 0; i < 40; i++)
    assert.equal((await renderSvg(drawAutoencoderPicture(i).svg, 16)).length, 768);
});
