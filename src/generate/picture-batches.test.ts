import type { Adapter } from './mix.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { smallConfig } from '../models/small-configs.test-util.ts';
import { batchesOf } from './picture-batches.ts';
import { completeRequests, type PictureRequest } from './picture-request.ts';
import { picturePrompts } from './prompt/picture-prompts.ts';

const model = {
  tokenizer: { bos: 0, eos: 1, pad: 1, textIds: (text: string) => Array.from(text, () => 2) },
  length: 77,
  calls: 20,
};

const batches = (requests: readonly Partial<PictureRequest>[], largest: number) =>
  batchesOf(
    completeRequests(
      requests.map((request, i) => ({ prompt: String(i), ...request })),
      smallConfig,
    ).map((request) => ({ ...request, prompts: picturePrompts(request, model) })),
    largest,
  ).map(({ indices, pictures }) => [
    indices.join(' '),
    pictures.map(({ prompt }) => prompt).join(' '),
  ]);

test('batches are of one size, the last padded with its last picture', () => {
  assert.deepEqual(batches(Array(9).fill({}), 8), [
    ['0 1 2 3 4', '0 1 2 3 4'],
    ['5 6 7 8', '5 6 7 8 8'],
  ]);
  assert.deepEqual(batches(Array(5).fill({}), 2), [
    ['0 1', '0 1'],
    ['2 3', '2 3'],
    ['4', '4 4'],
  ]);
  assert.deepEqual(batches([{}, {}], 1), [
    ['0', '0'],
    ['1', '1'],
  ]);
  assert.deepEqual(batches([], 8), []);
});

const one: Adapter = { name: 'one', modules: [] };

test('only pictures that are alike go together', () => {
  const mixed = (strength: number, adapter: Adapter = one) => ({ mix: [{ adapter, strength }] });
  const requests = [
    {},
    { mix: [] },
    { seed: 3, guidance: 2 },
    { guidance: 1 },
    mixed(1),
    { mix: [], negativePrompt: 'x' },
    mixed(0.5),
    mixed(1),
    { width: 32 },
    mixed(1, { ...one }),
  ];
  assert.deepEqual(
    batches(requests, 8).map(([indices]) => indices),
    ['0 2', '1 5', '3', '4 7', '6', '8', '9'],
  );
});

test('what is not said is filled in, also where a key is undefined', () => {
  const [{ width, height, steps, guidance }] = completeRequests(
    [{ prompt: 'a', width: undefined, steps: undefined }],
    smallConfig,
  );
  assert.deepEqual([width, height, steps, guidance], [64, 64, 20, 7]);
});
