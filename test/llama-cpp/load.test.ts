// llama.cpp reads the models and adapters that we write, and answers as transformers and PEFT do,
// and as we do.
import { Tokenizer } from '@huggingface/tokenizers';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadLanguageModel } from '../../src/checkpoints/hf-folder.ts';
import { write } from '../../src/checkpoints/small-model.test-util.ts';
import { adapterOf } from '../../src/eval/open-model.ts';
import { exportGguf } from '../../src/export/export-gguf.ts';
import { writeGgufLora } from '../../src/export/gguf-lora.ts';
import { writeGgufModel } from '../../src/export/gguf-model.ts';
import {
  golden,
  readConfig,
  goldenTensor,
  tinyLora,
  tinySentencePiece,
  tinyTokenizer,
  writeTinyModel,
} from '../../src/export/language-model.test-util.ts';
import type { LanguageLora } from '../../src/adapter-files/language-lora.ts';
import { mergeLora } from '../../src/export/merge.ts';
import { writePeftFolder } from '../../src/adapter-files/peft.ts';
import { createTextGenerator } from '../../src/generate/text/text-generator.ts';
import type { TextPrompt } from '../../src/generate/text/text-request.ts';
import { toFloat32 } from '../../src/tensor/half.ts';
import { chatTemplate } from '../../src/tokenizer/chat.ts';
import { readTextTokenizer } from '../../src/tokenizer/text.ts';
import { ask, missing, tokenize } from './llama-cpp.ts';
import { cpuRuntime } from '../../src/runtime/runtime.ts';

const embedded = 'models/tiny-llm';

function logProbabilities(name: string): number[] {
  const { data } = toFloat32(goldenTensor(name));
  const sum = Math.log(data.reduce((total, logit) => total + Math.exp(logit), 0));
  return Array.from(data, (logit) => logit - sum);
}

/** Largest difference of the logarithms of the probabilities. */
function distance(actual: ReadonlyMap<number, number>, expected: readonly number[]): number {
  return expected.reduce(
    (most, value, token) => Math.max(most, Math.abs(Math.log(actual.get(token) ?? 0) - value)),
    0,
  );
}

/** The greedy tokens of our own generator; it stops where the text ends. */
async function ours(
  folder: string,
  prompt: TextPrompt,
  lora?: LanguageLora,
): Promise<readonly number[]> {
  const generator = createTextGenerator({
    model: loadLanguageModel(folder),
    tokenizer: readTextTokenizer(folder),
    runtime: cpuRuntime(1),
    ...(lora && { mix: [{ adapter: adapterOf('lora', lora), strength: 1 }] }),
  });
  let ids: readonly number[] = [];
  for await (const event of generator.generate({ prompt, maxNewTokens: 24 }))
    if (event.type === 'done') ids = event.ids;
  await generator.release();
  return ids;
}

