import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatTemplate } from '../../tokenizer/chat.ts';
import { readTextTokenizer } from '../../tokenizer/text.ts';
import { interpret } from './forms.ts';
import { contentKey, type TextSample } from './sample.ts';
import { templatePrompt } from './template-prompt.ts';

const tokenizer = readTextTokenizer('models/tiny-llm');

const sample = (line: number, system?: string): TextSample => ({
  where: `faq.jsonl:${line}`,
  source: 0,
  content: {
    kind: 'chat',
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      { role: 'user', content: 'Where is my lamp?' },
      { role: 'assistant', content: 'On the way.' },
    ],
  },
});

const qwen =
  "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}{% endif %}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}";

function told(template: string, samples: readonly TextSample[]): string[] {
  const specialIds = new Set([...tokenizer.specialIds, -1, -2]);
  const tokenOf = (id: number) =>
    id === -1 ? '<|im_start|>' : id === -2 ? '<|im_end|>' : tokenizer.tokenOf(id);
  return templatePrompt(samples, chatTemplate(tokenizer, template), { specialIds, tokenOf }).map(
    ({ where, what }) => `${where}: ${what}`,
  );
}

test('a prompt that the template adds of its own accord is told once, with how many samples', () => {
  const [one] = told(qwen, [sample(1, ''), sample(2), sample(3)]);
  assert.equal(
    one,
    'faq.jsonl:2: the chat template (of the configuration) puts a prompt of its own, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.", before samples without a system message: 2 of 3',
  );
  for (const words of ['You are TinyBot.', 'Be kind.', '你是一个有用的助手。']) {
    const short = qwen.replace(/You are Qwen.*?assistant\./, words);
    assert.ok(told(short, [sample(1)])[0]?.includes(JSON.stringify(words)), words);
  }
  assert.match(told('alpaca', [sample(1)])[0], /"Below is an instruction that describes a task/);
  assert.match(told('vicuna', [sample(1)])[0], /"A chat between a curious user/);
});

test('turns and their names are no prompt, nor is one that every sample has', () => {
  for (const name of [
    'chatml',
    'llama-3',
    'llama-2',
    'mistral',
    'gemma',
    'phi-3',
    'zephyr',
    'plain',
  ])
    assert.deepEqual(told(name, [sample(1)]), [], name);
  assert.deepEqual(told(qwen, [sample(1, 'Be kind.'), sample(2, '')]), []);
});

test('an empty system message is trained as one, and is not the same as none', () => {
  const messages = [
    { role: 'user', content: 'Where is my lamp?' },
    { role: 'assistant', content: 'On the way.' },
  ];
  const [none, empty] = [messages, [{ role: 'system', content: '' }, ...messages]].map((list) => {
    const read = interpret({ messages: list });
    return 'content' in read ? read.content : assert.fail('refused');
  });
  assert.ok(empty.kind === 'chat' && empty.messages[0].role === 'system');
  assert.notEqual(contentKey(none), contentKey(empty));
  const written = chatTemplate(tokenizer, qwen)?.render(empty.messages, false);
  assert.ok(written?.startsWith('<|im_start|>system\n<|im_end|>\n'));
});
