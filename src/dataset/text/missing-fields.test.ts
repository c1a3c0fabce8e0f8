// What is said of samples whose fields have other names, or hold preferences.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interpret } from './forms.ts';

const told = (value: unknown): string[] => {
  const read = interpret(value);
  return 'faults' in read ? read.faults.map(({ what, fix }) => `${what} → ${fix}`) : [];
};

const user = { role: 'user', content: 'q' };
const good = { role: 'assistant', content: 'good' };
const bad = { role: 'assistant', content: 'bad' };

test('preferences, however they are written, are told as such, with what to make of the better answer', () => {
  const expected: readonly (readonly [sample: object, advice: RegExp])[] = [
    [
      { prompt: 'q', chosen: 'a', rejected: 'b' },
      /^has "chosen" and "rejected": .* → Rename "chosen" to "completion", and leave "rejected" out/,
    ],
    [{ chosen: [user, good], rejected: [user, bad] }, /→ Rename "chosen" to "messages"/],
    [
      { prompt: 'q', chosen: [user, good], rejected: [user, bad] },
      /→ Rename "chosen" to "messages"/,
    ],
    [{ prompt: [user], chosen: [good], rejected: [bad] }, /→ Rename "chosen" to "completion", and/],
    [
      { prompt: 'q', chosen: [good], rejected: [bad] },
      /→ Rename "chosen" to "completion", with the text/,
    ],
    [{ chosen: 'Human: q', rejected: 'Human: q' }, /→ Divide "chosen" into its question/],
    [
      { input: { messages: [user] }, preferred_output: [good], non_preferred_output: [bad] },
      /^has "preferred_output" and "non_preferred_output": .* → Write "preferred_output" as an answer behind the messages of "input"/,
    ],
    [
      { conversations: [user], chosen: good, rejected: bad },
      /→ Write "chosen" as an answer behind/,
    ],
    [{ messages: [user], chosen: 'a', rejected: 'b' }, /→ Write "chosen" as an answer behind/],
    [
      { instruction: 'q', chosen_response: 'a', rejected_response: 'b' },
      /→ Rename "chosen_response" to "output"/,
    ],
    [{ question: 'q', answer_w: 'a', answer_l: 'b' }, /→ Rename "answer_w" to "completion"/],
    [
      { question: 'q', response_j: 'a', response_k: 'b' },
      /^has "response_j" and "response_k": preferences/,
    ],
    [{ prompt: 'q', response_0: 'a', response_1: 'b', better: 0 }, /→ Rename the better answer/],
  ];
  for (const [sample, advice] of expected) {
    const [first, ...others] = told(sample);
    assert.match(first, advice);
    assert.deepEqual(others, []);
  }
});

test('a sample that has its own answer is read, whatever stands beside it', () => {
  assert.deepEqual(told({ prompt: 'q', chosen: 'a', rejected: 'b', messages: [user, good] }), []);
  assert.deepEqual(told({ question: 'q', answer: 'a', rejected: 'b' }), []);
});

test('an answer under another name: which field, and what to call it', () => {
  const expected: readonly (readonly [sample: object, advice: RegExp])[] = [
    [
      { input: 'q', content: 'a', reasoning_content: 't' },
      /no "completion"; its other fields: "content" → If "content" is the answer, rename it to "completion"/,
    ],
    [{ question: 'q', solution: 'a', id: '7' }, /→ If "solution" is the answer/],
    [{ instruction: 'q', target: 'a' }, /→ If "target" is the answer, rename it to "output"/],
    [{ instruction: 'q', 输入: 'x', 输出: 'a' }, /→ If "输出" is the answer/],
    [{ question: 'q', one: 'a', two: 'b' }, /"one", "two" → Rename the one that is the answer/],
    [{ input: 'q', reasoning_content: 't' }, /^has "input" but no "completion" → Add/],
    [
      { user: 'q', assistant: 'a' },
      /→ Did you mean "prompt" for "user" and "completion" for "assistant"\?/,
    ],
    [{ 问题: 'q', 回答: 'a' }, /→ Did you mean "prompt" for "问题" and "completion" for "回答"\?/],
    [{ Question: 'q', Answer: 'a' }, /→ Did you mean "question" for "Question" and "answer"/],
    [{ q: 'q', a: 'a' }, /→ Did you mean "prompt" for "q" and "completion" for "a"\?/],
  ];
  for (const [sample, advice] of expected) assert.match(told(sample).join(), advice);
});

test('messages without role or content name the fields that they have', () => {
  const of = (...messages: readonly object[]): string => told({ messages }).join('; ');
  assert.match(
    of({ speaker: 'a', content: 'q' }, good),
    /has no "role", but "speaker", "content" → Write/,
  );
  assert.match(
    of({ author: 'user', content: 'q' }, good),
    /"author", "content" → Rename "author" to "role"/,
  );
  assert.match(of({ human: 'q' }, { gpt: 'a' }), /message 2 has no "role", but "gpt"/);
  assert.match(of({ role: 'user', text: 'q' }, good), /no "content", but "text" → Rename "text"/);
  assert.match(of({ role: 'user' }, good), /no "content" → Add its text as "content"/);
  assert.match(of({ role: 'Q', content: 'q' }, good), /the role "Q" → Roles are system[^;]*$/);
  assert.match(of({ role: 'ipython', content: 'q' }, good), /→ Calls of tools/);
});

test('what is no text is not advised to stand in quotes where it is a list', () => {
  assert.match(
    told({ prompt: ['q'], completion: 'a' }).join(),
    /is a list, not text → Write one text/,
  );
  assert.match(told({ prompt: 5, completion: 'a' }).join(), /is a number, not text → Put the text/);
});