describe('llama.cpp', { skip: missing }, () => {
  let folder = '';
  before(() => (folder = mkdtempSync(join(tmpdir(), 'llama-cpp-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, { base, lora }] of Object.entries(golden.cases)) {
    test(`${name}: base and adapter`, async (t) => {
      // ggml reads gelu from a table of float16; the rest is float32
      const tolerance = name.startsWith('gemma') ? 1e-2 : 1e-5;
      const config = writeTinyModel(join(folder, name), name);
      const [model, adapter] = [join(folder, `${name}.gguf`), join(folder, `${name}-lora.gguf`)];
      writeGgufModel({ folder: join(folder, name), output: model, type: 'f32' });
      write(
        adapter,
        writeGgufLora({ ...tinyLora(config), config: readConfig(config), type: 'f32' }),
      );
      for (const [kind, tokens, file] of [
        ['base', base, undefined],
        ['lora', lora, adapter],
      ] as const) {
        const answer = await ask({
          model,
          adapter: file,
          prompt: golden.prompt,
          count: tokens.length,
        });
        const far = distance(answer.probabilities, logProbabilities(`${name}.${kind}`));
        assert.deepEqual(answer.tokens, tokens, `${kind}: distance ${far}`);
        t.diagnostic(`${kind}: log-probabilities differ by ${far.toExponential(1)} at most`);
        assert.ok(far < tolerance, `${kind}: ${far}`);
      }
    });
  }

  for (const name of Object.keys(golden.cases)) {
    test(`${name}: the tokens of our own generator, without and with the adapter`, async () => {
      const source = join(folder, 'own', name);
      const config = writeTinyModel(source, name);
      const model = exportGguf({ path: source, type: 'f32' }).file;
      writePeftFolder(join(source, 'adapter'), {
        ...tinyLora(config),
        dtype: 'float32',
        baseModel: source,
      });
      const adapter = exportGguf({ path: join(source, 'adapter') }).file;
      for (const [file, lora] of [
        [undefined, undefined],
        [adapter, tinyLora(config)],
      ] as const) {
        const expected = await ours(source, golden.prompt, lora);
        const { tokens } = await ask({
          model,
          adapter: file,
          prompt: golden.prompt,
          count: expected.length,
        });
        assert.deepEqual(tokens, expected, file === undefined ? 'base' : 'adapter');
      }
    });
  }

  test(
    'the embedded language model: its answers, and how it reads a conversation',
    { skip: existsSync(join(embedded, 'model.safetensors')) ? false : 'its weights are not there' },
    async () => {
      const { file } = exportGguf({ path: embedded, output: folder });
      const tokenizer = readTextTokenizer(embedded);
      const template = chatTemplate(tokenizer);
      for (const content of [
        'How long does delivery of the lamp to Berlin take?',
        'Where is my order 48213?',
        '你好 😀',
      ]) {
        const text = template?.render([{ role: 'user', content }], true) ?? '';
        const prompt = [...tokenizer.encode(text, { special: false })];
        assert.deepEqual(await tokenize(file, [text], true), [prompt]);
        const expected = await ours(embedded, prompt);
        assert.deepEqual(
          (await ask({ model: file, prompt, count: expected.length })).tokens,
          expected,
          content,
        );
      }
    },
  );

  test('a merged model answers as base and adapter', async () => {
    const config = writeTinyModel(join(folder, 'source'), 'llama');
    mergeLora({
      base: join(folder, 'source'),
      lora: tinyLora(config),
      output: join(folder, 'merged'),
    });
    for (const type of ['f32', 'f16', 'q8_0'] as const) {
      const model = join(folder, `merged-${type}.gguf`);
      writeGgufModel({ folder: join(folder, 'merged'), output: model, type });
      const answer = await ask({ model, prompt: golden.prompt, count: 1 });
      const far = distance(answer.probabilities, logProbabilities('llama.lora'));
      // 11 and 8 bits of weights
      assert.ok(far < { f32: 1e-5, f16: 2e-2, q8_0: 0.3 }[type], `${type}: ${far}`);
    }
  });

  for (const [kind, json] of Object.entries({
    'byte-level': tinyTokenizer(),
    SentencePiece: tinySentencePiece(),
  })) {
    test(`splits texts as the tokenizer: ${kind}`, async () => {
      writeTinyModel(join(folder, kind), 'llama');
      write(join(folder, kind, 'tokenizer.json'), JSON.stringify(json));
      const model = join(folder, `${kind}.gguf`);
      writeGgufModel({ folder: join(folder, kind), output: model, type: 'f16' });
      const tokenizer = new Tokenizer(json, {});
      const texts = ['hello world', ' hello\n\n  world 12 1234', 'héllo 你好 \t!', "he'll"];
      assert.deepEqual(
        await tokenize(model, texts),
        texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids),
      );
    });
  }

  test("spaces behind Phi-3's marks are left out, in a folder of any name", async () => {
    const [json, at] = [tinySentencePiece(), join(folder, 'merged-phi')];
    const [mark, end] = [json.added_tokens[0], json.added_tokens[2]];
    const added_tokens = [
      ...json.added_tokens.slice(0, 2),
      { ...end, rstrip: true },
      { ...mark, id: 273, content: '<|endoftext|>' },
      { ...mark, id: 274, content: '<|user|>', rstrip: true },
    ];
    writeTinyModel(at, 'phi3');
    write(join(at, 'tokenizer.json'), JSON.stringify({ ...json, added_tokens }));
    const { file } = exportGguf({ path: at });
    const tokenizer = new Tokenizer({ ...json, added_tokens }, {});
    const texts = ['<|user|>\n  hello world</s> hello', '<s> hello<|endoftext|> world'];
    assert.deepEqual(
      await tokenize(file, texts, true),
      texts.map((text) => tokenizer.encode(text, { add_special_tokens: false }).ids),
    );
  });
});
