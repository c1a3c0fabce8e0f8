// Texts from prompts: events, ends, stop strings, seeds, adapters, and requests that cannot be met.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goldenTokenizer } from '../../dataset/text/text.test-util.ts';
import { ConfigError, InternalError } from '../../errors.ts';
import { createTextGenerator, type TextEvent, type TextGenerator } from './text-generator.ts';
import { windowOf, type TextRequest } from './text-request.ts';
import { tinyAdapter, tinyModel } from './tiny-models.test-util.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';

const tokenizer = await goldenTokenizer('gpt2');
const model = tinyModel('llama', { vocab_size: tokenizer.size });
const adapter = tinyAdapter(model.config);

async function withGenerator<T>(
  use: (generator: TextGenerator) => Promise<T>,
  more: Partial<Parameters<typeof createTextGenerator>[0]> = {},
): Promise<T> {
  const generator = createTextGenerator({
    model,
    tokenizer,
    chatTemplate: 'chatml',
    runtime: cpuRuntime(1),
    ...more,
  });
  try {
    return await use(generator);
  } finally {
    await generator.release();
  }
}

async function written(generator: TextGenerator, request: TextRequest) {
  const events: TextEvent[] = [];
  for await (const event of generator.generate(request)) events.push(event);
  const done = events.at(-1);
  assert.ok(done?.type === 'done');
  const tokens = events.flatMap((event) => (event.type === 'token' ? [event] : []));
  assert.equal(tokens.length, events.length - 1);
  assert.deepEqual(
    tokens.map(({ id }) => id),
    done.ids,
  );
  assert.equal(tokens.map(({ text }) => text).join(''), done.text);
  return { ...done, texts: tokens.map(({ text }) => text) };
}

const lively = { prompt: 'Hello', temperature: 3, maxNewTokens: 40, seed: 5 } as const;

test('events tell the text as it comes, in whole characters', () =>
  withGenerator(async (generator) => {
    const { ids, text, texts, reason } = await written(generator, lively);
    assert.equal(text, tokenizer.decode(reason === 'end' ? ids.slice(0, -1) : ids));
    assert.ok(texts.slice(0, -1).every((each) => !each.endsWith('\ufffd')));
    assert.equal(await generator.answer(lively), text);
  }));

test('a seed gives one text, another seed another', () =>
  withGenerator(async (generator) => {
    const [first, again, other] = [
      await written(generator, lively),
      await written(generator, lively),
      await written(generator, { ...lively, seed: 6 }),
    ];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other.ids, first.ids);
  }));

test('several texts beside each other are those that come alone', () =>
  withGenerator(async (generator) => {
    const request = (i: number): TextRequest => ({
      prompt: 'Hello'.repeat((i % 4) + 1),
      maxNewTokens: 3 + 5 * i,
      temperature: i % 2,
      seed: i,
      ...(i === 3 && { stop: ['e'] }),
    });
    const requests = Array.from({ length: 11 }, (_, i) => request(i));
    assert.ok(requests.length > generator.together && generator.together === 8);
    const together = await generator.answers(requests);
    for (const [i, each] of requests.entries())
      assert.equal(together[i], await generator.answer(each));
    const adapted = await generator.answers(requests, {
      mix: adapter.mix(0),
    });
    assert.deepEqual(adapted, together);
    assert.deepEqual(await generator.answers([]), []);
  }));

test('a stop string ends the text before it, and never shows', () =>
  withGenerator(async (generator) => {
    const whole = await written(generator, lively);
    const stop = whole.text.slice(4, 8);
    const { text, texts, reason, ids } = await written(generator, {
      ...lively,
      stop: [stop, 'never there'],
    });
    assert.equal(reason, 'stop');
    assert.equal(text, whole.text.slice(0, whole.text.indexOf(stop)));
    assert.ok(ids.length < whole.ids.length);
    assert.ok(texts.every((each) => !each.includes(stop)));
  }));

test('the end token, and a special token among the stop strings, end the text', () =>
  withGenerator(async (generator) => {
    const whole = await written(generator, lively);
    const end = whole.ids[10];
    const ending = { ...tokenizer, endIds: [end] };
    const { ids, reason, text } = await withGenerator((other) => written(other, lively), {
      tokenizer: ending,
    });
    assert.deepEqual([ids, reason], [whole.ids.slice(0, whole.ids.indexOf(end) + 1), 'end']);
    assert.equal(text, tokenizer.decode(ids.slice(0, -1)));
    const withStop = {
      ...tokenizer,
      endIds: [],
      specialIds: new Set([end]),
      idOf: (token: string) => (token === '<|stop|>' ? end : undefined),
    };
    assert.deepEqual(
      (
        await withGenerator((other) => written(other, { ...lively, stop: ['<|stop|>'] }), {
          tokenizer: withStop,
        })
      ).ids,
      ids,
    );
  }));

