import assert from 'node:assert/strict';
import { test } from 'node:test';
import sharp from 'sharp';
import { float32 } from '../tensor/tensor.ts';
import { drawContactSheet } from './contact-sheet.ts';
import type { Mix } from './mix.ts';
import type { PictureRequest } from './picture-request.ts';
import type { GenerationEvent, ImageGenerator } from './text-to-image.ts';

/**
 * Draws each request as one colour, the last first: red the prompt's first letter, green the seed,
 * blue the strength.
 */
function painter(): ImageGenerator & { readonly asked: PictureRequest[] } {
  const asked: PictureRequest[] = [];
  return {
    asked,
    async *generate(requests): AsyncGenerator<GenerationEvent> {
      asked.push(...requests);
      yield { type: 'step', done: 1, total: 1, indices: [0], step: 1 };
      for (const [index, { prompt, seed = 0, mix = [] }] of [...requests.entries()].reverse()) {
        const rgb = new Uint8Array(192 * 192 * 3).map(
          (_, i) => [prompt.charCodeAt(0), seed, 100 * mix.length][i % 3],
        );
        yield {
          type: 'image',
          index,
          picture: { rgb, width: 192, height: 192 },
          latents: float32([], [0]),
        };
      }
    },
    release: () => Promise.resolve(),
  };
}

test('rows are prompts; columns without and with, for each seed', async () => {
  const generator = painter();
  const progress: number[][] = [];
  const mix = [{ adapter: { name: 'none', modules: [] }, strength: 1 }];
  const png = await drawContactSheet({
    generator,
    prompts: ['!', '"'],
    seeds: [40, 80],
    size: 192,
    columns: [{ label: 'with LoRA', mix }],
    onProgress: (...counts) => progress.push(counts),
  });
  assert.deepEqual(progress, [[1, 1]]);
  assert.ok(generator.asked.every(({ width, height }) => width === 192 && height === 192));
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.equal(info.width, 8 + 4 * 200);
  const colours = new Set(
    Array.from({ length: data.length / 3 }, (_, i) => data.subarray(3 * i, 3 * i + 3).join(' ')),
  );
  for (const red of [33, 34])
    for (const green of [40, 80])
      for (const blue of [0, 100])
        assert.ok(colours.has(`${red} ${green} ${blue}`), `${red} ${green} ${blue}`);
  const middle = (column: number) =>
    data[3 * (info.width * (info.height - 60) + 8 + column * 200 + 96) + 2];
  assert.deepEqual([0, 1, 2, 3].map(middle), [0, 100, 0, 100]);
});

test('a sheet has a column for each adapter that it is given, drawn with its weights', async () => {
  const generator = painter();
  const [best, last] = ['best', 'last'].map((name): Mix => [
    { adapter: { name, modules: [] }, strength: 1 },
  ]);
  const png = await drawContactSheet({
    generator,
    prompts: ['!'],
    seeds: [1, 2],
    size: 192,
    columns: [
      { label: 'best, step 8', mix: best },
      { label: 'last, step 24', mix: last },
    ],
  });
  assert.deepEqual(
    generator.asked.map(({ mix }) => mix?.map(({ adapter }) => adapter.name).join()),
    ['', 'best', 'last', '', 'best', 'last'],
  );
  assert.equal((await sharp(png).metadata()).width, 8 + 6 * 200);
});
