// What a model thinks before it answers: expected as it was trained, and no part of what is judged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chatTemplate } from '../tokenizer/chat.ts';
import { withoutThoughts } from './answerer.ts';
import { readQuestion } from './questions.ts';

const source =
  '{% for m in messages %}<|{{ m.role }}|>{% if m.thinking %}<think>\n{{ m.thinking }}\n</think>\n\n{% endif %}{{ m.content }}</s>{% endfor %}';
const tokenizer = { specialTokens: {}, addsBos: false, chatTemplate: source };

test('an answer is judged without the thoughts before it', () => {
  const template = chatTemplate(tokenizer);
  assert.equal(template?.reasoning, 'thinking');
  assert.equal(withoutThoughts('<think>\na b\n</think>\n\nHere.', { template }), 'Here.');
  assert.equal(withoutThoughts(' Here.', { template }), ' Here.');
  const plain = chatTemplate(tokenizer, 'chatml');
  assert.equal(withoutThoughts('a</think>b', { template: plain }), 'a</think>b');
});

test('an expected answer keeps its thoughts', () => {
  const fields = { reasoning_content: 'near' };
  const asked = { role: 'user', content: 'Where?' } as const;
  const answer = { role: 'assistant', content: 'Here.' } as const;
  const read = readQuestion(
    { where: 'a:1', value: { messages: [asked, { ...answer, ...fields, name: null }] } },
    { forbidden: [] },
  );
  assert.ok('question' in read, JSON.stringify(read));
  assert.equal(read.question.expected, 'Here.');
  assert.deepEqual(read.question.expectedFields, fields);
});

test('a question with empty spellings of other forms is read by the one that holds something', () => {
  for (const empty of [null, '', []]) {
    const value = { messages: empty, prompt: empty, question: 'Q', answer: empty, output: 'A' };
    const read = readQuestion({ where: 'a:1', value }, { forbidden: [] });
    assert.ok('question' in read, JSON.stringify(read));
    assert.deepEqual(read.question.prompt, { kind: 'completion', text: 'Q' });
    assert.equal(read.question.expected, 'A');
  }
});
