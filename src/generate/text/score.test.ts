// Scores of tokens against the logits of the model that generates.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../errors.ts';
import { hashedUniforms } from '../../models/hashed-weights.test-util.ts';
import { CachedModel } from './cached-model.ts';
import { TokenScorer } from './score.ts';
import { tinyAdapter, tinyModel } from './tiny-models.test-util.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';

/** log softmax in float64. */
function logProbability(logits: Float32Array, id: number): number {
  const top = Math.max(...logits);
  return logits[id] - top - Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

const idsOf = (count: number) =>
  [...hashedUniforms('text', count)].map((u) => Math.floor(12 * (u + 1)));

for (const [name, count] of [
  ['gemma2', 40],
  ['phi3, longrope, short', 12],
  ['llama, tied, biases', 70],
] as const) {
  test(`${name}: scores of ${count} tokens are those of one token after the other, with the adapter and without`, async () => {
    const { config, weights } = tinyModel(name);
    const { mix } = tinyAdapter(config);
    const [model, reader] = [1, 2].map(
      () => new CachedModel(config, { weights, capacity: 128, runtime: cpuRuntime(1) }),
    );
    const scorer = new TokenScorer(config, { weights, runtime: cpuRuntime(1) });
    const [ids, from] = [idsOf(count), 3];
    const sums: number[] = [];
    for (const adapters of [undefined, mix()]) {
      model.reset();
      let logits = await model.feed(ids.slice(0, from), adapters);
      const [{ sum, tokens }] = await scorer.score(reader, [{ ids, from }], adapters);
      assert.equal(tokens.length, count - from);
      for (const [i, id] of ids.slice(from).entries()) {
        const expected = logProbability(logits, id);
        assert.ok(
          Math.abs(tokens[i] - expected) < 2e-5,
          `token ${from + i}: ${tokens[i]}, not ${expected}`,
        ); // float32 sums in another order
        logits = await model.feed([id], adapters);
      }
      assert.ok(Math.abs(sum - tokens.reduce((a, b) => a + b)) < 1e-6);
      sums.push(sum);
    }
    assert.ok(Math.abs(sums[0] - sums[1]) > 0.1);
    for (const each of [model, reader, scorer]) await each.release();
  });
}

for (const name of ['gemma3_text', 'phi3, longrope, short', 'llama, rope dynamic']) {
  test(`several texts at a time, whatever room there is, score as each alone: ${name}`, async () => {
    const { config, weights } = tinyModel(name);
    const [alone, several] = [1, 3].map(
      (rows) => new CachedModel(config, { weights, runtime: cpuRuntime(1), rows, capacity: 64 }),
    );
    const scorer = new TokenScorer(config, { weights, runtime: cpuRuntime(1) });
    const ids = idsOf(130);
    const texts = [
      { ids: ids.slice(0, 50), from: 1 },
      { ids, from: 1 },
      { ids: ids.slice(7, 20), from: 12 },
    ];
    const together = await scorer.score(several, texts);
    assert.deepEqual(
      together.map(({ tokens }) => tokens.length),
      [49, 129, 1],
    );
    for (const [i, text] of texts.entries()) {
      const [{ tokens }] = await scorer.score(alone, [text]);
      // float32 sums in another order
      for (const [n, x] of tokens.entries()) assert.ok(Math.abs(x - together[i].tokens[n]) < 1e-5);
    }
    for (const each of [alone, several, scorer]) await each.release();
  });
}

test('what cannot be scored is named', async () => {
  const { config, weights } = tinyModel('llama');
  const [model, scorer] = [
    new CachedModel(config, { runtime: cpuRuntime(), weights }),
    new TokenScorer(config, { runtime: cpuRuntime(), weights }),
  ];
  for (const text of [
    { ids: [1, 2], from: 0 },
    { ids: [1, 2], from: 2 },
    { ids: [1, 24], from: 1 },
  ])
    await assert.rejects(scorer.score(model, [text]), ConfigError);
});