test('ids, text and conversation are the same prompt in three forms', () =>
  withGenerator(async (generator) => {
    const messages = [{ role: 'user', content: 'Hello' }] as const;
    const text = '<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n';
    const asked = { maxNewTokens: 5 };
    const answers = [messages, text, tokenizer.encode(text, { special: false })].map(
      (prompt) => () => written(generator, { ...asked, prompt }),
    );
    const [first, ...others] = [await answers[0](), await answers[1](), await answers[2]()];
    for (const other of others) assert.deepEqual(other, first);
  }));

test('an adapter of strength 0 changes no token and no score; the adapter of a request goes before', () =>
  withGenerator(async (generator) => {
    const asked = { ...lively, maxNewTokens: 15 };
    const base = await written(generator, asked);
    const request = { ids: [...tokenizer.encode('Hello'), ...base.ids], from: 2 };
    const score = await generator.scoreTokens(request);
    await withGenerator(
      async (adapted) => {
        assert.deepEqual(await written(adapted, { ...asked, mix: adapter.mix(0) }), base);
        assert.deepEqual(await adapted.scoreTokens({ ...request, mix: [] }), score);
        const changed = await written(adapted, asked);
        assert.notDeepEqual(changed.ids, base.ids);
        assert.notEqual((await adapted.scoreTokens(request)).sum, score.sum);
        const zeros = adapter.modules.map((module) => ({
          ...module,
          up: { ...module.up, data: module.up.data.map(() => 0) },
        }));
        const mix = [{ adapter: { name: 'zeros', modules: zeros }, strength: 1 }];
        assert.deepEqual((await written(adapted, { ...asked, mix })).ids, base.ids);
      },
      { mix: adapter.mix() },
    );
  }));

test('everything that is wrong with a request is said at once', () =>
  withGenerator(async (generator) => {
    const wrong = {
      prompt: [1, 99_999],
      maxNewTokens: 0,
      temperature: -1,
      topK: 1.5,
      topP: 0,
      minP: 2,
      repetitionPenalty: 0,
      mix: adapter.mix(NaN),
      stop: [''],
    };
    await assert.rejects(generator.answer(wrong), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.problems.map(({ where }) => where).sort(), Object.keys(wrong).sort());
      return true;
    });
    await assert.rejects(generator.answer({ prompt: [] }), /prompt: is empty/);
  }));

test('what the model cannot read ends a text, or is refused', () =>
  withGenerator(async (generator) => {
    const { max_position_embeddings: most } = model.config;
    const { ids, reason } = await written(generator, {
      ...lively,
      prompt: new Array<number>(most - 3).fill(5),
      maxNewTokens: 40,
    });
    assert.deepEqual([ids.length, reason], [3, 'length']);
    await assert.rejects(
      generator.answer({ prompt: new Array<number>(most).fill(5) }),
      /prompt: has 64 tokens; the model reads at most 64, the answer included/,
    );
  }));

test('a stretched window is a whole number of tokens', () => {
  const stretched = {
    rope: {
      theta: 1e4,
      dims: 4,
      scaling: { rope_type: 'dynamic', factor: 2.35, max_position_embeddings: 10 },
    },
  } as const;
  assert.equal(windowOf({ vocab_size: 5, max_position_embeddings: 10, layers: [stretched] }), 23);
});

test('a conversation needs a template', () =>
  withGenerator(
    (generator) =>
      assert.rejects(
        generator.answer({ prompt: [{ role: 'user', content: 'x' }] }),
        /no chat template/,
      ),
    { chatTemplate: undefined, tokenizer: { ...tokenizer, chatTemplate: undefined } },
  ));

test('an adapter of a layer that is not there is our fault', () =>
  withGenerator(async (generator) => {
    const [module] = adapter.modules;
    const modules = [{ ...module, path: 'model.layers.9.nothing' }];
    const mix = [{ adapter: { name: 'other', modules }, strength: 1 }];
    await assert.rejects(generator.answer({ ...lively, mix }), InternalError);
  }));
