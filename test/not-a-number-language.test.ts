// A NaN in a language model: training, validation, answers, evaluation, merge and GGUF name it and
// write nothing of it.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadLanguageModel } from '../src/checkpoints/hf-folder.ts';
import { evalCommand } from '../src/cli/eval.ts';
import { exportCommand } from '../src/cli/export.ts';
import { mergeCommand } from '../src/cli/merge.ts';
import { report } from '../src/cli/report.ts';
import { runCommand } from '../src/cli/run.test-util.ts';
import { parseConfig } from '../src/config/load.ts';
import { createTextGenerator } from '../src/generate/text/text-generator.ts';
import { countUnsound } from '../src/tensor/finite.ts';
import { fromFloat32, type FloatDType } from '../src/tensor/half.ts';
import { deserialize, serialize } from '../src/tensor/safetensors.ts';
import { float32 } from '../src/tensor/tensor.ts';
import { train } from '../src/train/run.ts';
import { smallLlama, writeSmallLanguageModel } from '../src/train/testing/small-language-model.ts';
import { readTextTokenizer } from '../src/tokenizer/text.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

const root = mkdtempSync(join(tmpdir(), 'not-a-number-language-'));
after(() => rmSync(root, { recursive: true, force: true }));

const dialogue = (question: string, answer: string) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  })}\n`;
const data = join(root, 'data.jsonl');
writeFileSync(
  data,
  ['hat', 'coat', 'shoe'].map((word) => dialogue(`my ${word}?`, `the ${word}, dear.`)).join(''),
);
const questions = join(root, 'eval.jsonl');
writeFileSync(questions, dialogue('my box?', 'the box, dear.'));

/** Changes one number of one tensor. */
function damage(file: string, name: string, value: number, at = 0.5): void {
  const { metadata, tensors } = deserialize(readFileSync(file), file);
  const tensor = tensors.get(name);
  assert.ok(tensor !== undefined, `${file} has no tensor ${name}`);
  const { data } = fromFloat32(float32([1], [value]), tensor.dtype as FloatDType); // a weight
  tensor.data.set(data as never, Math.floor(tensor.data.length * at)); // of the same type
  writeFileSync(file, serialize(tensors, metadata));
}

const config = { ...smallLlama, tie_word_embeddings: false };
const sound = join(root, 'sound');
writeSmallLanguageModel(sound, { config });

/** The token `<|im_start|>`, with which every conversation begins, is the third of 64. */
const places: Record<string, { tensor: string; at?: number }> = {
  embedding: { tensor: 'model.embed_tokens.weight', at: 2.5 / 64 },
  layer: { tensor: 'model.layers.1.mlp.up_proj.weight' },
  attention: { tensor: 'model.layers.0.self_attn.v_proj.weight' },
  query: { tensor: 'model.layers.0.self_attn.q_proj.weight' },
  norm: { tensor: 'model.norm.weight' },
  head: { tensor: 'lm_head.weight' },
};

const jobOf = (output: string, settings: object) =>
  parseConfig({
    task_type: 'text-generation',
    base_model: sound,
    train_data_dir: data,
    output_dir: output,
    max_seq_length: 64,
    lora_rank: 2,
    num_threads: 1,
    max_train_steps: 1,
    ...settings,
  });

async function run(output: string, settings: object = {}): Promise<void> {
  const { signal } = new AbortController();
  for await (const event of train(jobOf(output, settings), { signal })) void event;
}

async function failure(output: string, settings: object) {
  try {
    await run(output, settings);
  } catch (error) {
    return report(error);
  }
  return assert.fail('nothing was thrown');
}

const adapter = join(root, 'adapter');
await run(adapter);

for (const [place, { tensor, at }] of Object.entries(places))
  for (const value of [NaN, Infinity]) {
    const name = `${value} in the ${place}`;
    const base = join(root, `${place}${value}`);
    cpSync(sound, base, { recursive: true });
    damage(join(base, 'model.safetensors'), tensor, value, at);

    test(`${name}: training names tensor, file and text, and saves nothing`, async () => {
      const output = join(root, `run ${place}${value}`);
      const { text, exitCode } = await failure(output, { base_model: base });
      assert.equal(exitCode, 1);
      assert.match(text, /step 1: the loss became (NaN|-?Infinity) for .*data\.jsonl:\d/);
      assert.ok(text.includes(join(base, 'model.safetensors')), text);
      assert.ok(text.includes(`${tensor}, in which 1 of`), text);
      assert.doesNotMatch(text, /learning_rate/);
      assert.ok(!existsSync(join(output, 'adapter_model.safetensors')));
    });

    test(`${name}: evaluation names question and tensor, and writes no figures`, async () => {
      const output = join(root, `eval ${place}${value}`);
      const { text, code } = await runCommand(
        [evalCommand],
        ['eval', adapter, '--base', base, '--eval-path', questions, '--output', output],
      );
      assert.equal(code, 1, text);
      assert.match(text, /eval\.jsonl:1/);
      assert.ok(text.includes(tensor), text);
      assert.ok(!existsSync(output) || readdirSync(output).length === 0);
    });

    test(`${name}: no merged model is written`, async () => {
      const merged = join(root, `merged ${place}${value}`);
      const words = ['merge', adapter, '--base', base, '--output', merged];
      const { text, code } = await runCommand([mergeCommand], words);
      assert.equal(code, 1, text);
      assert.match(text, /NaN or infinite/);
      assert.ok(text.includes(tensor), text);
      assert.ok(!existsSync(merged));
    });

    test(`${name}: no answer is generated`, async () => {
      const model = loadLanguageModel(base);
      const tokenizer = readTextTokenizer(base);
      const generator = createTextGenerator({ model, tokenizer, runtime: cpuRuntime(1) });
      const prompt = '<|im_start|>a cup';
      const pattern = new RegExp(`for the prompt "<\\|im_start\\|>a cup"[^]*${tensor}`);
      try {
        await assert.rejects(generator.answer({ prompt }), pattern);
        await assert.rejects(generator.answers([{ prompt }, { prompt }]), pattern);
        const ids = tokenizer.encode(prompt);
        await assert.rejects(
          generator.scoreTokens({ ids, from: 2, name: 'the first text' }),
          new RegExp(`for the first text[^]*${tensor}`),
        );
      } finally {
        await generator.release();
      }
    });
  }

for (const tensor of ['embed_tokens', 'layers.2.mlp.up_proj', 'norm'])
  test(`a NaN in ${tensor}: no GGUF is written`, async () => {
    const base = join(root, `tiny ${tensor}`);
    cpSync('models/tiny-llm', base, { recursive: true });
    damage(join(base, 'model.safetensors'), `model.${tensor}.weight`, NaN);
    const words = ['export', '--to', 'gguf', base, '--output', join(root, `${tensor}.gguf`)];
    const { text, code } = await runCommand([exportCommand], words);
    assert.equal(code, 1, text);
    assert.match(text, /1 of its numbers are NaN or infinite/);
    assert.deepEqual(
      readdirSync(root).filter((file) => file.includes('.gguf')),
      [],
    );
  });

test('a NaN met by validation alone is named there', async () => {
  const base = join(root, 'validated');
  cpSync(sound, base, { recursive: true });
  const letter = readTextTokenizer(base).encode('z')[0];
  damage(join(base, 'model.safetensors'), 'model.embed_tokens.weight', NaN, (letter + 0.5) / 64);
  const held = join(root, 'held.jsonl');
  writeFileSync(held, dialogue('a zoo?', 'zzz.'));
  const { text, exitCode } = await failure(join(root, 'run validated'), {
    base_model: base,
    validation_data: [held],
  });
  assert.equal(exitCode, 1);
  assert.match(text, /the validation loss became NaN for .*held\.jsonl:1/);
  assert.match(text, /model\.embed_tokens\.weight/);
});

test('a NaN met by the last answers stops them: the prompt is named, the adapter is kept', async () => {
  const base = join(root, 'validated');
  const output = join(root, 'run answered');
  const { text, exitCode } = await failure(output, {
    base_model: base,
    sample_prompts: ['a zoo'],
    sample_max_tokens: 3,
  });
  assert.equal(exitCode, 1);
  assert.match(text, /logits for the prompt "a zoo"/);
  assert.match(text, /The last adapter that was saved: .*adapter_model\.safetensors/);
  assert.ok(existsSync(join(output, 'adapter_model.safetensors')));
  assert.ok(!existsSync(join(output, 'answers.md')));
});

test('an adapter with a NaN is refused by evaluation and merge', async () => {
  const broken = join(root, 'broken');
  cpSync(adapter, broken, { recursive: true });
  const file = join(broken, 'adapter_model.safetensors');
  const { metadata, tensors } = deserialize(readFileSync(file), file);
  const [[name, tensor]] = tensors;
  assert.ok(countUnsound(tensor) === 0 && metadata !== undefined);
  damage(file, name, NaN);
  for (const [command, words] of [
    [evalCommand, ['eval', broken, '--base', sound, '--eval-path', questions]],
    [mergeCommand, ['merge', broken, '--base', sound, '--output', join(root, 'no')]],
    [
      exportCommand,
      ['export', '--to', 'gguf', broken, '--base', sound, '--output', join(root, 'no.gguf')],
    ],
  ] as const) {
    const { text, code } = await runCommand([command], words);
    assert.equal(code, 1, text);
    assert.ok(text.includes(name.replace(/\.lora_[AB]\.weight$/, '')), text);
    assert.match(text, /not finite|NaN or infinite/);
  }
});
