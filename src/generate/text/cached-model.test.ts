// Greedy answers of every family against transformers' generate (reference/text_generation.py);
// kept keys against none kept; adapters.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromFloat32 } from '../../tensor/half.ts';
import { CachedModel } from './cached-model.ts';
import { nextToken, type SamplingOptions } from './sampling.ts';
import { errorOf, tinyAdapter, tinyModel, tinyModelNames } from './tiny-models.test-util.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';

interface Answer {
  readonly prompt: readonly number[];
  readonly settings: { readonly repetition_penalty?: number };
  readonly answer: readonly number[];
  readonly logits: readonly number[];
}

const golden: { cases: Record<string, Answer[]> } = JSON.parse(
  readFileSync(new URL('../../../reference/golden/text_generation.json', import.meta.url), 'utf8'),
);

/** Both sides compute in float32, in other orders. Measured: 2e-7 to 1.7e-6. */
const TOLERANCE = 5e-6;
const greedy: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
/**
 * A prompt of 13 takes three runs, one of 5 a run of 6 that is padded; the room of 8 is doubled
 * twice.
 */
const small = { chunks: [6, 4], capacity: 8, runtime: cpuRuntime(1) };

async function continued(model: CachedModel, { prompt, settings, answer }: Answer) {
  const [options, ids] = [
    { ...greedy, repetitionPenalty: settings.repetition_penalty ?? 1 },
    [...prompt],
  ];
  model.reset();
  let logits = await model.feed(ids);
  for (let i = 0; ; i++) {
    const id = nextToken(logits, ids, options, 0, i);
    ids.push(id);
    if (i + 1 === answer.length) return { ids: ids.slice(prompt.length), logits };
    logits = await model.feed([id]);
  }
}

test('every tiny model has answers', () =>
  assert.deepEqual(Object.keys(golden.cases), tinyModelNames));

for (const [name, answers] of Object.entries(golden.cases)) {
  test(`${name}: greedy answers are those of transformers`, async (t) => {
    const { config, weights } = tinyModel(name);
    const model = new CachedModel(config, { weights, ...small });
    for (const answer of answers) {
      const { ids, logits } = await continued(model, answer);
      assert.deepEqual(ids, answer.answer, JSON.stringify(answer.prompt));
      const error = errorOf(logits, answer.logits);
      t.diagnostic(error.toExponential(1));
      assert.ok(error <= TOLERANCE, `${error}`);
    }
    await model.release();
  });
}

const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4];

/** Logits behind `text`, fed in pieces that end at `ends`. */
async function logitsOf(
  model: CachedModel,
  ends: readonly number[],
  ...rest: [Parameters<CachedModel['feed']>[1]?]
): Promise<Float32Array> {
  model.reset();
  let logits: Float32Array = new Float32Array();
  for (const [i, end] of ends.entries())
    logits = await model.feed(text.slice(i === 0 ? 0 : ends[i - 1], end), ...rest);
  return logits;
}

const oneByOne = text.map((_, i) => i + 1);

test('logits behind kept keys are those of the whole text at once', async (t) => {
  for (const name of tinyModelNames) {
    // each kept key has the frequencies of the length at which it came
    if (name === 'llama, rope dynamic') continue;
    const { config, weights } = tinyModel(name);
    const [whole, parts] = [{ chunks: [32], capacity: 32 }, small].map(
      (size) => new CachedModel(config, { weights, runtime: cpuRuntime(1), ...size }),
    );
    const expected = await logitsOf(whole, [text.length]);
    for (const ends of [oneByOne, [7, 8, 20], [20]]) {
      const error = errorOf(await logitsOf(parts, ends), expected);
      assert.ok(error <= TOLERANCE, `${name}, ${ends.length} pieces: ${error}`);
    }
    for (const model of [whole, parts]) await model.release();
  }
  t.diagnostic(`${tinyModelNames.length} models`);
});

for (const name of ['llama, tied, biases', 'gemma3_text', 'phi3, window, partial rotary']) {
  test(`${name}: an adapter of strength 0 is none, bit for bit; of strength 1 it is something`, async () => {
    const { config, weights } = tinyModel(name);
    const { mix } = tinyAdapter(config);
    const [bare, adapted] = [1, 2].map(() => new CachedModel(config, { weights, ...small }));
    const expected = await logitsOf(bare, [15, 16, 20]);
    const at = (multiplier: number) => logitsOf(adapted, [15, 16, 20], mix(multiplier));
    assert.deepEqual(await at(0), expected);
    assert.deepEqual(await logitsOf(adapted, [15, 16, 20]), expected, 'no weights');
    const [half, one] = [await at(0.5), await at(1)];
    assert.ok(errorOf(one, expected) > 1e-2 && errorOf(half, one) > 1e-2);
    for (const model of [bare, adapted]) await model.release();
  });
}

test('an adapter equals the same added to the weights', async () => {
  const { config, weights } = tinyModel('gemma2', { tie_word_embeddings: false });
  const { mix, merged } = tinyAdapter(config);
  const adapted = new CachedModel(config, { weights, ...small });
  const whole = new CachedModel(config, { weights: merged(weights), ...small });
  const error = errorOf(await logitsOf(adapted, [15, 20], mix()), await logitsOf(whole, [15, 20]));
  assert.ok(error <= TOLERANCE, `${error}`);
  for (const model of [adapted, whole]) await model.release();
});

test('half-precision weights give the same bits from their place as from float32 copies', async () => {
  for (const [name, dtype] of [
    ['llama, tied, biases', 'bfloat16'],
    ['phi3', 'float16'],
  ] as const) {
    const { config, weights } = tinyModel(name);
    const halves = new Map([...weights].map(([key, tensor]) => [key, fromFloat32(tensor, dtype)]));
    const { mix } = tinyAdapter(config);
    const [copied, placed] = [2 ** 30, 0].map(
      (spare) =>
        new CachedModel(config, {
          weights: halves,
          ...small,
          workload: { runs: 'short', spare },
        }),
    );
    for (const multiplier of [0, 1]) {
      const logits = await logitsOf(copied, [15, 16], mix(multiplier));
      assert.deepEqual(await logitsOf(placed, [15, 16], mix(multiplier)), logits);
    }
    for (const model of [copied, placed]) await model.release();
  }
});
