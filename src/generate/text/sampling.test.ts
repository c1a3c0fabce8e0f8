// Scores after each processor against transformers' (reference/text_generation.py), and draws.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hashedUniforms } from '../../models/hashed-weights.test-util.ts';
import { drawn, likeliest, nextToken, processed, type SamplingOptions } from './sampling.ts';

interface Processed {
  readonly request: Partial<SamplingOptions>;
  readonly scores: readonly (number | null)[];
}

const golden: { processors: Processed[] } = JSON.parse(
  readFileSync(new URL('../../../reference/golden/text_generation.json', import.meta.url), 'utf8'),
);
const plain: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
const vocabulary = 24;
const logits = hashedUniforms('scores', vocabulary).map((u) => 4 * u);
const before = [...hashedUniforms('ids', 6)].map((u) => Math.floor(((u + 1) / 2) * vocabulary));

for (const { request, scores } of golden.processors) {
  test(`scores after ${JSON.stringify(request)}`, () => {
    const found = processed(logits, before, { ...plain, ...request });
    assert.deepEqual(
      [...found].map((x) => x === -Infinity),
      scores.map((x) => x === null),
      'which tokens are left',
    );
    for (const [i, score] of scores.entries())
      if (score !== null)
        // golden numbers have 7 digits
        assert.ok(Math.abs(found[i] - score) <= 1e-6 * Math.abs(score), `${found[i]} ${score}`);
  });
}

test('a draw takes each token as often as its probability', () => {
  const scores = processed(logits, [], { ...plain, topK: 6 });
  const counts = new Array<number>(vocabulary).fill(0);
  const draws = 20_000;
  for (let i = 0; i < draws; i++) counts[nextToken(logits, [], { ...plain, topK: 6 }, 7, i)]++;
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  for (const [id, score] of scores.entries()) {
    const p = Math.exp(score) / total;
    assert.ok(
      Math.abs(counts[id] / draws - p) <= 4 * Math.sqrt((p * (1 - p)) / draws) + 1e-12,
      `token ${id}: ${counts[id]} of ${draws}, p ${p}`,
    );
  }
});

test('a draw is a function of seed and position', () => {
  const answer = (seed: number) =>
    Array.from({ length: 30 }, (_, i) => nextToken(logits, [], plain, seed, i));
  assert.deepEqual(answer(1), answer(1));
  assert.notDeepEqual(answer(1), answer(2));
});

test('the ends of the line: u of 0 and of almost 1', () => {
  const scores = Float32Array.of(-Infinity, 0, 0, -Infinity);
  assert.equal(drawn(scores, 0), 1);
  assert.equal(drawn(scores, 1 - 2 ** -32), 2);
});

test('of equal scores the first is the likeliest; logits stay as they are', () => {
  assert.equal(likeliest(Float32Array.of(1, 3, 3)), 1);
  const copy = logits.slice();
  nextToken(logits, before, { ...plain, temperature: 0.5, topK: 3, repetitionPenalty: 2 }, 0, 0);
  assert.deepEqual(logits, copy);
});
