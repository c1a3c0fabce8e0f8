// `lora data show` as a person calls it.
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataShowCommand } from './data-show.ts';
import { newFolder, runCommand } from './run.test-util.ts';

const dialogue = (question: string, answer: string) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  });

/**
 * Writes the configuration, its data and a tokenizer; gives what `lora data show` makes of them.
 */
function show(
  folder: string,
  lines: readonly string[],
  more: readonly string[] = [],
  ...words: string[]
) {
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join('models/tiny-llm', name), join(folder, name));
  writeFileSync(join(folder, 'config.json'), '{ "model_type": "llama" }');
  writeFileSync(join(folder, 'faq.jsonl'), lines.join('\n'));
  const config = join(folder, 'x.yaml');
  writeFileSync(
    config,
    [
      'task_type: text-generation',
      `base_model: ${folder}`,
      `train_data_dir: ${join(folder, 'faq.jsonl')}`,
      'output_dir: out',
      ...more,
    ].join('\n'),
  );
  return runCommand([dataShowCommand], ['data', 'show', '--config', config, ...words]);
}

test('samples with the trained part highlighted, and what was found', async (t) => {
  const { text, code } = await show(
    newFolder(t),
    [dialogue('Hi', 'Hello.'), dialogue('你好', '您好 😀\u001b[31m'), dialogue('Hi', 'Hello.')],
    ['max_seq_length: 48'],
  );
  assert.equal(code, 0);
  assert.match(
    text,
    /3 samples of messages\n3 sequences with \d+ tokens, \d+ of them trained\n\nThe text in ⟦ ⟧ is trained/,
  );
  assert.match(
    text,
    /1 of 3 · .*faq\.jsonl:1 · \d+ tokens, \d+ trained\n<\|user\|>\nHi<\|end\|>\n<\|assistant\|>\n⟦Hello\.<\|end\|>\n⟧\n/,
  );
  assert.ok(
    text.includes('<|user|>\n你好<|end|>\n<|assistant|>\n⟦您好 😀\\u001b[31m<|end|>\n⟧\n'),
    text,
  );
  assert.match(text, /warning .*faq\.jsonl:3 \(like .*faq\.jsonl:1\)/);
});

test('one sample by its number', async (t) => {
  const folder = newFolder(t);
  const lines = [dialogue('a', 'b'), dialogue('c', 'd')];
  const { text } = await show(folder, lines, [], '--sample', '2');
  assert.match(text, /2 of 2 · /);
  assert.doesNotMatch(text, /1 of 2/);
  assert.match(text, /✓ no problems found\n$/);
  assert.deepEqual(await show(folder, lines, [], '--sample', '3'), {
    code: 1,
    text: 'The configuration cannot be used\n  --sample: expected a whole number from 1 to 2; found 3\n',
  });
});

test('what would spoil the training is one message', async (t) => {
  const { text, code } = await show(
    newFolder(t),
    [dialogue('Hi', 'Hello.'), '{ "messages": [] }'],
    ['chat_template: chatmll'],
  );
  assert.equal(code, 1);
  assert.match(text, /there is no chat template "chatmll"/);
  const other = await show(newFolder(t), [dialogue('Hi', 'Hello.'), '{ "messages": [] }']);
  assert.equal(other.code, 1);
  assert.match(other.text, /^The data cannot be used\n.*faq\.jsonl:2/);
});
