// A tokenizer with chat templates of which none is the default.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CheckpointError, DataError } from '../../errors.ts';
import { chatTemplate } from '../../tokenizer/chat.ts';
import { readTextTokenizer } from '../../tokenizer/text.ts';
import { prepareTextData, type TextData } from './prepare.ts';
import { withFolder } from './text.test-util.ts';

const source = "{% for m in messages %}{{ m.role + ' ' + m.content + '<|end|>' }}{% endfor %}";
const named = (...names: readonly string[]) => ({
  chat_template: names.map((name) => ({ name, template: source })),
});

/** What is said of a sample under a tokenizer with this configuration. */
function told(sample: object, config: object, beside: readonly string[] = []): Promise<string> {
  return withFolder({ 'a.jsonl': JSON.stringify(sample) }, async (folder) => {
    cpSync('models/tiny-llm/tokenizer.json', join(folder, 'tokenizer.json'));
    writeFileSync(
      join(folder, 'tokenizer_config.json'),
      JSON.stringify({ eos_token: '<|end|>', ...config }),
    );
    mkdirSync(join(folder, 'additional_chat_templates'));
    for (const name of beside)
      writeFileSync(join(folder, 'additional_chat_templates', `${name}.jinja`), source);
    const tokenizer = readTextTokenizer(folder);
    const running = prepareTextData({
      sources: [{ path: join(folder, 'a.jsonl') }],
      maxSeqLength: 64,
      seed: 1,
      tokenizer,
      template: chatTemplate(tokenizer),
    });
    const problems = await running.then(
      ({ warnings }: TextData) => warnings,
      (error: unknown) => {
        assert.ok(error instanceof DataError, String(error));
        return error.problems;
      },
    );
    return problems.map(({ what, fix = '' }) => `${what} | ${fix}`).join('\n');
  });
}

const conversation = {
  messages: [
    { role: 'user', content: 'How long?' },
    { role: 'assistant', content: 'Five days.' },
  ],
};
const pair = { prompt: 'How long?', completion: 'Five days.' };

test('templates for tools and retrieval alone were called no chat template', async () => {
  const what = (names: string) =>
    `is a conversation, but none of the tokenizer's chat templates (${names}) is called "default" | Write the one that is meant into chat_template.jinja in the model's folder, or choose one by name, for example chat_template: chatml.`;
  assert.equal(await told(conversation, named('tool_use', 'rag')), what('"tool_use", "rag"'));
  assert.equal(await told(conversation, named('chatml')), what('"chatml"'));
  assert.equal(await told(conversation, {}, ['rag']), what('"rag"'));
  assert.equal(await told(conversation, named('rag'), ['tool']), what('"rag", "tool"'));
  assert.equal(
    await told(conversation, {}),
    'is a conversation, but the tokenizer has no chat template | Choose one by name, for example chat_template: chatml.',
  );
  assert.equal(await told(conversation, named('default', 'rag')), '');
});

test('a question was trained as a plain text without a word, where no template is the default', async () => {
  assert.match(
    await told(pair, named('tool_use')),
    /^is trained as a text and what follows it, without a chat template: none of .*"tool_use"/,
  );
  assert.equal(await told(pair, {}), '');
  assert.equal(await told(pair, named('default', 'tool_use')), '');
});

test('a broken template of the tokenizer was looked for in the configuration', async () => {
  for (const broken of ['{% for m in messages %}{% endfour %}', '{{ messages', '{% if %}'])
    await assert.rejects(told(pair, { chat_template: broken }), (error: unknown) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(error.problems[0].where, /tokenizer_config\.json$/);
      return true;
    });
});
