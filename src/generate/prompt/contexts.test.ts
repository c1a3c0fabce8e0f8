import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ConfigError } from '../../errors.ts';
import { textEncoderGraph } from '../../models/graphs.ts';
import { hashedWeight } from '../../models/hashed-weights.test-util.ts';
import { stableDiffusionParameters } from '../../models/parameters.ts';
import { smallConfig } from '../../models/small-configs.test-util.ts';
import { cpuRuntime } from '../../runtime/runtime.ts';
import { float32, int32 } from '../../tensor/tensor.ts';
import { createClipTokenizer } from '../../tokenizer/clip.ts';
import { contextsOf, type EncodeChunk } from './contexts.ts';
import type { Emphasis } from './emphasis.ts';
import { picturePrompts, type PromptRequest } from './picture-prompts.ts';

const tokenizer = await createClipTokenizer();
const prompts = (request: Partial<PromptRequest>, calls = 10) =>
  picturePrompts(
    { prompt: '', negativePrompt: '', guidance: 7, emphasis: 'original', ...request },
    { tokenizer, length: 77, calls },
  );

/** Each token's states are its id and its place. */
const places: EncodeChunk = (ids) =>
  Promise.resolve(Float32Array.from([...ids].flatMap((id, place) => [id, place])));
const LONG = 'cat '.repeat(80);

test('states of weighted, long and changing prompts are those of WebUI', async () => {
  type Case = [string, string, number, [number, number[], number[]][]];
  const { states } = JSON.parse(readFileSync('reference/golden/webui_prompts.json', 'utf8')) as {
    states: Case[];
  };
  const config = {
    ...smallConfig,
    textEncoder: { ...smallConfig.textEncoder, vocab_size: 49408 },
  };
  const weights = new Map(
    [...stableDiffusionParameters(config)]
      .filter(([name]) => name.startsWith('text_encoder.'))
      .map(([name, shape]) => [name, float32(shape, hashedWeight(name, shape))]),
  );
  const runtime = cpuRuntime(1);
  const programs = await Promise.all(
    [1, 2].map((skip) =>
      runtime.compile(textEncoderGraph(config.textEncoder, [1, 77], skip), { weights }),
    ),
  );
  assert.ok(states.length > 40);
  for (const [prompt, webui, skip, expected] of states) {
    const emphasis = webui.toLowerCase().replace(' ', '_') as Emphasis; // WebUI's names of the same
    const encode: EncodeChunk = async (ids) => {
      const outputs = await programs[skip - 1].run({ input_ids: int32([1, 77], ids) });
      return outputs.text_states.data as Float32Array; // the text encoder's states are float32
    };
    const request = prompts({ guidance: 1, emphasis });
    const planned = prompts({ prompt, guidance: 1, emphasis });
    assert.equal(request.negative, undefined);
    const { at } = await contextsOf([planned], encode);
    let from = 0;
    for (const [until, shape, values] of expected) {
      const { shape: found, data } = at(from);
      from = until + 1;
      assert.deepEqual(found, [1, ...shape], prompt);
      const [tokens, width] = shape;
      const some = Array.from({ length: tokens }, (_, i) => i)
        .filter((i) => i % 7 === 0)
        .flatMap((i) => [0, 1, 2].map((c) => Number(data[i * width + c])));
      // float32 on both sides; the mean that is restored is a small difference of large sums
      some.forEach((x, i) =>
        assert.ok(Math.abs(x - values[i]) < 2e-4, `${prompt} ${webui}: ${x} is not ${values[i]}`),
      );
    }
  }
  await Promise.all(programs.map((program) => program.release()));
});

test('a plain prompt leaves the states of the text encoder as they are, to the bit', async () => {
  const { at, rows, tokens } = await contextsOf([prompts({ prompt: 'a cat' })], places);
  assert.deepEqual([rows, tokens], [2, 77]);
  const [negative, positive] = await Promise.all(
    ['', 'a cat'].map((text) => places([...tokenizer.encode(text)], text)),
  );
  assert.deepEqual(at(3), float32([2, 77, 2], [...negative, ...positive]));
  assert.equal(at(3), at(4));
});

test('a negative prompt of fewer chunks is repeated, which attention does not notice', async () => {
  const { at, tokens } = await contextsOf([prompts({ prompt: LONG })], places);
  assert.equal(tokens, 154);
  const { data } = at(0);
  assert.deepEqual(data.slice(0, 154), data.slice(154, 308));
  const three = await contextsOf([prompts({ prompt: LONG + LONG, negativePrompt: LONG })], places);
  assert.equal(three.tokens, 6 * 77);
});

test('two long prompts of lengths that do not go together are refused, not multiplied', () => {
  const [eleven, ten, twenty] = [11, 10, 20].map((count) =>
    Array(count).fill('cat').join(' BREAK '),
  );
  assert.throws(
    () => prompts({ prompt: eleven, negativePrompt: ten }),
    /11 chunks of tokens, its negative prompt 10/,
  );
  assert.equal(prompts({ prompt: twenty, negativePrompt: ten }).parts.length, 1);
  assert.equal(prompts({ prompt: Array(70).fill('cat').join(' BREAK ') }).parts.length, 1);
});

test('prompts of an AND of different length end in copies of their last state, as in WebUI', async () => {
  const { at, rows } = await contextsOf([prompts({ prompt: `${LONG} AND dog` })], places);
  assert.equal(rows, 3);
  const dog = at(0).data.slice(2 * 154 * 2);
  assert.deepEqual([...dog.slice(76 * 2, 78 * 2)], [49407, 76, 49407, 76]);
  assert.deepEqual([...dog.slice(-2)], [49407, 76]);
});

test('the first text of a schedule has one call more than its number says, as in WebUI', async () => {
  const { at } = await contextsOf([prompts({ prompt: '[cat:dog:3]', guidance: 1 })], places);
  const [cat] = tokenizer.textIds('cat');
  assert.deepEqual(
    [0, 1, 2, 3, 4, 9, 10].map((call) => Number(at(call).data[2]) === cat),
    [true, true, true, true, false, false, false],
  );
});

test('weights that leave nothing are refused by the name of the prompt', async () => {
  // an encoder whose weighted states sum to nothing
  const even: EncodeChunk = (ids) => Promise.resolve(new Float32Array(ids.length).fill(1));
  const cancelling = prompts({ prompt: '(cat:-76)', guidance: 1 });
  await assert.rejects(contextsOf([cancelling], even), (error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, /\(cat:-76\).*not finite/);
    return true;
  });
  assert.throws(() => prompts({ prompt: '(cat:1.2.3)' }), /"1\.2\.3"/);
});
