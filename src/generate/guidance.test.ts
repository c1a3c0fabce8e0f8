import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashedUniforms, hashedWeight } from '../models/hashed-weights.test-util.ts';
import { unetGraph } from '../models/graphs.ts';
import { stableDiffusionParameters } from '../models/parameters.ts';
import { smallConfig } from '../models/small-configs.test-util.ts';
import { cpuRuntime } from '../runtime/runtime.ts';
import { float32 } from '../tensor/tensor.ts';
import { guidanceRows, guided, rowNames } from './guidance.ts';
import { picturePrompts } from './prompt/picture-prompts.ts';

const model = {
  tokenizer: { bos: 0, eos: 1, pad: 1, textIds: (text: string) => Array.from(text, () => 2) },
  length: 77,
  calls: 20,
};
const picture = (prompt: string, guidance: number) => {
  const request = { prompt, negativePrompt: 'no', guidance, emphasis: 'original' } as const;
  return { ...request, prompts: picturePrompts(request, model) };
};

test('a picture is guided towards each part of its prompt by guidance times its weight', () => {
  const pictures = [picture('a AND b:0.5', 4), picture('c AND d:-1', 2)];
  const prompts = pictures.map((each) => each.prompts);
  assert.deepEqual(
    [...guidanceRows(Float32Array.of(1, 2, 3, 4), prompts)],
    [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4],
  );
  assert.deepEqual(
    rowNames(pictures).map((name) =>
      name.replace(/^the (negative prompt "no" beside the )?prompt /, '$1'),
    ),
    [
      'negative prompt "no" beside the "a AND b:0.5"',
      'negative prompt "no" beside the "c AND d:-1"',
      '"a AND b:0.5"',
      '"a AND b:0.5"',
      '"c AND d:-1"',
      '"c AND d:-1"',
    ],
  );
  // rows: two negatives, a, b, c, d, each of two numbers
  const prediction = Float32Array.of(1, 1, 2, 2, 3, 5, 7, 9, 4, 6, 8, 10);
  assert.deepEqual(
    [...guided(prediction, prompts, 4)],
    [
      1 + 4 * (3 - 1) + 2 * (7 - 1),
      1 + 4 * (5 - 1) + 2 * (9 - 1),
      2 + 2 * (4 - 2) - 2 * (8 - 2),
      2 + 2 * (6 - 2) - 2 * (10 - 2),
    ],
  );
});

test('a negative prompt is left out where it would not count', () => {
  const negatives = (prompt: string, guidance: number) =>
    picture(prompt, guidance).prompts.negative === undefined;
  assert.deepEqual(
    [
      negatives('a', 1),
      negatives('a:0.5', 2),
      negatives('a', 7),
      negatives('a AND b', 1),
      negatives('a:2', 1),
    ],
    [true, true, false, false, false],
  );
  assert.deepEqual([...guided(Float32Array.of(5, 6), [picture('a', 1).prompts], 2)], [5, 6]);
});

test('the UNet draws the same from text states as from the same ones three times over', async () => {
  const { unet } = smallConfig;
  const weights = new Map(
    [...stableDiffusionParameters(smallConfig)]
      .filter(([name]) => name.startsWith('unet.'))
      .map(([name, shape]) => [name, float32(shape, hashedWeight(name, shape))]),
  );
  const shape = [1, unet.in_channels, 16, 16] as const;
  const latents = float32(shape, hashedUniforms('latents', 4 * 16 * 16));
  const states = hashedUniforms('states', 7 * unet.cross_attention_dim);
  const runtime = cpuRuntime(1);
  const predict = async (times: number) => {
    const context = [1, 7 * times, unet.cross_attention_dim] as const;
    const program = await runtime.compile(unetGraph(unet, shape, context), { weights });
    const text_states = float32(
      context,
      Array<Float32Array>(times)
        .fill(states)
        .flatMap((each) => [...each]),
    );
    const { prediction } = await program.run({
      latents,
      timesteps: float32([1], [501]),
      text_states,
    });
    await program.release();
    return Array.from(prediction.data, Number);
  };
  const [once, thrice] = [await predict(1), await predict(3)];
  const largest = Math.max(...once.map(Math.abs));
  // sums of other lengths in float32
  once.forEach((x, i) => assert.ok(Math.abs(x - thrice[i]) < 1e-5 * largest));
});
