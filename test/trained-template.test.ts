// The template that an adapter was trained with is the one that it is judged, merged and exported
// with.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parseConfig } from '../src/config/load.ts';
import { evaluate, type EvalEvent } from '../src/eval/evaluate.ts';
import type { EvalResult } from '../src/eval/result.ts';
import { exportGguf } from '../src/export/export-gguf.ts';
import { writeTinyModel } from '../src/export/language-model.test-util.ts';
import { mergeLora } from '../src/export/merge.ts';
import { readPeftFolder } from '../src/adapter-files/peft-folder.ts';
import { parseGguf, scalarOf } from '../src/tensor/gguf.ts';
import { chatTemplate } from '../src/tokenizer/chat.ts';
import { readChatTemplate, readTextTokenizer } from '../src/tokenizer/text.ts';
import { train } from '../src/train/run.ts';
import { cpuRuntime } from '../src/runtime/runtime.ts';

/** Short ones: the tiny model reads 128 bytes. */
const templates = {
  'Jinja of the configuration':
    '{% for m in messages %}({{ m.role }}) {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}(assistant) {% endif %}',
  'a template by name': 'plain',
} as const;

let root = '';
const at = (...names: string[]) => join(root, ...names);
const dialogue = (question: string, answer: string) =>
  `${JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  })}\n`;

before(() => {
  root = mkdtempSync(join(tmpdir(), 'trained-template-'));
  writeTinyModel(at('base'), 'llama');
  // with what JSON.stringify would change, and quotes that a careless search would end at
  writeFileSync(
    at('base', 'tokenizer_config.json'),
    String.raw`{"model_max_length": 1000000000000000019884624838656, "bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ 'a \"b\" $& \\n' }}{% for m in messages %}{{ m.content }}</s>{% endfor %}"}`,
  );
  writeFileSync(
    at('data.jsonl'),
    ['hat', 'coat', 'shoe'].map((word) => dialogue(`my ${word}?`, `hello ${word}`)).join(''),
  );
  writeFileSync(at('eval.jsonl'), dialogue('my box?', 'hello box'));
});
after(() => rmSync(root, { recursive: true, force: true }));

async function trained(output: string, chat_template: string | undefined) {
  const job = parseConfig({
    task_type: 'text-generation',
    base_model: at('base'),
    train_data_dir: at('data.jsonl'),
    output_dir: at(output),
    eval_path: at('eval.jsonl'),
    max_seq_length: 64,
    max_train_steps: 2,
    save_steps: 1,
    learning_rate: 1e-2,
    lora_rank: 2,
    num_threads: 1,
    save_precision: 'float32',
    tensorboard: false,
    ...(chat_template !== undefined && { chat_template }),
  });
  for await (const event of train(job, { signal: new AbortController().signal }))
    if (event.type === 'evaluated') return event.result;
  return assert.fail('no evaluation');
}

async function judged(chat_template?: string) {
  const events: EvalEvent[] = [];
  const model = {
    adapter: at('adapter'),
    maxSeqLength: 64,
    runtime: cpuRuntime(1),
    ...(chat_template !== undefined && { chatTemplate: chat_template }),
  };
  const run = evaluate({ model, questions: at('eval.jsonl') });
  for (let next = await run.next(); ; next = await run.next()) {
    if (next.done === true) return { result: next.value, events };
    events.push(next.value);
  }
}

/** Without the adapter and with it, as far as sums in another order leave them alike. */
const perplexities = (result: EvalResult | undefined) =>
  [result?.questions.base, result?.questions.adapter].map((totals) =>
    totals?.perplexity?.toPrecision(5),
  );

function templateOfGguf(path: string) {
  const bytes = new Uint8Array(readFileSync(path));
  const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
  return scalarOf(
    parseGguf({ size: bytes.length, read }, path).metadata,
    'tokenizer.chat_template',
  );
}

for (const [name, given] of Object.entries(templates)) {
  test(`${name} goes with the adapter: lora eval, lora merge and GGUF have it`, async () => {
    rmSync(at('adapter'), { recursive: true, force: true });
    const atTheEnd = await trained('adapter', given);
    const source = chatTemplate(readTextTokenizer(at('base')), given)?.source;
    for (const folder of [at('adapter'), at('adapter/checkpoint-1')])
      assert.equal(readPeftFolder(folder).chatTemplate, source);

    const { result, events } = await judged();
    assert.deepEqual(perplexities(result), perplexities(atTheEnd));
    assert.deepEqual(
      events.filter(({ type }) => type === 'warning'),
      [],
    );
    const other = await judged('chatml');
    assert.notDeepEqual(perplexities(other.result), perplexities(atTheEnd));
    assert.match(
      JSON.stringify(other.events),
      /use a different chat template \(chatml\) from the one that the adapter was trained with/,
    );

    rmSync(at('merged'), { recursive: true, force: true });
    const lora = readPeftFolder(at('adapter'));
    mergeLora({ base: at('base'), lora, output: at('merged'), chatTemplate: lora.chatTemplate });
    assert.equal(readChatTemplate(at('merged')), source);
    const config = readFileSync(at('merged/tokenizer_config.json'), 'utf8');
    assert.match(config, /"model_max_length": 1000000000000000019884624838656,/);
    assert.equal((JSON.parse(config) as { chat_template: string }).chat_template, source);
    assert.equal(templateOfGguf(exportGguf({ path: at('merged') }).file), source);
    const { file, templateFile } = exportGguf({ path: at('adapter') });
    assert.equal(templateOfGguf(file), source);
    assert.equal(templateFile, at('adapter/chat_template.jinja'));
  });
}

test("an adapter that was trained with its base's template has no copy of it", async () => {
  await trained('own', undefined);
  assert.ok(!existsSync(at('own/chat_template.jinja')));
  assert.ok(!existsSync(at('own/tokenizer.json')));
  assert.equal(exportGguf({ path: at('own') }).templateFile, undefined);
});
